//! Small filesystems, assembled byte by byte at literal offsets, and their
//! checksums by the textbook.

use std::io;
use std::ops::Range;

use blockio::{Extent, ExtentKind, MemoryDisk, NewSpool, ReadAt, Spool};
use ext_blocks::damage::{Finding, WalkDamage};
use ext_blocks::trust::Evidence;
use ext_blocks::{Detected, Distrust, Error, Filesystem, Halt, Options, Trust, detect};

/// Offset of the superblock in bytes.
pub(crate) const SB: usize = 1024;

/// The features the base can have, in words of the superblock.
pub(crate) const GDT_CSUM: u32 = 0x10;
pub(crate) const METADATA_CSUM: u32 = 0x400;

/// A disk in memory.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    /// Size of a group descriptor in bytes; the table starts at block 2.
    descriptor_bytes: usize,
    groups: usize,
}

/// 169 blocks of 1 KiB in groups of 64, `ro_compat` besides sparse_super. Each
/// group has 16 inodes of 128 bytes.
///
/// ```text
/// group 0: 1 superblock, 2 descriptors, 3 and 4 bitmaps, 5 6 inodes, 20 data
/// group 1: 65 superblock, 66 descriptors, 67 68 bitmaps, 69 70 inodes
/// group 2: 129 130 bitmaps, 131 132 inodes; 40 blocks
/// ```
pub(crate) fn base_with(ro_compat: u32, descriptor_bytes: usize) -> Image {
    let mut image = Image {
        bytes: vec![0; 169 * 1024],
        descriptor_bytes,
        groups: 3,
    };
    image.u32(SB, 48).u32(SB + 0x04, 169).u32(SB + 0x14, 1);
    image
        .u32(SB + 0x20, 64)
        .u32(SB + 0x24, 64)
        .u32(SB + 0x28, 16);
    image.u16(SB + 0x38, 0xef53).u16(SB + 0x3a, 1);
    image.u32(SB + 0x4c, 1).u16(SB + 0x58, 128);
    image.u32(SB + 0x64, 1 | ro_compat);
    image.put(SB + 0x68, b"0123456789abcdef");
    image.put(SB + 0x78, b"a label");
    image.put(SB + 0x175, &[1]);
    if descriptor_bytes > 32 {
        let size = u16::try_from(descriptor_bytes).unwrap();
        image.u32(SB + 0x60, 0x80).u16(SB + 0xfe, size);
    }
    let groups = [(3, 57, 0..6), (67, 58, 0..6), (129, 36, 0..4)];
    for (group, (bitmap, free, used)) in groups.into_iter().enumerate() {
        let at = image.descriptor(group);
        image
            .u32(at, bitmap)
            .u32(at + 4, bitmap + 1)
            .u32(at + 8, bitmap + 2);
        image.u16(at + 0x0c, free).u16(at + 0x0e, 16);
        for bit in used {
            image.bit(bitmap, bit, true);
        }
    }
    // Inodes 1 to 11 are reserved; block 20 is somebody's.
    image.u16(image.descriptor(0) + 0x0e, 5);
    image.put(4 * 1024, &[0xff, 0x07]);
    image.bit(3, 19, true);
    image.seal();
    image
}

/// The base without checksums.
pub(crate) fn base() -> Image {
    base_with(0, 32)
}

