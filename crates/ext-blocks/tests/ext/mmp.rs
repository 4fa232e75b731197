//! Multiple mount protection: who uses a filesystem.

use blockio::ReadAt;
use ext_blocks::mmp::{Holder, Mmp, MmpDamage, read_mmp};
use fixtures::E2fs;

use crate::image::{Image, METADATA_CSUM, SB, base, base_with, crc32c};

/// Block 20, which the base has in use.
const MMP: usize = 20 * 1024;

fn with_mmp(mut image: Image, sequence: u32) -> Image {
    image.u32(SB + 0x60, 0x100).u32(SB + 0x168, 20);
    image.u32(MMP, 0x004d_4d50).u32(MMP + 4, sequence);
    image.put(MMP + 0x10, b"a\nnode\0rest");
    seal(&mut image);
    image
}

fn seal(image: &mut Image) {
    if image.get_u32(SB + 0x64) & METADATA_CSUM != 0 {
        let crc = crc32c(image.seed(), &image.bytes[MMP..MMP + 0x3fc]);
        image.u32(MMP + 0x3fc, crc);
    }
    image.seal();
}

fn read(image: &Image) -> Option<Mmp> {
    read_mmp(image).unwrap()
}

#[test]
fn the_sequence_tells_whether_it_is_in_use() {
    let holder = |sequence| Holder {
        sequence,
        node: b"a\nnode".to_vec(),
    };
    for plain in [base(), base_with(METADATA_CSUM, 32)] {
        assert_eq!(read(&plain), None);
        for (sequence, want) in [
            (0xff4d_4d50, Mmp::Clean),
            (0xe24d_4d50, Mmp::Checked(holder(0xe24d_4d50))),
            (0xe24d_4d4f, Mmp::Mounted(holder(0xe24d_4d4f))),
            (0, Mmp::Mounted(holder(0))),
        ] {
            let found = read(&with_mmp(plain.clone(), sequence)).unwrap();
            assert_eq!(found.is_in_use(), sequence != 0xff4d_4d50);
            assert_eq!(found, want);
        }
    }
    let mounted = read(&with_mmp(base(), 7)).unwrap();
    assert_eq!(
        mounted.to_string(),
        "multiple mount protection says that \"a\\nnode\" has it mounted, or had it mounted when it stopped"
    );
}

#[test]
fn what_is_no_such_block_is_damage() {
    let sound = with_mmp(base_with(METADATA_CSUM, 32), 7);
    assert!(read(&sound).unwrap().is_in_use());

    let mut image = sound.clone();
    image.u32(MMP, 0x004d_4d51);
    let found = 0x004d_4d51;
    let want = MmpDamage::Magic { block: 20, found };
    assert_eq!(read(&image), Some(Mmp::Damaged(want)));

    let mut image = sound.clone();
    let right = image.get_u32(MMP + 0x3fc);
    image.u32(MMP + 0x3fc, !right);
    let want = MmpDamage::Checksum {
        block: 20,
        stored: !right,
        computed: right,
    };
    assert_eq!(read(&image), Some(Mmp::Damaged(want)));

    for (low, high) in [(0, 0), (1, 0), (169, 0), (20, 1), (u32::MAX, u32::MAX)] {
        let mut image = sound.clone();
        image.u32(SB + 0x168, low).u32(SB + 0x16c, high);
        image.seal();
        let block = u64::from(high) << 32 | u64::from(low);
        let want = MmpDamage::Place { block };
        assert_eq!(read(&image), Some(Mmp::Damaged(want)));
    }
}

#[test]
fn a_superblock_that_is_not_believed_says_nothing() {
    let sound = with_mmp(base_with(METADATA_CSUM, 32), 7);
    let mut image = sound.clone();
    image.u32(SB + 0x3fc, 1);
    assert_eq!(read(&image), None);
    let mut image = sound.clone();
    image.u16(SB + 0x38, 0);
    assert_eq!(read(&image), None);
    let mut image = sound;
    image.u32(SB + 0x18, 99).seal();
    assert_eq!(read(&image), None);
    assert_eq!(read_mmp(&image.bytes[..2047]).unwrap(), None);
}

#[test]
fn storage_that_fails_is_an_error() {
    struct Cut(Image);
    impl ReadAt for Cut {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
            if offset >= 20 * 1024 {
                return Err(std::io::Error::other("injected"));
            }
            self.0.read_at(offset, buf)
        }
    }
    let error = read_mmp(&Cut(with_mmp(base(), 7))).unwrap_err();
    let want = "multiple mount protection block at byte 0x5000 cannot be read";
    assert_eq!(error.to_string(), want);
}

#[test]
fn what_mke2fs_writes_is_clean() {
    let Some(e2fs) = E2fs::require() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for features in ["mmp,metadata_csum", "mmp,^metadata_csum"] {
        let path = folder.path().join(features);
        e2fs.make(&path, 8 << 20, &["-t", "ext4", "-O", features])
            .unwrap();
        let disk = std::fs::read(&path).unwrap();
        assert_eq!(read_mmp(&disk).unwrap(), Some(Mmp::Clean));
    }
}
