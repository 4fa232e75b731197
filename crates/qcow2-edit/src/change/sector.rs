//! The first cluster as it becomes: all that determines the image is in its first sector,
//! which is replaced with one write.

use blockio::len_u64;
use qcow2_format::Header;
use qcow2_format::extension::Extension;
use qcow2_format::feature::FeatureName;
use qcow2_map::in_memory;

use crate::error::Error;

/// Bytes that storage replaces as a whole, or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;

/// Bytes in front of the data of an extension, and of the mark that ends them.
const PREFIX_BYTES: usize = 8;

/// Where the place and the length of the backing file's name are in the header.
const NAME_PLACE: std::ops::Range<usize> = 8..16;
const NAME_LENGTH: std::ops::Range<usize> = 16..20;

/// How the first cluster changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewStart {
    /// Bytes that are to be written first, and where: the old header does not use them.
    pub(crate) before: Option<(usize, Vec<u8>)>,
    /// The first sector.
    pub(crate) sector: Vec<u8>,
}

impl NewStart {
    /// How `cluster`, the first one, comes to hold `header`.
    pub(crate) fn new(cluster: &[u8], header: &Header) -> Result<Self, Error> {
        let old = old_end(cluster);
        // The extensions stay where they are, or all go to the first sector.
        let whole = encode(header)
            .ok()
            .and_then(|encoded| Self::with(cluster, old, header, &encoded))
            .filter(|(start, first)| {
                first.len() <= SECTOR_BYTES || start.keeps_rest(cluster, first)
            });
        if let Some((start, _)) = whole {
            return start.checked(cluster, header);
        }
        let short = short(header);
        let encoded = encode(&short)?;
        let needed = len_u64(encoded.len());
        let max = len_u64(SECTOR_BYTES);
        let placed = Self::with(cluster, old, &short, &encoded);
        match placed.filter(|(_, first)| first.len() <= SECTOR_BYTES) {
            Some((start, _)) => start.checked(cluster, &short),
            None => Err(Error::HeaderTooLarge { needed, max }),
        }
    }

    /// The start with the encoded `header` and its backing file's name, if there is a
    /// place for that; and the bytes that the new header consists of, up to its end.
    fn with(
        cluster: &[u8],
        old_end: usize,
        header: &Header,
        encoded: &[u8],
    ) -> Option<(Self, Vec<u8>)> {
        let mut first = encoded.to_vec();
        let mut before = None;
        if let Some(name) = &header.backing_name {
            let at = place_of_name(cluster, old_end, encoded.len(), name)?;
            first
                .get_mut(NAME_PLACE)?
                .copy_from_slice(&len_u64(at).to_be_bytes());
            let length = u32::try_from(name.len()).ok()?;
            first
                .get_mut(NAME_LENGTH)?
                .copy_from_slice(&length.to_be_bytes());
            let end = at.checked_add(name.len())?;
            if end <= SECTOR_BYTES {
                first.resize(first.len().max(end), 0);
                first.get_mut(at..end)?.copy_from_slice(name);
            } else if cluster.get(at..end) != Some(name) {
                before = Some((at, name.clone()));
            }
        }
        let mut sector = first.get(..SECTOR_BYTES).unwrap_or(&first).to_vec();
        // What follows the end of the header has no meaning, and stays.
        let rest = cluster.get(sector.len()..SECTOR_BYTES).unwrap_or_default();
        sector.extend_from_slice(rest);
        sector.resize(SECTOR_BYTES, 0);
        Some((Self { before, sector }, first))
    }

    /// Whether the rest of the header is in the cluster already.
    fn keeps_rest(&self, cluster: &[u8], first: &[u8]) -> bool {
        let rest = first.get(SECTOR_BYTES..).unwrap_or_default();
        cluster.get(SECTOR_BYTES..first.len()) == Some(rest)
    }

    /// The same, if it reads as `header`.
    fn checked(self, cluster: &[u8], header: &Header) -> Result<Self, Error> {
        let mut new = cluster.to_vec();
        let mut put = |at: usize, bytes: &[u8]| {
            let end = at.saturating_add(bytes.len());
            if let Some(part) = new.get_mut(at..end) {
                part.copy_from_slice(bytes);
            }
        };
        if let Some((at, bytes)) = &self.before {
            put(*at, bytes);
        }
        put(0, &self.sector);
        match Header::decode(&new) {
            Ok(read) if read == *header => Ok(self),
            Ok(_) => Err(Error::HeaderTooLarge {
                needed: len_u64(new.len()),
                max: len_u64(SECTOR_BYTES),
            }),
            Err(source) => Err(unstorable(source)),
        }
    }
}

fn unstorable(source: qcow2_format::Error) -> Error {
    Error::Unstorable {
        structure: "the header",
        source,
    }
}

/// The header and its extensions, without the name of the backing file.
fn encode(header: &Header) -> Result<Vec<u8>, Error> {
    let mut nameless = header.clone();
    nameless.backing_name = None;
    nameless.encode().map_err(unstorable)
}

/// Where the name goes: where it is, else after the new header, else where the old header
/// is not.
fn place_of_name(
    cluster: &[u8],
    old_end: usize,
    extensions_end: usize,
    name: &[u8],
) -> Option<usize> {
    let fits = |at: usize| {
        at.checked_add(name.len())
            .is_some_and(|end| end <= cluster.len())
    };
    let stored = usize::try_from(u64::from_be_bytes(
        cluster.get(NAME_PLACE)?.try_into().ok()?,
    ));
    let stored = stored.ok().filter(|at| *at >= extensions_end);
    if let Some(at) = stored
        && cluster.get(at..at.checked_add(name.len())?) == Some(name)
    {
        return Some(at);
    }
    if extensions_end.checked_add(name.len())? <= SECTOR_BYTES {
        return Some(extensions_end);
    }
    Some(old_end.max(extensions_end).max(SECTOR_BYTES)).filter(|at| fits(*at))
}

