//! The headers of a group, each in a sector of its own: a copy of the superblock, AGF, AGI
//! and AGFL.

use blockio::ReadAt;

use crate::bytes::{array, be32, usize_of};
use crate::checksum;
use crate::error::{Error, Structure, fill};
use crate::finding::damage::{GroupDamage, Header};
use crate::geometry::Geometry;
use crate::superblock;

/// Headers, one sector each.
const HEADERS: u64 = 4;
/// The version of AGF and AGI.
const VERSION: u32 = 1;
/// The UUID and the checksum in each header, and where the AGFL begins in version 5.
const UUIDS: [usize; 3] = [64, 296, 8];
const CHECKSUMS: [usize; 3] = [216, 312, 32];
const LIST_AT: usize = 36;

/// The sectors of the headers of a group.
#[derive(Debug, Default)]
pub(crate) struct Sectors {
    bytes: Vec<u8>,
    length: usize,
}

/// What the AGF says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agf {
    /// Root and levels of the bnobt, cntbt, rmapbt and refcountbt.
    pub(crate) by_block: (u32, u32),
    pub(crate) by_size: (u32, u32),
    pub(crate) reverse: (u32, u32),
    pub(crate) shared: (u32, u32),
    pub(crate) free_list_first: u32,
    pub(crate) free_list_last: u32,
    pub(crate) free_list_count: u32,
    pub(crate) free_blocks: u32,
    pub(crate) longest: u32,
    pub(crate) tree_blocks: u32,
}

/// What the AGI says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agi {
    /// Root and levels of the inobt and finobt.
    pub(crate) inodes: (u32, u32),
    pub(crate) free_inodes: (u32, u32),
}

/// How many blocks of a group hold its headers.
pub(crate) fn blocks(geometry: &Geometry) -> u32 {
    let bytes = geometry.sector_bytes().saturating_mul(HEADERS);
    u32::try_from(bytes.div_ceil(geometry.block_bytes())).unwrap_or(u32::MAX)
}

impl Sectors {
    /// Reads the headers of group `ag`.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        &mut self,
        disk: &R,
        geometry: &Geometry,
        ag: u32,
    ) -> Result<(), Error> {
        self.length = usize_of(geometry.sector_bytes());
        let all = geometry.sector_bytes().saturating_mul(HEADERS);
        self.bytes.resize(usize_of(all), 0);
        let at = geometry.byte_of(ag, 0);
        fill(disk, Structure::GroupHeaders, at, &mut self.bytes)
    }

    fn sector(&self, index: usize) -> &[u8] {
        let mut sectors = self.bytes.chunks(self.length.max(1));
        sectors.nth(index).unwrap_or_default()
    }

    /// Holds the copy of the superblock against the sizes of the filesystem. They never
    /// change, while counts, and the length after growing, are only right in the first.
    pub(crate) fn check_superblock(&self, geometry: &Geometry) -> Result<(), GroupDamage> {
        let header = Header::Superblock;
        let sector = self.sector(0);
        let same = |field, found: u64, want: u64| {
            let damage = GroupDamage::Field {
                header,
                field,
                found,
            };
            (found == want).then_some(()).ok_or(damage)
        };
        let magic = u64::from(superblock::MAGIC);
        same("sb_magicnum", be32(sector, 0).into(), magic)?;
        if geometry.has_crc {
            check_sum(header, sector, superblock::CHECKSUM_AT)?;
        }
        let block_bytes = geometry.block_bytes();
        same("sb_blocksize", be32(sector, 4).into(), block_bytes)?;
        let ag_blocks = u64::from(geometry.ag_blocks);
        same("sb_agblocks", be32(sector, 84).into(), ag_blocks)
    }

    /// Checks the AGF of group `ag`.
    pub(crate) fn agf(&self, geometry: &Geometry, ag: u32) -> Result<Agf, GroupDamage> {
        let sector = self.sector(1);
        check_start(Header::Agf, sector, *b"XAGF", geometry, ag)?;
        let word = |at| be32(sector, at);
        Ok(Agf {
            by_block: (word(16), word(28)),
            by_size: (word(20), word(32)),
            reverse: (word(24), word(36)),
            shared: (word(88), word(92)),
            free_list_first: word(40),
            free_list_last: word(44),
            free_list_count: word(48),
            free_blocks: word(52),
            longest: word(56),
            tree_blocks: word(60),
        })
    }

    /// Checks the AGI of group `ag`.
    pub(crate) fn agi(&self, geometry: &Geometry, ag: u32) -> Result<Agi, GroupDamage> {
        let sector = self.sector(2);
        check_start(Header::Agi, sector, *b"XAGI", geometry, ag)?;
        let word = |at| be32(sector, at);
        Ok(Agi {
            inodes: (word(20), word(24)),
            free_inodes: (word(328), word(332)),
        })
    }

    /// The blocks that the AGFL of group `ag` holds, by what its AGF says of it.
    pub(crate) fn free_list(
        &self,
        geometry: &Geometry,
        ag: u32,
        agf: &Agf,
    ) -> Result<Vec<u32>, GroupDamage> {
        let sector = self.sector(3);
        let list = if geometry.has_crc {
            check_list(sector, geometry, ag)?;
            sector.get(LIST_AT..).unwrap_or_default()
        } else {
            sector
        };
        let slots: Vec<u32> = list.chunks_exact(4).map(|slot| be32(slot, 0)).collect();
        let room = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        let field = |field, found: u32| GroupDamage::Field {
            header: Header::Agf,
            field,
            found: found.into(),
        };
        let (first, last) = (agf.free_list_first, agf.free_list_last);
        if first >= room {
            return Err(field("agf_flfirst", first));
        }
        if last >= room {
            return Err(field("agf_fllast", last));
        }
        let count = agf.free_list_count;
        let after = last.saturating_add(room).saturating_add(1);
        let spanned = after.saturating_sub(first).checked_rem(room).unwrap_or(0);
        // Both ends meet if it is empty, and if it is full.
        if spanned != count.checked_rem(room).unwrap_or(0) || count > room {
            return Err(field("agf_flcount", count));
        }
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(0);
        let blocks: Vec<_> = slots.iter().cycle().skip(from).take(count).collect();
        let length = geometry.ag_length(ag);
        if let Some(found) = blocks.iter().find(|block| ***block >= length) {
            return Err(GroupDamage::Field {
                header: Header::Agfl,
                field: "agfl_bno",
                found: u64::from(**found),
            });
        }
        Ok(blocks.into_iter().copied().collect())
    }
}