impl Image {
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn u16(&mut self, at: usize, value: u16) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, at: usize, value: u32) -> &mut Self {
        self.put(at, &value.to_le_bytes())
    }

    pub(crate) fn get_u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    /// Offset of the descriptor of `group` in bytes.
    pub(crate) fn descriptor(&self, group: usize) -> usize {
        2048 + group * self.descriptor_bytes
    }

    /// Sets the free count of `group`.
    pub(crate) fn free(&mut self, group: usize, clusters: u16) -> &mut Self {
        let at = self.descriptor(group) + 0x0c;
        self.u16(at, clusters)
    }

    /// Sets bit `bit` of the bitmap in `block`.
    pub(crate) fn bit(&mut self, block: u32, bit: usize, value: bool) -> &mut Self {
        let at = usize::try_from(block).unwrap() * 1024 + bit / 8;
        let mask = 1 << (bit % 8);
        self.bytes[at] = self.bytes[at] & !mask | if value { mask } else { 0 };
        self
    }

    /// Writes every checksum the features ask for.
    pub(crate) fn seal(&mut self) -> &mut Self {
        self.seal_bitmaps().seal_descriptors().seal_superblock()
    }

    pub(crate) fn seal_bitmaps(&mut self) -> &mut Self {
        if self.get_u32(SB + 0x64) & METADATA_CSUM == 0 {
            return self;
        }
        for group in 0..self.groups {
            let at = self.descriptor(group);
            // 64 clusters and 16 inodes a group.
            for (place, low, high, covered) in [(at, 0x18, 0x38, 8), (at + 4, 0x1a, 0x3a, 2)] {
                let block = usize::try_from(self.get_u32(place)).unwrap() * 1024;
                let Some(bitmap) = self.bytes.get(block..block + covered) else {
                    continue;
                };
                let crc = crc32c(self.seed(), bitmap).to_le_bytes();
                self.put(at + low, &crc[..2]);
                if self.descriptor_bytes > 32 {
                    self.put(at + high, &crc[2..]);
                }
            }
        }
        self
    }

    pub(crate) fn seal_descriptors(&mut self) -> &mut Self {
        let ro_compat = self.get_u32(SB + 0x64);
        for group in 0..self.groups {
            let at = self.descriptor(group);
            let number = u32::try_from(group).unwrap().to_le_bytes();
            let bytes = &self.bytes[at..at + self.descriptor_bytes];
            let crc = if ro_compat & METADATA_CSUM != 0 {
                let crc = crc32c(crc32c(self.seed(), &number), &bytes[..0x1e]);
                let crc = crc32c(crc32c(crc, &[0, 0]), &bytes[0x20..]);
                u16::try_from(crc & 0xffff).unwrap()
            } else if ro_compat & GDT_CSUM != 0 {
                let parts = [&self.bytes[SB + 0x68..SB + 0x78], &number, &bytes[..0x1e]];
                crc16(&[&parts.concat(), &bytes[0x20..]].concat())
            } else {
                continue;
            };
            self.u16(at + 0x1e, crc);
        }
        self
    }

    pub(crate) fn seal_superblock(&mut self) -> &mut Self {
        if self.get_u32(SB + 0x64) & METADATA_CSUM != 0 {
            let crc = crc32c(u32::MAX, &self.bytes[SB..SB + 0x3fc]);
            self.u32(SB + 0x3fc, crc);
        }
        self
    }

    pub(crate) fn seed(&self) -> u32 {
        crc32c(u32::MAX, &self.bytes[SB + 0x68..SB + 0x78])
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

/// CRC-32C, bit by bit, without inversion.
pub(crate) fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// CRC-16 of gdt_csum, bit by bit.
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xa001 } else { 0 }
        })
    })
}

/// The filesystem on `disk`, which has one.
#[track_caller]
pub(crate) fn open<'d, R: ReadAt>(disk: &'d R, options: &Options) -> Filesystem<&'d R> {
    match detect(disk, options) {
        Ok(Detected::Ext(filesystem)) => filesystem,
        other => panic!("no filesystem: {}", other.is_err()),
    }
}

/// The extents, checked: they tile the disk in maximal runs, they are the same
/// when asked again, and the totals of the filesystem are theirs.
#[track_caller]
pub(crate) fn extents<R: ReadAt>(filesystem: &Filesystem<&R>, disk_bytes: u64) -> Vec<Extent> {
    let read = || -> Vec<Extent> {
        let extents: Result<_, Error> = filesystem.used_extents().collect();
        extents.unwrap()
    };
    let extents = read();
    assert!(blockio::tiles(extents.iter().copied(), disk_bytes));
    assert!(extents.windows(2).all(|pair| pair[0].kind != pair[1].kind));
    assert_eq!(extents, read());
    let total = |kind| -> u64 {
        let of_kind = extents.iter().filter(|extent| extent.kind == kind);
        of_kind.map(|extent| extent.length).sum()
    };
    let info = filesystem.info();
    assert_eq!(info.used_bytes, total(ExtentKind::Data), "used");
    assert_eq!(info.zero_bytes, total(ExtentKind::Zero), "zero");
    assert_eq!(info.free_bytes, total(ExtentKind::Free), "free");
    extents
}

