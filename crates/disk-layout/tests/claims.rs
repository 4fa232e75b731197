//! What else may claim a disk with an ext filesystem. The signatures themselves are
//! tested through the program, each beside blkid.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use blockio::{Extent, ExtentKind, ReadAt, Tiling};
use disk_layout::claims::{self, Claim, Found};
use disk_layout::{Disk, Error, Keep, Kept, KeptWhole, Options};
use fixtures::ext::{Filesystem, Kind};

/// Bytes of the base.
const BASE: usize = 256 * 1024;

/// Sizes of disks that are and are not multiples of all units of any format.
const SIZES: [usize; 8] = [
    4 << 20,
    (4 << 20) + 512,
    (4 << 20) + 4096,
    (4 << 20) + 65_536,
    (4 << 20) + 65_535,
    (4 << 20) + 1,
    (4 << 20) + 262_143,
    (3 << 20) + 4097,
];

/// A disk in memory.
#[derive(Clone)]
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32(&mut self, at: usize, value: u32) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.bytes.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.bytes.read_at(offset, buf)
    }
}

/// A clean filesystem of 256 KiB.
fn base() -> Image {
    let bytes = Filesystem::new(Kind::Ext2).bytes;
    assert_eq!(bytes.len(), BASE);
    Image { bytes }
}

/// The base, and zeros up to `bytes`.
fn grown(bytes: usize) -> Image {
    let mut image = base();
    image.bytes.resize(bytes, 0);
    image
}

/// What is kept of `disk`, and why all of it.
#[track_caller]
fn kept(disk: &dyn ReadAt, keep: Keep) -> (Kept, Option<String>) {
    let mut options = Options::default();
    options.keep = keep;
    let disk = Disk::open(disk, &options).unwrap();
    let report = disk.report();
    let size = disk.size();
    let extents: Vec<Extent> = disk.extents(0..size).map(Result::unwrap).collect();
    assert!(blockio::tiles(extents.iter().copied(), size));
    let whole = extents == [Extent::new(0..size, ExtentKind::Data)];
    assert_eq!(whole, report.kept_whole.is_some());
    (
        report.kept,
        report.kept_whole.as_ref().map(KeptWhole::to_string),
    )
}

#[track_caller]
fn sound(image: &Image) {
    assert_eq!(claims::find(image, &[]).unwrap(), None);
    assert_eq!(kept(image, Keep::Used), (Kept::Used, None));
}

#[track_caller]
fn claimed(image: &Image, claim: Claim, at: usize) {
    let found = Found {
        claim,
        at: u64::try_from(at).unwrap(),
    };
    assert_eq!(claims::find(image, &[]).unwrap(), Some(found));
    let want = format!("the disk is also claimed by {claim} (signature at byte {at:#x})");
    assert_eq!(kept(image, Keep::Used), (Kept::All, Some(want)));
    assert_eq!(kept(image, Keep::Ext), (Kept::Used, None));
}

