//! Doubles of storage, for tests: that fails, counts what is asked of it, is slow,
//! may not be written, or is longer than anything that could be stored. With the
//! feature `testing`.
//!
//! ```
//! use blockio::testing::{Call, Double};
//! use blockio::{MemoryDisk, ReadAt, WriteAt};
//!
//! let disk = Double::new(MemoryDisk::new(vec![7; 4096])).failing(512..1024);
//! disk.write_at(0, &[1; 8])?;
//! assert!(disk.read_at(0, &mut [0; 600]).is_err());
//! assert_eq!(disk.calls(), [Call::Write(0..8), Call::Read(0..600)]);
//! # Ok::<(), std::io::Error>(())
//! ```

mod sparse;

use std::fmt;
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{Handle, ReadAt, WriteAt, len_u64};

pub use sparse::Sparse;

/// Something asked of a [`Double`]. Ranges and lengths are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`ReadAt::read_at`].
    Read(Range<u64>),
    /// [`ReadAt::next_data`], from where.
    NextData(u64),
    /// [`WriteAt::write_at`].
    Write(Range<u64>),
    /// [`WriteAt::write_zeroes`].
    Zero(Range<u64>),
    /// [`WriteAt::share_at`], the bytes that become shared.
    Share(Range<u64>),
    /// [`WriteAt::reserve`].
    Reserve(u64),
    /// [`WriteAt::set_size`].
    SetSize(u64),
    /// [`WriteAt::sync`].
    Sync,
}

impl Call {
    /// Whether it changes bytes or the length.
    #[must_use]
    pub fn is_change(&self) -> bool {
        use Call::{SetSize, Share, Write, Zero};
        matches!(self, Write(_) | Zero(_) | Share(_) | SetSize(_))
    }

    /// The bytes it is about, of those that are about a range.
    fn range(&self) -> Option<&Range<u64>> {
        match self {
            Self::Read(range) | Self::Write(range) | Self::Zero(range) | Self::Share(range) => {
                Some(range)
            }
            _ => None,
        }
    }
}

/// Where a [`Double`] fails, and how often still.
#[derive(Clone, Debug)]
enum Fault {
    /// What touches these bytes, so many times.
    Bytes(Range<u64>, u64),
    /// So many operations after so many others, which succeed.
    Operations { before: u64, failing: u64 },
}

/// Always, in a count of failures.
const ALWAYS: u64 = u64::MAX;

impl Fault {
    /// Whether `call` fails by this.
    fn hits(&mut self, call: &Call) -> bool {
        let left = match self {
            Self::Bytes(bad, left) => {
                let touches = |range: &Range<u64>| range.start < bad.end && bad.start < range.end;
                if !call.range().is_some_and(touches) {
                    return false;
                }
                left
            }
            Self::Operations { before, failing } => {
                if let Some(fewer) = before.checked_sub(1) {
                    *before = fewer;
                    return false;
                }
                failing
            }
        };
        match *left {
            0 => return false,
            ALWAYS => {}
            _ => *left -= 1,
        }
        true
    }
}

/// What a [`Double`] remembers.
#[derive(Clone, Debug, Default)]
struct State {
    calls: Vec<Call>,
    faults: Vec<Fault>,
    data: Data,
}

/// Where a [`Double`] says that there is data.
#[derive(Clone, Debug, Default)]
enum Data {
    /// Where the storage below says.
    #[default]
    AsBelow,
    Ranges(Vec<Range<u64>>),
    /// Here, from wherever it is asked.
    Always(Range<u64>),
}

/// Storage that does what `inner` does, notes what is asked of it, and differs
/// where it is told to.
pub struct Double<D> {
    /// The storage below.
    pub inner: D,
    state: Mutex<State>,
    error: Box<dyn Fn() -> io::Error + Send + Sync>,
    starts_zeroed: Option<bool>,
    is_read_only: bool,
    delay: Duration,
}

impl<D> Double<D> {
    /// Storage that is as `inner`.
    #[must_use]
    pub fn new(inner: D) -> Self {
        Self {
            inner,
            state: Mutex::default(),
            error: Box::new(|| io::Error::other("injected")),
            starts_zeroed: None,
            is_read_only: false,
            delay: Duration::ZERO,
        }
    }

    /// Whatever touches the bytes of `range` fails.
    #[must_use]
    pub fn failing(self, range: Range<u64>) -> Self {
        self.failing_times(range, ALWAYS)
    }

    /// What touches the bytes of `range` fails so many `times`.
    #[must_use]
    pub fn failing_times(self, range: Range<u64>, times: u64) -> Self {
        self.with_fault(Fault::Bytes(range, times))
    }

    /// So many operations succeed, and every one after them fails.
    #[must_use]
    pub fn failing_after(self, operations: u64) -> Self {
        self.with_fault(Fault::Operations {
            before: operations,
            failing: ALWAYS,
        })
    }