/// The end of what the header in `cluster` uses of it.
fn old_end(cluster: &[u8]) -> usize {
    let Ok(header) = Header::decode(cluster) else {
        return cluster.len();
    };
    let name = header.backing_name.as_ref().map_or(0, Vec::len);
    let word = |range: std::ops::Range<usize>| {
        let bytes = cluster
            .get(range)
            .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        in_memory(bytes.map_or(0, u64::from_be_bytes))
    };
    let name_end = match name {
        0 => 0,
        length => word(NAME_PLACE).saturating_add(length),
    };
    // The extensions end with a mark, or where the name begins.
    encode(&header).map_or(cluster.len(), |encoded| encoded.len().max(name_end))
}

/// The same header with what it needs in front, and as many names of features as fit.
fn short(header: &Header) -> Header {
    let is_names = |extension: &Extension| matches!(extension, Extension::FeatureNames(_));
    let mut short = header.clone();
    short.extensions.retain(|extension| !is_names(extension));
    let Ok(encoded) = encode(&short) else {
        return short;
    };
    // Two marks: that of these extensions, and that of the names.
    let used = encoded.len().saturating_add(PREFIX_BYTES);
    let room = SECTOR_BYTES.saturating_sub(used) / FeatureName::ENTRY_BYTES;
    let mut names: Vec<FeatureName> = Vec::new();
    for extension in &header.extensions {
        if let Extension::FeatureNames(found) = extension {
            names.extend(found.iter().take(room.saturating_sub(names.len())).cloned());
        }
    }
    if !names.is_empty() {
        short.extensions.push(Extension::FeatureNames(names));
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use qcow2_format::feature::FeatureKind;
    use qcow2_format::{ClusterBits, HostOffset, Version};

    fn header() -> Header {
        let mut header = Header::new(Version::V3, ClusterBits::DEFAULT, 1 << 20);
        header.l1_entries = 1;
        header.l1_table_offset = HostOffset(0x3_0000);
        header.refcount_table_offset = HostOffset(0x1_0000);
        header.refcount_table_clusters = 1;
        let names = (0..8).map(|bit| FeatureName {
            kind: FeatureKind::INCOMPATIBLE,
            bit,
            name: b"a feature".to_vec(),
        });
        let names = Extension::FeatureNames(names.collect());
        header.extensions.push(names);
        header
    }

    /// The first cluster with this header, as others write it.
    fn cluster(header: &Header) -> Vec<u8> {
        let mut cluster = header.encode().unwrap();
        cluster.resize(0x1_0000, 0);
        cluster
    }

    /// The header that is read after the change.
    fn changed(old: &[u8], start: &NewStart) -> Header {
        let mut new = old.to_vec();
        if let Some((at, bytes)) = &start.before {
            assert!(*at >= SECTOR_BYTES);
            new[*at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(
                Header::decode(&new),
                Header::decode(old),
                "it is not used yet"
            );
        }
        new[..SECTOR_BYTES].copy_from_slice(&start.sector);
        Header::decode(&new).unwrap()
    }

    #[test]
    fn a_header_that_fits_stays_as_it_is_laid_out() {
        let old = cluster(&header());
        let mut new = header();
        new.l1_table_offset = HostOffset(0x5_0000);
        let start = NewStart::new(&old, &new).unwrap();
        assert_eq!((start.before.clone(), start.sector.len()), (None, 512));
        assert_eq!(start.sector[..40], old[..40]);
        assert_eq!(start.sector[40..48], [0, 0, 0, 0, 0, 5, 0, 0]);
        assert_eq!(start.sector[48..], old[48..512]);
        assert_eq!(changed(&old, &start), new);
    }

    #[test]
    fn names_of_features_make_room_for_what_matters() {
        let old = cluster(&header());
        let mut new = header();
        new.extensions
            .push(Extension::BackingFormat(b"qcow2".to_vec()));
        let start = NewStart::new(&old, &new).unwrap();
        let found = changed(&old, &start);
        assert_eq!(found.extensions[0], new.extensions[1]);
        let Extension::FeatureNames(names) = &found.extensions[1] else {
            panic!("{found:?}");
        };
        // 112 + 16 + 8 + 7 * 48 + 8 = 480 bytes.
        assert_eq!(names.len(), 7);
    }

    #[test]
    fn the_name_of_a_backing_file_stays_or_goes_where_nothing_is() {
        let mut with_name = header();
        with_name.backing_name = Some(b"base".to_vec());
        let old = cluster(&with_name);
        let mut new = with_name.clone();
        new.size = 1 << 19;
        let start = NewStart::new(&old, &new).unwrap();
        assert_eq!(start.before, None);
        assert_eq!(changed(&old, &start), new);

        new.backing_name = Some(vec![b'x'; 700]);
        let start = NewStart::new(&old, &new).unwrap();
        assert_eq!(start.before, Some((516, vec![b'x'; 700])));
        assert_eq!(changed(&old, &start), new);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let old = cluster(&header());
        let mut new = header();
        let data = vec![1; 500];
        new.extensions.push(Extension::Unknown { kind: 7, data });
        let refused = NewStart::new(&old, &new).unwrap_err();
        let want =
            "the header needs 632 bytes with its extensions, and 512 can be replaced at once";
        assert_eq!(refused.to_string(), want);
    }
}