/// The runs of `kind`, in blocks of 1 KiB.
#[track_caller]
pub(crate) fn blocks(image: &Image, options: &Options, kind: ExtentKind) -> Vec<Range<u64>> {
    let filesystem = open(image, options);
    let extents = extents(&filesystem, image.size());
    // They do not depend on where it is kept what bitmaps say.
    let spool: NewSpool<'_> = &memory_spool;
    for spool in [None, Some(spool)] {
        let mut elsewhere = *options;
        elsewhere.memory = Some(0);
        elsewhere.spool = spool;
        assert_eq!(
            self::extents(&open(image, &elsewhere), image.size()),
            extents
        );
    }
    let of_kind = extents.iter().filter(|extent| extent.kind == kind);
    of_kind
        .map(|extent| {
            assert_eq!((extent.start % 1024, extent.end() % 1024), (0, 0));
            extent.start / 1024..extent.end() / 1024
        })
        .collect()
}

pub(crate) fn memory_spool() -> io::Result<Box<dyn Spool>> {
    Ok(Box::new(MemoryDisk::default()))
}

/// What is answered, or why nothing is. The storage does not fail.
#[track_caller]
pub(crate) fn answer<T, W>(asked: Result<T, Halt<W>>) -> Result<T, W> {
    asked.map_err(|halt| halt.reason().unwrap())
}

/// The used runs, in blocks of 1 KiB.
#[track_caller]
pub(crate) fn used(image: &Image) -> Vec<Range<u64>> {
    blocks(image, &Options::default(), ExtentKind::Data)
}

/// Asserts that nothing of `image` is trusted, because of `want`.
#[track_caller]
pub(crate) fn distrusted(image: &Image, options: &Options, want: Distrust) {
    let filesystem = open(image, options);
    assert_eq!(filesystem.trust(), &Trust::Nothing(want));
    let whole = Extent::new(0..image.size(), ExtentKind::Data);
    assert_eq!(extents(&filesystem, image.size()), [whole]);
}

/// Asserts that `image` is trusted, but for `want`.
#[track_caller]
pub(crate) fn damaged(image: &Image, want: &[Finding]) {
    let filesystem = open(image, &Options::default());
    assert_eq!(filesystem.trust(), &Trust::Bitmaps);
    assert_eq!(filesystem.damage().findings(), want);
    assert_eq!(
        filesystem.damage().total(),
        u64::try_from(want.len()).unwrap()
    );
    extents(&filesystem, image.size());
}

/// Asserts that `image` is believed by its bitmaps alone, but for `want`, and that
/// nothing of it is where inodes are asked, because one group's cannot be found.
#[track_caller]
pub(crate) fn damages_the_group(
    base: &Image,
    patch: impl FnOnce(&mut Image),
    want: Finding,
    kept: Range<u64>,
    group: u32,
) {
    sound(base);
    let mut image = base.clone();
    patch(&mut image);
    let damage = WalkDamage::Descriptor { group };
    distrusted(&image, &Options::default(), Distrust::Unknown { damage });
    let filesystem = open(&image, &by_bitmaps());
    assert_eq!(filesystem.trust(), &Trust::Bitmaps);
    assert_eq!(filesystem.damage().findings(), [want]);
    let used = blocks(&image, &by_bitmaps(), ExtentKind::Data);
    let whole = |run: &Range<u64>| run.start <= kept.start && kept.end <= run.end;
    assert!(used.iter().any(whole), "{kept:?} in {used:?}");
}

/// Options that differ from the usual ones.
pub(crate) fn with(change: impl FnOnce(&mut Options<'static>)) -> Options<'static> {
    let mut options = Options::default();
    change(&mut options);
    options
}

/// Inodes are not asked.
pub(crate) fn by_bitmaps() -> Options<'static> {
    with(|options| options.evidence = Evidence::Bitmaps)
}

/// Asserts that `image` is trusted, and nothing is wrong with it.
#[track_caller]
pub(crate) fn sound(image: &Image) {
    damaged(image, &[]);
}

/// Asserts that `base` is sound, and that `patch` makes nothing of it trusted,
/// because of `want`.
#[track_caller]
pub(crate) fn distrusts(base: &Image, patch: impl FnOnce(&mut Image), want: Distrust) {
    sound(base);
    let mut image = base.clone();
    patch(&mut image);
    distrusted(&image, &Options::default(), want);
}

/// Asserts that `base` is sound, and that `patch` damages it in one way. The
/// blocks `kept` are used then.
#[track_caller]
pub(crate) fn damages(
    base: &Image,
    patch: impl FnOnce(&mut Image),
    want: Finding,
    kept: Range<u64>,
) {
    sound(base);
    let mut image = base.clone();
    patch(&mut image);
    damaged(&image, &[want]);
    let used = used(&image);
    let whole = |run: &Range<u64>| run.start <= kept.start && kept.end <= run.end;
    assert!(used.iter().any(whole), "{kept:?} in {used:?}");
}