#[test]
fn whatever_else_claims_the_disk_makes_it_ambiguous() {
    // 256 KiB: the last whole 64 KiB start at 192 KiB; the last 4 KiB that end 4 KiB
    // before the end, at 248 KiB.
    let claims: &[(usize, &[u8], Claim)] = &[
        (512, b"EFI PART", Claim::Gpt),
        (4096, b"EFI PART", Claim::Gpt),
        (255 * 1024 + 512, b"EFI PART", Claim::Gpt),
        (252 * 1024, b"EFI PART", Claim::Gpt),
        (512, b"LABELONE", Claim::Lvm2),
        (0, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (192 * 1024, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (192 * 1024, b"\xa9\x2b\x4e\xfc", Claim::Md),
        (248 * 1024, b"\xfc\x4e\x2b\xa9", Claim::Md),
        (0, b"XFSB", Claim::Xfs),
        (0x1_0040, b"_BHRfS_M", Claim::Btrfs),
        (65_526, b"SWAPSPACE2", Claim::Swap),
    ];
    for &(at, signature, claim) in claims {
        let mut image = base();
        image.put(at, signature);
        claimed(&image, claim, at);
    }
}

#[test]
fn no_signature_stands_against_its_own_content() {
    let mut image = base();
    image.put(0, b"XFSB");
    let found = |own: &[Claim]| claims::find(&image, own).unwrap();
    let (claim, at) = (Claim::Xfs, 0);
    assert_eq!(found(&[Claim::Btrfs]), Some(Found { claim, at }));
    assert_eq!(found(&[Claim::Xfs]), None);
}

#[test]
fn signatures_at_the_end_are_found_whatever_the_size() {
    for bytes in SIZES {
        sound(&grown(bytes));
        let last = |unit: usize, back: usize| bytes / unit * unit - back;
        let nilfs2 = {
            let mut superblock = [0; 24];
            superblock[0] = 2;
            superblock[6..10].copy_from_slice(b"\x34\x34\x18\x01");
            superblock
        };
        let ends: &[(usize, &[u8], Claim, usize)] = &[
            (last(512, 512), b"EFI PART", Claim::Gpt, 0),
            (last(4096, 4096), b"EFI PART", Claim::Gpt, 0),
            (last(4096, 8192), b"\xfc\x4e\x2b\xa9", Claim::Md, 0),
            (last(65_536, 65_536), b"\xa9\x2b\x4e\xfc", Claim::Md, 0),
            (last(512, 512), b"\xde\x11\xde\x11", Claim::Ddf, 0),
            (last(512, 1024), b"Intel Raid ISM Cfg Sig. ", Claim::Imsm, 0),
            (last(4096, 4036), b"\x83\x74\x02\x6d", Claim::Drbd, 0),
            (last(4096, 4096), &nilfs2, Claim::Nilfs2, 6),
            (
                last(512, 3087 * 512),
                b"Promise Technology, Inc.",
                Claim::PromiseRaid,
                0,
            ),
            // The last slot of the last label, and the first of the one before.
            (
                last(1 << 18, 1024),
                b"\x0c\xb1\xba\0\0\0\0\0",
                Claim::Zfs,
                0,
            ),
            (
                last(1 << 18, (1 << 18) + (1 << 17)),
                b"\0\0\0\0\0\xba\xb1\x0c",
                Claim::Zfs,
                0,
            ),
        ];
        for &(at, signature, claim, magic) in ends {
            let mut image = grown(bytes);
            image.put(at, signature);
            claimed(&image, claim, at + magic);
        }
    }
}

#[test]
fn a_short_magic_alone_claims_nothing() {
    let end = BASE - 512;
    let short: &[(usize, &[u8])] = &[
        (0, b"ER"),
        (0, b"HM"),
        (0, b"\xeb\x3c\x90MSDOS5.0"),
        (88, b"CS"),
        (508, b"\xda\xbe"),
        (end, b"JM"),
        (end, b"\x55\xaa"),
        (end + 0x60, b"\0\0\0\x2f"),
        (252 * 1024 + 6, b"\x34\x34"),
        // An Atari entry without the size of its disk.
        (0x1c6, b"\x01GEM\0\0\0\x02\0\0\0\x10"),
    ];
    for &(at, magic) in short {
        let mut image = base();
        image.put(at, magic);
        sound(&image);
    }
    // 4991 free inodes: the magic of a Minix filesystem.
    let mut image = base();
    image.put(1024 + 16, b"\x7f\x13");
    sound(&image);
}

/// A boot sector with the given partition entries: status, type, start, length.
fn boot_sector(entries: &[(u8, u8, u32, u32)]) -> Image {
    let mut image = base();
    image.put(0, &[0xeb, 0x58, 0x90]).put(510, &[0x55, 0xaa]);
    for (index, &(status, kind, start, length)) in entries.iter().enumerate() {
        let at = 446 + 16 * index;
        image.put(at, &[status]).put(at + 4, &[kind]);
        image.u32(at + 8, start).u32(at + 12, length);
    }
    image
}

#[test]
fn a_boot_record_is_one_with_a_partition() {
    // The disk has 512 sectors.
    let tables: &[&[(u8, u8, u32, u32)]] = &[
        &[(0x80, 0x83, 1, 511)],
        &[(0, 0, 0, 0), (0, 7, 100, 10)],
        &[(0, 0x82, 200, 312), (0x80, 0x83, 1, 199)],
        // From sector 0 on, past the end, from there on, overlapping.
        &[(0, 0x83, 0, 10)],
        &[(0, 0x83, 1, u32::MAX)],
        &[(0, 0x83, 1, 10), (0, 0x83, 512, 10)],
        &[(0, 0x83, 1, 10), (0, 0x83, 10, 10)],
        // Empty entries with leftovers.
        &[(0x80, 0, 1, 10), (0, 0x83, 1, 0), (0, 0x83, 1, 10)],
        &[(0, 0xee, 1, u32::MAX)],
        // One that is sound beside one with an odd status.
        &[(0, 0x83, 1, 10), (0x42, 0x83, 20, 10)],
        &[(0, 0x83, 1, 10), (0, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0)],
    ];
    for entries in tables {
        claimed(&boot_sector(entries), Claim::Mbr, 510);
    }
    let code: &[&[(u8, u8, u32, u32)]] = &[
        &[],
        &[(0x81, 0x83, 1, 10)],
        &[(0, 0, 1, 10)],
        &[(0, 0x83, 1, 0)],
        &[(0, 0x83, 1, 512), (0x42, 0x83, 20, 10)],
        &[(0, 0x83, 0, 10), (0, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0)],
    ];
    for entries in code {
        sound(&boot_sector(entries));
    }
    let mut unsigned = boot_sector(tables[0]);
    sound(unsigned.put(510, &[0x55, 0xab]));
}

#[test]
fn boot_loaders_before_a_filesystem_are_no_table() {
    // What extlinux 6.04, stage1 of GRUB 0.97 and boot.img of GRUB 2.06 have where
    // the status and type of the four entries would be; the parameters before the
    // code that are not zero; the jump.
    let loaders: [([u8; 8], &[u8], &[u8]); 3] = [
        (
            [0x09, 0x07, 0xf4, 0x8a, 0x20, 0x0d, 0, 0],
            b"SYSLINUX\0\x02\0\0\0\0\0\0\0\0\0\0\0\x20\0\x40",
            b"\xeb\x58\x90",
        ),
        (
            [0x24, 0xbe, 0xf9, 0xeb, 0x70, 0, 0xd7, 0x3c],
            b"",
            b"\xeb\x48\x90",
        ),
        ([0x24, 0x0f, 0x84, 0, 0x70, 0, 0, 0], b"", b"\xeb\x63\x90"),
    ];
    for (code, parameters, jump) in loaders {
        let mut image = base();
        image.put(0, &[0x90; 446]).put(11, &[0; 79]);
        image
            .put(3, parameters)
            .put(0, jump)
            .put(510, &[0x55, 0xaa]);
        for (index, pair) in code.chunks(2).enumerate() {
            let at = 446 + 16 * index;
            image.put(at, &pair[..1]).put(at + 4, &pair[1..]);
            image.put(at + 12, b"\xcd\x13\x07\xc3");
        }
        sound(&image);
    }
}

/// A disk that counts reads, of which the bytes in `bad` cannot be read.
struct Medium {
    image: Image,
    bad: std::ops::Range<u64>,
    reads: AtomicU64,
}

impl Medium {
    fn new(image: Image, bad: std::ops::Range<u64>) -> Self {
        let reads = AtomicU64::new(0);
        Self { image, bad, reads }
    }
}

impl ReadAt for Medium {
    fn size(&self) -> u64 {
        self.image.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let end = offset + u64::try_from(buf.len()).unwrap();
        if offset < self.bad.end && self.bad.start < end {
            return Err(io::Error::other("bad sector"));
        }
        self.image.read_at(offset, buf)
    }
}

#[test]
fn few_reads_tell_all_claims() {
    let disk = Medium::new(grown(16 << 20), 0..0);
    assert_eq!(kept(&disk, Keep::Used), (Kept::Used, None));
    let reads = disk.reads.load(Ordering::Relaxed);
    // Both ends and a dozen places between them; what follows the filesystem, for
    // verity; and the filesystem itself.
    assert!(reads <= 64, "{reads}");
}

#[test]
fn only_a_bad_sector_where_a_signature_may_lie_matters() {
    // Inside of the filesystem, where it has no metadata and no format has anything.
    let disk = Medium::new(grown(16 << 20), 50 << 10..51 << 10);
    assert_eq!(kept(&disk, Keep::Used), (Kept::Used, None));
    // Nor does one of the 128 uberblocks of a label of ZFS.
    let disk = Medium::new(grown(16 << 20), 140 << 10..141 << 10);
    assert_eq!(kept(&disk, Keep::Used), (Kept::Used, None));
    let disk = Medium::new(grown(16 << 20), 0..512);
    let error = Disk::open(&disk, &Options::default()).unwrap_err();
    assert!(
        matches!(error, Error::Signature { offset: 0, .. }),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "signature of something other than ext at byte 0x0 cannot be read"
    );
}
