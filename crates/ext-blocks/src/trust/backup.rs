//! Copies of the superblock, for a filesystem whose own is damaged.

use blockio::ReadAt;
use ext_format::error::{Error, Structure, read};
use ext_format::finding::{Allowed, Distrust, SuperblockAt};
use ext_format::geometry::Geometry;
use ext_format::superblock::check::check_superblock;
use ext_format::superblock::{SUPERBLOCK_BYTES, Superblock};

/// Sizes of a block, as powers of two.
const BLOCK_BITS: std::ops::RangeInclusive<u32> = 10..=16;

/// Groups that hold a copy in most filesystems, and those of `sparse_super2`
/// in small ones.
const GROUPS: [u64; 9] = [1, 2, 3, 5, 7, 9, 25, 27, 49];

/// A copy that a filesystem can be read by.
#[derive(Debug)]
pub(crate) struct Backup {
    pub(crate) sb: Superblock,
    pub(crate) geometry: Geometry,
    pub(crate) at: SuperblockAt,
}

/// A superblock, and the geometry where it is sound.
pub(crate) type Loaded = (Superblock, Result<Geometry, Distrust>);

/// The first sound copy on `disk`; of the filesystem with the superblock
/// `damaged`, where there is one.
pub(crate) fn find<R: ReadAt + ?Sized>(
    disk: &R,
    damaged: Option<&Superblock>,
) -> Result<Option<Backup>, Error> {
    for bits in BLOCK_BITS {
        let block_bytes = 1u64 << bits;
        // Groups are as large as a bitmap of a block can say, unless mke2fs was
        // told otherwise.
        let usual = block_bytes.saturating_mul(8);
        let stated = damaged.map(|sb| u64::from(sb.s_blocks_per_group));
        let stated = stated.filter(|stated| *stated != usual);
        for per_group in [Some(usual), stated].into_iter().flatten() {
            for group in GROUPS {
                let block = group.saturating_mul(per_group);
                let at = SuperblockAt {
                    block: block.saturating_add(u64::from(bits == 10)),
                    block_bytes,
                };
                let Some((sb, Ok(geometry))) = load(disk, at)? else {
                    continue;
                };
                let of_group = u64::from(sb.s_block_group_nr) == group;
                if of_group && damaged.is_none_or(|damaged| damaged.s_uuid == sb.s_uuid) {
                    return Ok(Some(Backup { sb, geometry, at }));
                }
            }
        }
    }
    Ok(None)
}

/// The superblock at `at`, if there is one, and the geometry if it is sound.
pub(crate) fn load<R: ReadAt + ?Sized>(
    disk: &R,
    at: SuperblockAt,
) -> Result<Option<Loaded>, Error> {
    let offset = at.offset();
    let length = u64::try_from(SUPERBLOCK_BYTES).unwrap_or(u64::MAX);
    if offset.saturating_add(length) > disk.size() {
        return Ok(None);
    }
    let mut bytes = [0; SUPERBLOCK_BYTES];
    read(disk, Structure::Superblock, offset, &mut bytes)?;
    let Some(sb) = Superblock::decode(&bytes) else {
        return Ok(None);
    };
    let geometry = check_superblock(&sb, &bytes)
        .and_then(|()| Geometry::new(&sb, disk.size()))
        .and_then(|geometry| {
            let log = u64::from(at.block_bytes.trailing_zeros().saturating_sub(10));
            Allowed::Exactly(log).check("s_log_block_size", 0x18, sb.s_log_block_size)?;
            Ok(geometry)
        });
    Ok(Some((sb, geometry)))
}
