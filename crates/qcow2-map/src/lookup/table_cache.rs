//! Tables of 64-bit words, read in slices, and a bounded cache of those: neither
//! an L1 table of 32 MiB nor L2 tables of 2 MiB are kept for a few entries.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blockio::{ReadAt, len_u64};
use lru::LruCache;
use luks::SECTOR_BYTES;
use qcow2_format::HostOffset;

use crate::units::in_memory;
use crate::{Error, Structure};

/// Bytes of a table that are read at once, and kept; most tables are no longer.
pub const SLICE_BYTES: u64 = 64 << 10;

/// Bytes of a word.
pub const WORD_BYTES: u64 = 8;

/// A table of words in one of the files of an image.
#[derive(Clone, Copy, Debug)]
pub struct TablePlace {
    /// Which table it is, for errors.
    pub structure: Structure,
    /// Index of the file.
    pub file: usize,
    /// Where it starts.
    pub host: HostOffset,
    /// Bytes of it that are in use, and in the file.
    pub bytes: u64,
}

/// A part of a table, as stored. Entries are decoded when used: most are never
/// looked at.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Index of the first word.
    first: u64,
    content: Arc<Content>,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    /// Indices of the words between the zeros at the start and the end.
    used: Range<usize>,
    /// Indices of bytes that could not be read, in a salvaged image.
    lost: Vec<Range<usize>>,
}

impl Slice {
    /// Word `index` of the table, if it is in this slice and was read.
    #[inline]
    #[must_use]
    pub fn word(&self, index: u64) -> Option<u64> {
        let index = usize::try_from(index.checked_sub(self.first)?).ok()?;
        let (words, _) = self.content.bytes.as_chunks::<8>();
        let word = words.get(index)?;
        let start = index.saturating_mul(word.len());
        let is_lost = |range: &Range<usize>| range.contains(&start);
        let read = !self.content.lost.iter().any(is_lost);
        read.then(|| u64::from_be_bytes(*word))
    }

    /// Index of the word up to which all from `index` on are known to be zero:
    /// `index` itself where that is not known of any.
    #[inline]
    #[must_use]
    pub fn zeros_end(&self, index: u64) -> u64 {
        let Content { bytes, used, lost } = &*self.content;
        let at = index.checked_sub(self.first);
        let end = match at.and_then(|at| usize::try_from(at).ok()) {
            Some(at) if lost.is_empty() && at < used.start => used.start,
            Some(at) if lost.is_empty() && at >= used.end => bytes.as_chunks::<8>().0.len(),
            _ => return index,
        };
        self.first.saturating_add(len_u64(end)).max(index)
    }

    /// Whether word `index` of the table would be here.
    #[inline]
    #[must_use]
    pub fn covers(&self, index: u64) -> bool {
        let words = len_u64(self.content.bytes.len()) / WORD_BYTES;
        index
            .checked_sub(self.first)
            .is_some_and(|index| index < words)
    }
}

/// The slices that are kept, of all tables of all files: the last that were used.
pub struct TableCache {
    kept: Mutex<Kept>,
    /// Most bytes that are kept; one slice is, however small this is.
    bytes_max: u64,
    /// Whether what cannot be read is lost, and no error.
    salvage: bool,
}

struct Kept {
    /// By file, host offset and length: of a table that is shared, the last use may
    /// need less.
    slices: LruCache<(usize, u64, u64), Arc<Content>>,
    bytes: u64,
}

impl TableCache {
    /// None yet, of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: u64, salvage: bool) -> Self {
        Self {
            kept: Mutex::new(Kept {
                slices: LruCache::unbounded(),
                bytes: 0,
            }),
            bytes_max,
            salvage,
        }
    }

    /// The slice with word `index` of `table`, which is in `storage`. In a salvaged
    /// image a part of it may be lost.
    pub fn read<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        table: &TablePlace,
        index: u64,
    ) -> Result<Slice, Error> {
        let at = index.saturating_mul(WORD_BYTES);
        let start = at.saturating_sub(at % SLICE_BYTES);
        let bytes = table.bytes.saturating_sub(start).min(SLICE_BYTES);
        let host = table.host.0.saturating_add(start);
        let key = (table.file, host, bytes);
        let slice = |content| Slice {
            first: start / WORD_BYTES,
            content,
        };
        if let Some(content) = self.kept().slices.get(&key) {
            return Ok(slice(Arc::clone(content)));
        }
        // Not under the lock: a slow read must not stop the readers that have
        // their slice. Two that miss the same one at once both read it.
        let content = self.load(storage, table.structure, HostOffset(host), bytes)?;
        let content = Arc::new(content);
        self.kept().keep(key, &content, self.bytes_max);
        Ok(slice(content))
    }

    fn load<S: ReadAt + ?Sized>(
        &self,
        storage: &S,
        structure: Structure,
        host: HostOffset,
        length: u64,
    ) -> Result<Content, Error> {
        let mut content = Content {
            bytes: vec![0; in_memory(length)],
            used: 0..0,
            lost: Vec::new(),
        };
        match storage.read_at(host.0, &mut content.bytes) {
            Ok(()) => {}
            Err(_) if self.salvage => content.salvage(storage, host),
            Err(source) => {
                return Err(Error::Read {
                    structure,
                    host,
                    source,
                });
            }
        }
        let (words, _) = content.bytes.as_chunks();
        let is_used = |word: &[u8; 8]| *word != [0; 8];
        let first = words.iter().position(is_used);
        let last = words.iter().rposition(is_used);
        content.used = first
            .zip(last)
            .map_or(0..0, |(first, last)| first..last.saturating_add(1));
        Ok(content)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Reads sector by sector what could not be read at once.
    fn salvage<S: ReadAt + ?Sized>(&mut self, storage: &S, host: HostOffset) {
        let mut start = 0;
        for sector in self.bytes.chunks_mut(in_memory(SECTOR_BYTES)) {
            let at = host.0.saturating_add(len_u64(start));
            let end = start.saturating_add(sector.len());
            if storage.read_at(at, sector).is_err() {
                self.lost.push(start..end);
            }
            start = end;
        }
    }
}

impl Kept {
    fn keep(&mut self, key: (usize, u64, u64), content: &Arc<Content>, bytes_max: u64) {
        self.bytes = self.bytes.saturating_add(key.2);
        if let Some((old, _)) = self.slices.push(key, Arc::clone(content)) {
            self.bytes = self.bytes.saturating_sub(old.2);
        }
        while self.bytes > bytes_max && self.slices.len() > 1 {
            let Some((old, _)) = self.slices.pop_lru() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(old.2);
        }
    }
}

impl fmt::Debug for TableCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableCache")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}
