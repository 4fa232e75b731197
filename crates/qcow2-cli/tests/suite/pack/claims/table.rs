//! Reads `signatures.tsv`, which says what it holds.

/// The word of blkid for more than one filesystem.
pub(super) const AMBIVALENT: &str = "ambivalent";

/// One signature at one place.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Where its structure goes, in bytes.
    pub(super) at: u64,
    pub(super) bytes: Vec<u8>,
    /// Where in `bytes` the magic is.
    pub(super) magic: u64,
    pub(super) blkid: &'static str,
}

/// The rows of `section`, for a disk of `disk_bytes`.
pub(super) fn rows(section: &str, disk_bytes: u64) -> Vec<Row> {
    let table = include_str!("signatures.tsv");
    let heading = format!("\n# {section}\n");
    let (_, section) = table.split_once(&heading).unwrap();
    let lines = section.lines().take_while(|line| !line.is_empty());
    lines.flat_map(|line| row(line, disk_bytes)).collect()
}

/// The rows of one line: one for each place.
fn row(line: &'static str, disk_bytes: u64) -> Vec<Row> {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap();
    let (name, places, contents, blkid) = (next(), next(), next(), next());
    let (bytes, magic) = structure(contents);
    places
        .split(' ')
        .map(|place| Row {
            name,
            at: place_on(place, disk_bytes),
            bytes: bytes.clone(),
            magic,
            blkid,
        })
        .collect()
}

/// `0x200`, or `end/512-1024`: 1024 before the last multiple of 512.
fn place_on(place: &str, disk_bytes: u64) -> u64 {
    let Some(place) = place.strip_prefix("end/") else {
        return u64::from_str_radix(&place[2..], 16).unwrap();
    };
    let (unit, back) = place.split_once('-').unwrap();
    let (unit, back): (u64, u64) = (unit.parse().unwrap(), back.parse().unwrap());
    disk_bytes / unit * unit - back
}

/// Bytes and where in them the magic is: all in hex, or `sector@MAGIC` and parts
/// with their offsets.
fn structure(contents: &str) -> (Vec<u8>, u64) {
    let Some(sector) = contents.strip_prefix("sector@") else {
        return (hex(contents), 0);
    };
    let mut parts = sector.split(' ');
    let magic = parts.next().unwrap().parse().unwrap();
    let mut bytes = vec![0; 512];
    for part in parts {
        let (at, part) = part.split_once(':').unwrap();
        let (at, part): (usize, _) = (at.parse().unwrap(), hex(part));
        bytes[at..at + part.len()].copy_from_slice(&part);
    }
    (bytes, magic)
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}
