//! What the bytes of structures say.

use qcow2_format::bitmap::BitmapTableEntry;
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_format::subcluster::ExtendedL2Entry;
use qcow2_format::{Header, L1Entry, L2Words};

use crate::kind::Kind;

/// A field of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Where it is in the file.
    pub offset: u64,
    /// Its name, as the specification has it.
    pub name: &'static str,
    /// Its bytes as they are there.
    pub bytes: Vec<u8>,
    /// These as a number, big endian.
    pub value: u64,
}

/// The fields of a header: offset, length and name. Spec: "Header".
const FIELDS: [(usize, usize, &str); 20] = [
    (0, 4, "magic"),
    (4, 4, "version"),
    (8, 8, "backing_file_offset"),
    (16, 4, "backing_file_size"),
    (20, 4, "cluster_bits"),
    (24, 8, "size"),
    (32, 4, "crypt_method"),
    (36, 4, "l1_size"),
    (40, 8, "l1_table_offset"),
    (48, 8, "refcount_table_offset"),
    (56, 4, "refcount_table_clusters"),
    (60, 4, "nb_snapshots"),
    (64, 8, "snapshots_offset"),
    (72, 8, "incompatible_features"),
    (80, 8, "compatible_features"),
    (88, 8, "autoclear_features"),
    (96, 4, "refcount_order"),
    (100, 4, "header_length"),
    (104, 1, "compression_type"),
    (105, 7, "padding"),
];

/// Bytes of a version 2 header.
const V2_BYTES: usize = 72;

/// The fields in the first bytes of a file, whatever they say: those that are there, and of
/// a version 3 header those that its length covers.
#[must_use]
pub fn header_fields(start: &[u8]) -> Vec<Field> {
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = start.get(at..at.checked_add(length)?)?;
        let fold = |number: u64, byte: &u8| number.wrapping_shl(8) | u64::from(*byte);
        Some(bytes.iter().fold(0, fold))
    };
    let end = match number(4, 4) {
        Some(2) => V2_BYTES,
        _ => usize::try_from(number(100, 4).unwrap_or(0))
            .unwrap_or(usize::MAX)
            .max(104),
    };
    let fields = FIELDS.into_iter().filter(|(at, ..)| *at < end);
    fields
        .filter_map(|(at, length, name)| {
            Some(Field {
                offset: blockio::len_u64(at),
                name,
                bytes: start.get(at..at.checked_add(length)?)?.to_vec(),
                value: number(at, length)?,
            })
        })
        .collect()
}

/// What entry `index` of a table of `kind` says, whose bytes begin `bytes`; `None` of tables
/// that have no entries of this sort.
#[must_use]
pub fn entry(kind: Kind, header: &Header, index: u64, bytes: &[u8]) -> Option<String> {
    let word = bytes.first_chunk().map(|word| u64::from_be_bytes(*word))?;
    let bits = header.cluster_bits;
    let copied = |copied: bool| if copied { ", copied" } else { "" };
    let wrong = |error: qcow2_format::Error| format!("wrong: {error}");
    Some(match kind {
        Kind::RefcountTable => match RefcountTableEntry::decode(word, bits, index) {
            Ok(RefcountTableEntry(Some(block))) => format!("block at {:#x}", block.0),
            Ok(RefcountTableEntry(None)) => "none".to_owned(),
            Err(error) => wrong(error),
        },
        Kind::L1Table | Kind::SnapshotL1Table => match L1Entry::decode(word, bits, index) {
            Ok(Some(entry)) => {
                format!(
                    "L2 table at {:#x}{}",
                    entry.l2_table.0,
                    copied(entry.copied)
                )
            }
            Ok(None) => "none".to_owned(),
            Err(error) => wrong(error),
        },
        Kind::BitmapTable => match BitmapTableEntry::decode(word, bits, index) {
            Ok(BitmapTableEntry::Zeros) => "zeros".to_owned(),
            Ok(BitmapTableEntry::Ones) => "ones".to_owned(),
            Ok(BitmapTableEntry::Data(host)) => format!("bits at {:#x}", host.0),
            Err(error) => wrong(error),
        },
        Kind::L2Table | Kind::SnapshotL2Table => {
            let words = L2Words::read(bytes, header.geometry().extended_l2)?;
            match words.decode(&header.entry_context(), index) {
                Ok(ExtendedL2Entry::Compressed(stream)) => {
                    format!(
                        "stream at {:#x}, {} bytes at most",
                        stream.host.0,
                        stream.bytes_max()
                    )
                }
                Ok(ExtendedL2Entry::Standard {
                    host,
                    copied: is_copied,
                    subclusters,
                }) => {
                    let place = host.map_or("no cluster".to_owned(), |host| {
                        format!("cluster at {:#x}{}", host.0, copied(is_copied))
                    });
                    let (allocated, zero) = (subclusters.allocated(), subclusters.zero());
                    match (allocated, zero) {
                        (u32::MAX, 0) => place,
                        (0, u32::MAX) => format!("zeros, {place}"),
                        (0, 0) => format!("unallocated, {place}"),
                        _ => format!("{place}, allocated {allocated:#010x}, zeros {zero:#010x}"),
                    }
                }
                Err(error) => wrong(error),
            }
        }
        _ => return None,
    })
}
