//! Files with more than one record: what their attribute lists name must be there.

use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, of};
use crate::record::attribute::{Attribute, Value};
use crate::record::list;
use crate::record::{Record, Reference};
use crate::stream;

/// Most parts of attributes of such files.
const PIECES_MAX: usize = 1 << 20;

/// A part of an attribute, in the record that has it.
#[derive(Clone, Copy, Debug)]
struct Piece {
    holder: Reference,
    base: Reference,
    instance: u16,
    kind: Kind,
    /// Its clusters of the attribute, and what all of the attribute's take in bytes; 0 if
    /// it lies in the record.
    lowest: u64,
    end: u64,
    allocated: u64,
}

/// A part of an attribute, in a list.
#[derive(Clone, Copy, Debug)]
struct Listed {
    base: Reference,
    holder: Reference,
    instance: u16,
    kind: Kind,
    lowest: u64,
}

/// All parts, as the records have them and as the lists have them.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    listed: Vec<Listed>,
}

impl Pieces {
    /// Takes in the attribute `found` of `record`.
    pub(super) fn add(
        &mut self,
        record: &Record<'_>,
        found: &Attribute<'_>,
    ) -> Result<(), Distrust> {
        limit(self.pieces.len())?;
        let (lowest, end, allocated) = match found.value {
            Value::Here(_) => (0, 0, 0),
            Value::Elsewhere(part) => (part.lowest, part.end, part.sizes.allocated),
        };
        self.pieces.push(Piece {
            holder: record.own,
            base: record.base.unwrap_or(record.own),
            instance: found.instance,
            kind: found.kind,
            lowest,
            end,
            allocated,
        });
        Ok(())
    }

    /// Takes in the attribute list of the file of `base`.
    pub(super) fn list(&mut self, base: Reference, list: &[u8]) -> Result<(), Distrust> {
        for entry in list::entries(list) {
            let entry = entry.map_err(|fault| of(base.number, Kind::LIST, fault))?;
            limit(self.listed.len())?;
            self.listed.push(Listed {
                base,
                holder: entry.holder,
                instance: entry.instance,
                kind: entry.kind,
                lowest: entry.lowest,
            });
        }
        Ok(())
    }

    /// Checks that all parts that are listed are there, and follow each other.
    pub(super) fn check(mut self, cluster_bytes: u64) -> Result<(), Distrust> {
        let key = |piece: &Piece| (piece.holder.number, piece.instance);
        self.pieces.sort_unstable_by_key(key);
        let mut listed = self.listed.iter().peekable();
        while let Some(first) = listed.next() {
            let mut last = self.find(first)?;
            let (base, kind) = (first.base, first.kind);
            let gap = Distrust::Gap {
                record: base.number,
                kind,
            };
            if last.lowest != 0 {
                return Err(gap);
            }
            let allocated = last.allocated;
            // The parts of an attribute follow each other in its list.
            let is_next =
                |next: &&Listed| next.base == base && next.kind == kind && next.lowest != 0;
            while let Some(next) = listed.next_if(is_next) {
                let piece = self.find(next)?;
                if piece.lowest != last.end {
                    return Err(gap);
                }
                last = piece;
            }
            let whole = stream::whole(last.end, allocated, cluster_bytes);
            whole.map_err(|fault: Fault| of(base.number, kind, fault))?;
        }
        Ok(())
    }

    /// The part that is listed.
    fn find(&self, listed: &Listed) -> Result<Piece, Distrust> {
        let key = (listed.holder.number, listed.instance);
        let place = self
            .pieces
            .binary_search_by_key(&key, |piece| (piece.holder.number, piece.instance));
        let found = place.ok().and_then(|at| self.pieces.get(at));
        let is_it = |piece: &&Piece| {
            (piece.holder, piece.base, piece.kind, piece.lowest)
                == (listed.holder, listed.base, listed.kind, listed.lowest)
        };
        found.filter(is_it).copied().ok_or(Distrust::Lost {
            record: listed.base.number,
            holder: listed.holder.number,
            kind: listed.kind,
        })
    }
}

/// That one more part can be held after `held` of them.
fn limit(held: usize) -> Result<(), Distrust> {
    if held < PIECES_MAX {
        return Ok(());
    }
    let what = "parts of attributes of files with several records";
    let limit = blockio::len_u64(PIECES_MAX);
    Err(Distrust::TooMany { what, limit })
}