    /// So many operations succeed, the next fails, and those after it succeed.
    #[must_use]
    pub fn failing_once_after(self, operations: u64) -> Self {
        self.with_fault(Fault::Operations {
            before: operations,
            failing: 1,
        })
    }

    /// What fails does so with this, instead of "injected".
    #[must_use]
    pub fn with_error(self, error: impl Fn() -> io::Error + Send + Sync + 'static) -> Self {
        let error = Box::new(error);
        Self { error, ..self }
    }

    /// Data is said to be in these ranges, ascending and apart, whatever `inner`
    /// says.
    #[must_use]
    pub fn with_data(self, ranges: &[Range<u64>]) -> Self {
        self.set_data(ranges);
        self
    }

    /// From now on data is said to be in these ranges.
    pub fn set_data(&self, ranges: &[Range<u64>]) {
        self.state().data = Data::Ranges(ranges.to_vec());
    }

    /// Data is said to be in `range`, from wherever it is asked: a wrong answer.
    #[must_use]
    pub fn always_saying(self, range: Range<u64>) -> Self {
        self.state().data = Data::Always(range);
        self
    }

    /// Whether it says that it starts with zeros, whatever `inner` says.
    #[must_use]
    pub fn starting_zeroed(self, starts_zeroed: bool) -> Self {
        let starts_zeroed = Some(starts_zeroed);
        Self {
            starts_zeroed,
            ..self
        }
    }

    /// Changes fail with [`io::ErrorKind::PermissionDenied`].
    #[must_use]
    pub fn read_only(self) -> Self {
        Self {
            is_read_only: true,
            ..self
        }
    }

    /// Every operation takes that long at least.
    #[must_use]
    pub fn slow(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// What was asked since the last time this was.
    pub fn calls(&self) -> Vec<Call> {
        mem::take(&mut self.state().calls)
    }

    /// The bytes of all reads since the calls were taken.
    pub fn read_bytes(&self) -> u64 {
        let state = self.state();
        let reads = state.calls.iter().filter_map(|call| match call {
            Call::Read(range) => Some(range.end - range.start),
            _ => None,
        });
        reads.sum()
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    fn with_fault(self, fault: Fault) -> Self {
        self.state().faults.push(fault);
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes `call`, and fails where that is asked for.
    fn note(&self, call: Call) -> io::Result<()> {
        if !self.delay.is_zero() {
            thread::sleep(self.delay);
        }
        let mut state = self.state();
        let State { calls, faults, .. } = &mut *state;
        // Each fault counts this one.
        let mut failing = false;
        for fault in faults {
            failing |= fault.hits(&call);
        }
        let forbidden = self.is_read_only && call.is_change();
        calls.push(call);
        match (forbidden, failing) {
            (true, _) => Err(io::ErrorKind::PermissionDenied.into()),
            (_, true) => Err((self.error)()),
            _ => Ok(()),
        }
    }
}

/// The bytes from `offset` on, so many.
fn range(offset: u64, length: u64) -> Range<u64> {
    offset..offset.saturating_add(length)
}

impl<D> fmt::Debug for Double<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Double").finish_non_exhaustive()
    }
}

impl<D: ReadAt> ReadAt for Double<D> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let noted = self.note(Call::Read(range(offset, len_u64(buf.len()))));
        if noted.is_err() {
            // Who uses what failed is to be found out.
            buf.fill(0xee);
        }
        noted?;
        self.inner.read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.note(Call::NextData(from))?;
        match &self.state().data {
            Data::AsBelow => self.inner.next_data(from),
            Data::Always(range) => Ok(Some(range.clone())),
            Data::Ranges(ranges) => {
                let next = ranges.iter().find(|data| data.end > from);
                Ok(next.map(|data| data.start.max(from)..data.end))
            }
        }
    }

    fn handle(&self) -> Option<&Handle> {
        self.inner.handle()
    }
}

impl<D: WriteAt> WriteAt for Double<D> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(Call::Write(range(offset, len_u64(bytes.len()))))?;
        self.inner.write_at(offset, bytes)
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.note(Call::Zero(range(offset, length)))?;
        self.inner.write_zeroes(offset, length)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.note(Call::Reserve(size))?;
        self.inner.reserve(size)
    }

    fn share_at(
        &self,
        offset: u64,
        source: &Handle,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.note(Call::Share(range(offset, length)))?;
        self.inner.share_at(offset, source, source_offset, length)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.note(Call::SetSize(size))?;
        self.inner.set_size(size)
    }

    fn starts_zeroed(&self) -> bool {
        let told = self.starts_zeroed;
        told.unwrap_or_else(|| self.inner.starts_zeroed())
    }

    fn sync(&self) -> io::Result<()> {
        self.note(Call::Sync)?;
        self.inner.sync()
    }
}

#[cfg(test)]
mod tests;
