//! Which parts of a disk need a host cluster.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::HostOffset;
use qcow2_map::{Error, ImageContent, L1Reader, Layer, Mapping, Walk};

use crate::streams::Measure;

/// Most parts that are named: who reads of two knows enough.
const NAMED_MAX: usize = 2;

/// The first guest ranges that need the host cluster at `host`, in the tables that are
/// right: what an L2 table in it maps, and what has data or a stream there.
pub(crate) fn owners<S: ReadAt>(
    storage: &S,
    layer: &Layer,
    image: &ImageContent,
    host: HostOffset,
) -> Vec<Range<u64>> {
    let tables = &image.tables;
    let bits = image.header.cluster_bits;
    let within = |at: u64| bits.round_down(at) == host.0;
    let overlap = |error: Error| match error {
        Error::Overlap { guest, host, .. } if within(host.0) => {
            let end = bits.round_down(guest.0).saturating_add(bits.bytes());
            Some(guest.0..end.min(layer.size))
        }
        _ => None,
    };
    let mut found = Vec::new();
    let mut l1 = L1Reader::new(storage, tables);
    for l1_index in 0..tables.l1_entries() {
        match l1.l2_place(l1_index) {
            Ok(Some((table, _))) if within(table.0) => found.push(tables.l1_coverage(l1_index)),
            Ok(_) => {}
            Err(error) => found.extend(overlap(error).map(|_| tables.l1_coverage(l1_index))),
        }
        if found.len() == NAMED_MAX {
            return found;
        }
    }
    let mut measure = Measure::new(storage, tables.codec);
    for run in Walk::new(storage, tables, 0..layer.size) {
        let run = match run {
            Ok(run) => run,
            Err(error) => {
                found.extend(overlap(error));
                break;
            }
        };
        let is_there = match run.mapping {
            Mapping::Data { host } => within(host.0),
            Mapping::Compressed(stream) => {
                let counted = stream.host.0..stream.host.0.saturating_add(stream.bytes_max);
                let may_be = bits.round_down(counted.start) <= host.0 && host.0 < counted.end;
                may_be && (within(counted.start) || host.0 < measure.end(&counted))
            }
            Mapping::Unallocated | Mapping::Zero | Mapping::Lost => false,
        };
        if is_there {
            found.push(run.guest);
        }
        if found.len() == NAMED_MAX {
            break;
        }
    }
    found
}
