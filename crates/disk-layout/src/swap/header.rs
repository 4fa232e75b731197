//! The first page of swap.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use blockio::{ReadAt, len_u64};

use super::distrust::Distrust;

/// The longest page that any machine has.
pub(super) const PAGE_BYTES_MAX: usize = 64 << 10;
const PAGE_BYTES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, PAGE_BYTES_MAX];
/// Bytes of a signature, the last ones of the page.
const SIGNATURE_BYTES: usize = 10;
const BOOT_BYTES: usize = 1024;
/// Bad pages follow the fields and 117 words that are not in use.
const BAD_PAGES_AT: usize = BOOT_BYTES + 512;

/// Signatures of hibernated machines: what is compared, and how it is called. Those are
/// swsusp of old and of today, userspace software suspend, the kernel of today with a
/// header of its own, and TuxOnIce.
const HIBERNATED: [(&[u8], &str); 5] = [
    (b"S1SUSPEND", "S1SUSPEND"),
    (b"S2SUSPEND", "S2SUSPEND"),
    (b"ULSUSPEND", "ULSUSPEND"),
    (b"LINHIB", "LINHIB"),
    (b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c", "TuxOnIce"),
];

/// A signature that was found.
pub(super) struct Found {
    pub(super) page_bytes: u32,
    pub(super) header: Result<Header, Distrust>,
}

/// What the header says.
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) label: Vec<u8>,
    pub(super) uuid: [u8; 16],
    /// The runs of pages that are free, ascending.
    pub(super) free: Result<Vec<Range<u64>>, Distrust>,
}

enum Signature {
    Old,
    New,
    Hibernated(&'static str),
}

impl Signature {
    fn new(bytes: &[u8]) -> Option<Self> {
        let hibernated = HIBERNATED
            .iter()
            .find(|(magic, _)| bytes.starts_with(magic));
        match bytes {
            b"SWAP-SPACE" => Some(Self::Old),
            b"SWAPSPACE2" => Some(Self::New),
            _ => hibernated.map(|(_, name)| Self::Hibernated(name)),
        }
    }
}

/// Whether there is a signature of any page length at the start of `disk`. Nothing else is
/// read: a bad sector matters only if a signature may lie there.
pub(super) fn is_signed(disk: &dyn ReadAt) -> io::Result<bool> {
    for page_bytes in PAGE_BYTES {
        let at = page_bytes.saturating_sub(SIGNATURE_BYTES);
        let (at, end) = (len_u64(at), len_u64(page_bytes));
        let mut signature = [0; SIGNATURE_BYTES];
        if end > disk.size() {
            break;
        }
        disk.read_at(at, &mut signature)?;
        if Signature::new(&signature).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Looks for a signature in `head`, the first bytes of a disk of `size` bytes.
pub(super) fn find(head: &[u8], size: u64) -> Option<Found> {
    let pages = PAGE_BYTES.iter().filter_map(|bytes| head.get(..*bytes));
    let mut signed = pages.filter_map(|page| {
        let start = page.len().checked_sub(SIGNATURE_BYTES)?;
        Some((page, Signature::new(page.get(start..)?)?))
    });
    let (page, signature) = signed.next()?;
    let page_bytes = len_u32(page);
    let header = match (signature, signed.next()) {
        (Signature::Hibernated(signature), _)
        | (_, Some((_, Signature::Hibernated(signature)))) => {
            Err(Distrust::Hibernated { signature })
        }
        (_, Some((other, _))) => Err(Distrust::Pages {
            first: page_bytes,
            second: len_u32(other),
        }),
        (Signature::Old, None) => Ok(old(page, size)),
        (Signature::New, None) => Ok(new(page, size)),
    };
    Some(Found { page_bytes, header })
}

/// The header of version 0: a bit for each page, set if it may be used. More than a page
/// of bits was not possible, so what lies past them is kept.
fn old(page: &[u8], size: u64) -> Header {
    let map_bytes = page.len().saturating_sub(SIGNATURE_BYTES);
    let map = page.get(..map_bytes).unwrap_or_default();
    let pages = whole_pages(page, size);
    let bits = map
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let mut free: Vec<Range<u64>> = Vec::new();
    let mut is_odd = false;
    for (number, bit) in (0u64..).zip(bits) {
        if !bit {
            continue;
        }
        is_odd |= number == 0 || number >= pages;
        match free.last_mut() {
            Some(run) if run.end == number => run.end = number.saturating_add(1),
            _ => free.push(number..number.saturating_add(1)),
        }
    }
    is_odd |= free.is_empty();
    Header {
        version: 0,
        label: Vec::new(),
        uuid: [0; 16],
        free: if is_odd { Err(Distrust::Map) } else { Ok(free) },
    }
}

/// The header of version 1, in the byte order of the machine that made it.
fn new(page: &[u8], size: u64) -> Header {
    let is_swapped = word(page, BOOT_BYTES, false) == 1u32.swap_bytes();
    let label = bytes::<16>(page, BOOT_BYTES + 28);
    let label = label.split(|byte| *byte == 0).next();
    Header {
        version: 1,
        label: label.unwrap_or_default().to_vec(),
        uuid: bytes(page, BOOT_BYTES + 12),
        free: free_pages(page, size, is_swapped),
    }
}

/// The runs of pages that are free by the header of version 1 in `page`.
fn free_pages(page: &[u8], size: u64, is_swapped: bool) -> Result<Vec<Range<u64>>, Distrust> {
    let field = |index: usize| word(page, BOOT_BYTES.saturating_add(index), is_swapped);
    let (found, last, bad_pages) = (field(0), field(4), field(8));
    if found != 1 {
        return Err(Distrust::Version { found });
    }
    let pages = whole_pages(page, size);
    if last == 0 || u64::from(last) >= pages {
        return Err(Distrust::LastPage { last, pages });
    }
    let room = page.len().saturating_sub(BAD_PAGES_AT + SIGNATURE_BYTES);
    let limit = u32::try_from(room / 4).unwrap_or(u32::MAX);
    if bad_pages > limit {
        let found = bad_pages;
        return Err(Distrust::BadPages { found, limit });
    }
    let mut bad = BTreeSet::new();
    let listed = page
        .get(BAD_PAGES_AT..)
        .unwrap_or_default()
        .as_chunks::<4>()
        .0;
    let count = usize::try_from(bad_pages).unwrap_or(usize::MAX);
    for stored in listed.iter().take(count) {
        let page = word(stored, 0, is_swapped);
        if page == 0 || page > last {
            return Err(Distrust::BadPage { page, last });
        }
        bad.insert(u64::from(page));
    }
    let mut free = Vec::new();
    let mut at = 1;
    let end = u64::from(last).saturating_add(1);
    for stop in bad.into_iter().chain([end]) {
        if at < stop {
            free.push(at..stop);
        }
        at = stop.saturating_add(1);
    }
    Ok(free)
}

fn whole_pages(page: &[u8], size: u64) -> u64 {
    let page_bytes = u64::from(len_u32(page));
    size.checked_div(page_bytes).unwrap_or(0)
}

fn len_u32(page: &[u8]) -> u32 {
    u32::try_from(page.len()).unwrap_or(u32::MAX)
}

fn word(page: &[u8], at: usize, is_swapped: bool) -> u32 {
    let word = u32::from_le_bytes(bytes(page, at));
    if is_swapped { word.swap_bytes() } else { word }
}

fn bytes<const N: usize>(page: &[u8], at: usize) -> [u8; N] {
    let found = page.get(at..).and_then(<[u8]>::first_chunk);
    found.copied().unwrap_or([0; N])
}
