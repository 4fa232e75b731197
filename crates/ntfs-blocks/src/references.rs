//! Which clusters the files need: the run lists of all file records in use, held against
//! `$Bitmap`.

mod pieces;
mod window;

use blockio::ReadAt;

use crate::bytes::{le16, usize_of};
use crate::error::Structure;
use crate::fault::{Fault, Kind};
use crate::finding::{Damage, Distrust, Finding, Step, attribute, odd, of};
use crate::map::Map;
use crate::mft::{self, Contents, Mft};
use crate::record::attribute::Value;
use crate::record::runs::Runs;
use crate::record::{Record, is_record};
use crate::state::is_store;
use crate::stream;

use pieces::Pieces;
use window::Window;

/// Clusters whose bits are in memory at once: two bits each. The records are read once for
/// each such window.
const WINDOW_CLUSTERS: u64 = 1 << 28;
/// Bytes of records that are read at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// Where the records were walked to.
struct Walk<'a, 'd, R: ?Sized> {
    mft: &'a Mft<'d, R>,
    /// The bitmap of the records.
    in_use: &'a [u8],
    window: Window,
    pieces: Pieces,
    /// After the last cluster that any run has.
    end: u64,
    damage: &'a mut Damage,
}

/// Walks all records in use. Clusters that they need count as used in `map` from then on.
/// Returns how many clusters are free.
pub(crate) fn check<R: ReadAt + ?Sized>(
    mft: &Mft<'_, R>,
    map: &mut Map,
    damage: &mut Damage,
) -> Step<u64> {
    let in_use = records_in_use(mft)?;
    let (mut start, mut free, mut unreferenced) = (0, 0u64, 0u64);
    let mut used = Vec::new();
    // Where the last run ends is known after the first walk.
    let mut end = map.clusters;
    while start < map.clusters {
        let bits = map.free(mft.disk, start, WINDOW_CLUSTERS)?;
        if start >= end {
            free = free.saturating_add(bits.count());
            let in_use = bits.length().saturating_sub(bits.count());
            unreferenced = unreferenced.saturating_add(in_use);
            start = start.saturating_add(WINDOW_CLUSTERS);
            continue;
        }
        let mut walk = Walk {
            mft,
            in_use: &in_use,
            window: Window::new(start, bits, used),
            pieces: Pieces::default(),
            end: 0,
            damage: &mut *damage,
        };
        walk.run()?;
        let Walk { window, pieces, .. } = walk;
        end = walk.end;
        pieces.check(mft.boot.cluster_bytes)?;
        free = free.saturating_add(window.free());
        unreferenced = unreferenced.saturating_add(window.unreferenced());
        used = window.used;
        start = start.saturating_add(WINDOW_CLUSTERS);
    }
    if unreferenced > 0 {
        let clusters = unreferenced;
        damage.push(Finding::Unreferenced { clusters });
    }
    map.set_used(used);
    Ok(free)
}

/// The bitmap of the records of `$MFT`.
fn records_in_use<R: ReadAt + ?Sized>(mft: &Mft<'_, R>) -> Step<Vec<u8>> {
    let needed = mft.records.div_ceil(8);
    let missing = of(mft::MFT, Kind::BITMAP, Fault::Missing);
    let found = mft.attribute(mft::MFT, Kind::BITMAP, "")?;
    let mut bytes = vec![0; usize_of(needed)];
    let found = match found.ok_or(missing)?.contents {
        Contents::Here(stored) => {
            if let Some(stored) = stored.get(..bytes.len()) {
                bytes.copy_from_slice(stored);
            }
            blockio::len_u64(stored.len())
        }
        Contents::Elsewhere(stream) => {
            let wrong = |fault| of(mft::MFT, Kind::BITMAP, fault);
            stream.check_no_holes().map_err(wrong)?;
            stream.read(mft.disk, Structure::Bitmap, 0, &mut bytes)?;
            stream.sizes.data
        }
    };
    if found < needed {
        let record = mft::MFT;
        return Err(Distrust::BitmapLength {
            record,
            found,
            needed,
        }
        .into());
    }
    Ok(bytes)
}

impl<R: ReadAt + ?Sized> Walk<'_, '_, R> {
    fn run(&mut self) -> Step<()> {
        let record_bytes = self.mft.boot.record_bytes;
        let at_once = CHUNK_BYTES.checked_div(record_bytes).unwrap_or(0).max(1);
        let mut buffer = vec![0; usize_of(at_once.saturating_mul(record_bytes))];
        let mut first = 0;
        while first < self.mft.records {
            let count = self.mft.records.saturating_sub(first).min(at_once);
            let length = usize_of(count.saturating_mul(record_bytes));
            let bytes = buffer.get_mut(..length).unwrap_or_default();
            self.mft.read_raw(first, bytes)?;
            for (number, bytes) in (first..).zip(bytes.chunks_exact_mut(usize_of(record_bytes))) {
                self.record(number, bytes)?;
            }
            first = first.saturating_add(count);
        }
        Ok(())
    }

    /// Looks at the record `number`, as it is stored in `bytes`.
    fn record(&mut self, number: u64, bytes: &mut [u8]) -> Step<()> {
        let byte = self.in_use.get(usize_of(number / 8));
        let is_in_bitmap = byte.is_none_or(|byte| byte >> (number % 8) & 1 == 1);
        // A record that both call unused is not looked at: nothing wrote to it since.
        let is_flagged = is_record(bytes) && le16(bytes, 22) & 1 != 0;
        if !is_in_bitmap && !is_flagged {
            return Ok(());
        }
        let record = Record::new(bytes, number).map_err(|fault| odd(number, fault))?;
        if !record.is_in_use {
            return Ok(());
        }
        if !is_in_bitmap && self.window.is_first() {
            self.damage.push(Finding::RecordInUse { record: number });
        }
        self.attributes(&record)
    }

    /// Claims the clusters of all attributes of `record`.
    fn attributes(&mut self, record: &Record<'_>) -> Step<()> {
        let number = record.own.number;
        let mft = self.mft;
        let list = match record.base {
            None => mft.list(record)?,
            Some(_) => None,
        };
        let is_whole = record.base.is_none() && list.is_none();
        if let Some(list) = list.filter(|_| self.window.is_first()) {
            self.pieces.list(record.own, &list)?;
        }
        for found in record.attributes() {
            let found = attribute(number, found)?;
            let wrong = |fault| of(number, found.kind, fault);
            if !is_whole && self.window.is_first() {
                self.pieces.add(record, &found)?;
            }
            let part = match found.value {
                Value::Here(name) if found.kind == Kind::FILE_NAME && is_store(name) => {
                    return Err(Distrust::ShadowCopies { catalog: 0 }.into());
                }
                Value::Here(_) => continue,
                Value::Elsewhere(part) => part,
            };
            let clusters = part.end.saturating_sub(part.lowest);
            for run in Runs::new(part.pairs, clusters, mft.boot.clusters) {
                let run = run.map_err(wrong)?;
                if let Some(first) = run.first {
                    self.end = self.end.max(first.saturating_add(run.length));
                    self.window.claim(first, run.length, number, self.damage)?;
                }
            }
            if found.kind == Kind::LIST || is_whole {
                let (field, lowest) = ("a first cluster of", part.lowest);
                if lowest != 0 {
                    return Err(wrong(Fault::Field {
                        field,
                        found: lowest,
                    })
                    .into());
                }
                let whole = stream::whole(part.end, part.sizes.allocated, mft.boot.cluster_bytes);
                whole.map_err(wrong)?;
            }
        }
        Ok(())
    }
}
