//! Where one structure is.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::L1Entry;
use qcow2_format::extension::Extension;
use qcow2_format::header::{Header, Version};
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_map::read_header;

use crate::error::Error;
use crate::file::File;
use crate::kind::Kind;

/// A structure of the front of a file, or one that is asked for by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub range: Range<u64>,
}

/// A structure that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Structure {
    /// The header.
    Header,
    /// The header extensions.
    Extensions,
    /// The name of the backing file.
    BackingName,
    /// The refcount table.
    RefcountTable,
    /// The refcount block that an entry of the table names.
    RefcountBlock(u64),
    /// The active L1 table.
    L1Table,
    /// The L2 table that an entry of the active L1 table names.
    L2Table(u64),
    /// The snapshot table, as far as the end of its cluster.
    SnapshotTable,
    /// The directory of the bitmaps.
    BitmapDirectory,
    /// The LUKS header.
    LuksHeader,
}

/// Finds a structure of the image on `storage`; `None` if it has none.
///
/// # Errors
///
/// As [`account()`](crate::account()).
pub fn place(storage: &dyn ReadAt, structure: Structure) -> Result<Option<Place>, Error> {
    let header = read_header(storage)?;
    let bits = header.cluster_bits;
    let file = File::new(storage);
    let cluster = |start: u64| start..start.saturating_add(bits.bytes());
    let entry = |table: u64, index: u64| -> Result<u64, Error> {
        let at = table.saturating_add(index.saturating_mul(8));
        let bytes = file.read(at..at.saturating_add(8))?;
        Ok(bytes
            .first_chunk()
            .map_or(0, |word| u64::from_be_bytes(*word)))
    };
    let of_front = |kind: Kind| -> Result<_, Error> {
        let found = front(&header, storage)?.into_iter();
        Ok(found
            .map(|place| (place.kind, place.range))
            .find(|(of, _)| *of == kind))
    };
    let extension = |find: fn(&Extension) -> Option<(u64, u64)>| {
        let found = header.extensions.iter().find_map(find);
        found.map(|(start, length)| start..start.saturating_add(length))
    };
    let refcount_table = header.refcount_table_offset.0;
    let refcount_entries =
        u64::from(header.refcount_table_clusters).saturating_mul(bits.bytes()) / 8;
    let l1_table = header.l1_table_offset.0;
    let l1_entries = u64::from(header.l1_entries);
    let found = match structure {
        Structure::Header => of_front(Kind::Header)?,
        Structure::Extensions => of_front(Kind::Extensions)?,
        Structure::BackingName => of_front(Kind::BackingName)?,
        Structure::RefcountTable => {
            let end = refcount_table.saturating_add(refcount_entries.saturating_mul(8));
            Some((Kind::RefcountTable, refcount_table..end))
        }
        Structure::RefcountBlock(index) if index < refcount_entries => {
            let word = entry(refcount_table, index)?;
            let block = RefcountTableEntry::decode(word, bits, index).ok();
            let block = block.and_then(|RefcountTableEntry(block)| block);
            block.map(|block| (Kind::RefcountBlock, cluster(block.0)))
        }
        Structure::L1Table => {
            let end = l1_table.saturating_add(l1_entries.saturating_mul(8));
            Some((Kind::L1Table, l1_table..end))
        }
        Structure::L2Table(index) if index < l1_entries => {
            let table = L1Entry::decode(entry(l1_table, index)?, bits, index);
            let table = table.ok().flatten();
            table.map(|entry| (Kind::L2Table, cluster(entry.l2_table.0)))
        }
        Structure::RefcountBlock(_) | Structure::L2Table(_) => None,
        Structure::SnapshotTable => (header.snapshot_count > 0)
            .then(|| (Kind::SnapshotTable, cluster(header.snapshots_offset.0))),
        Structure::BitmapDirectory => extension(|extension| match extension {
            Extension::Bitmaps(place) => Some((place.directory_offset.0, place.directory_bytes)),
            _ => None,
        })
        .map(|range| (Kind::BitmapDirectory, range)),
        Structure::LuksHeader => extension(|extension| match extension {
            Extension::Luks(place) => Some((place.offset.0, place.length)),
            _ => None,
        })
        .map(|range| (Kind::LuksHeader, range)),
    };
    let within = found.map(|(kind, range)| Place {
        kind,
        range: file.within(range),
    });
    Ok(within.filter(|place| !place.range.is_empty()))
}

/// What is in the first cluster: the header, its extensions and the name of the backing file,
/// ascending and apart.
pub(crate) fn front(header: &Header, storage: &dyn ReadAt) -> Result<Vec<Place>, Error> {
    let file = File::new(storage);
    let end = header.cluster_bits.bytes().min(file.size());
    let bytes = file.read(0..end)?;
    let header_end = match header.version {
        Version::V2 => 72,
        Version::V3 => u64::from(header.header_length),
    }
    .min(end);
    let word = |at: u64| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let word = bytes.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*word).into())
    };
    let name = (header.backing_name.as_ref()).and_then(|name| {
        let high = word(8)?.checked_shl(32)?;
        let start = high | word(12)?;
        Some(start..start.saturating_add(blockio::len_u64(name.len())).min(end))
    });
    let extensions_max = name.as_ref().map_or(end, |name| name.start.min(end));
    let mut at = header_end;
    while let Some(kind) = word(at).filter(|_| at.saturating_add(8) <= extensions_max) {
        let length = word(at.saturating_add(4)).unwrap_or(0);
        at = at.saturating_add(8);
        if kind == 0 {
            break;
        }
        at = at
            .saturating_add(length.next_multiple_of(8))
            .min(extensions_max);
    }
    let mut places = vec![
        Place {
            kind: Kind::Header,
            range: 0..header_end,
        },
        Place {
            kind: Kind::Extensions,
            range: header_end..at.max(header_end),
        },
    ];
    places.extend(name.map(|range| Place {
        kind: Kind::BackingName,
        range,
    }));
    places.retain(|place| !place.range.is_empty());
    Ok(places)
}