fn check_sum(header: Header, sector: &[u8], at: usize) -> Result<(), GroupDamage> {
    checksum::check(sector, at).map_err(|found| GroupDamage::Checksum {
        header,
        stored: found.stored,
        computed: found.computed,
    })
}

/// What version 5 has in AGF, AGI and AGFL besides: a checksum and the UUID.
fn check_version5(
    header: Header,
    sector: &[u8],
    geometry: &Geometry,
    index: usize,
) -> Result<(), GroupDamage> {
    let place = |table: [usize; 3]| table.get(index).copied().unwrap_or(0);
    check_sum(header, sector, place(CHECKSUMS))?;
    if array(sector, place(UUIDS)) == geometry.meta_uuid {
        return Ok(());
    }
    Err(GroupDamage::Uuid { header })
}

/// The part that AGF and AGI have in common.
fn check_start(
    header: Header,
    sector: &[u8],
    magic: [u8; 4],
    geometry: &Geometry,
    ag: u32,
) -> Result<(), GroupDamage> {
    let names = if header == Header::Agf {
        ["agf_magicnum", "agf_versionnum", "agf_seqno", "agf_length"]
    } else {
        ["agi_magicnum", "agi_versionnum", "agi_seqno", "agi_length"]
    };
    let want = [
        u32::from_be_bytes(magic),
        VERSION,
        ag,
        geometry.ag_length(ag),
    ];
    for ((field, want), at) in names.into_iter().zip(want).zip([0, 4, 8, 12]) {
        let found = be32(sector, at);
        if found != want {
            let found = found.into();
            return Err(GroupDamage::Field {
                header,
                field,
                found,
            });
        }
    }
    if geometry.has_crc {
        check_version5(header, sector, geometry, usize::from(header != Header::Agf))?;
    }
    Ok(())
}

/// The start of an AGFL of version 5; before that it had none.
fn check_list(sector: &[u8], geometry: &Geometry, ag: u32) -> Result<(), GroupDamage> {
    let header = Header::Agfl;
    let magic = u32::from_be_bytes(*b"XAFL");
    for (field, at, want) in [("agfl_magicnum", 0, magic), ("agfl_seqno", 4, ag)] {
        let found = be32(sector, at);
        if found != want {
            let found = found.into();
            return Err(GroupDamage::Field {
                header,
                field,
                found,
            });
        }
    }
    check_version5(header, sector, geometry, 2)
}
