//! The fields of the log of an XFS: of its last records, and of the operations in
//! them.

use super::super::subject::{Seal, Subject};

const SECTOR: usize = 512;
const RECORD_MAGIC: usize = 0xfeed_babe;
/// What the checksum of a record covers of its header.
const HEADER_BYTES: usize = 328;
const OPERATION_BYTES: usize = 12;

const RECORD: &str = "
    00/4 h_magicno 04/4 h_cycle 08/4 h_version 0c/4 h_len 10/4 h_lsn.cycle 14/4 h_lsn.block
    18/4 h_tail_lsn.cycle 1c/4 h_tail_lsn.block 20/4 h_crc 24/4 h_prev_block 28/4 h_num_logops
    2c/4 h_cycle_data[0] 30/4 h_cycle_data[1] 128/4 h_cycle_data[63] 12c/4 h_fmt 130/4 h_fs_uuid
    140/4 h_size";

const OPERATION: &str = "00/4 oh_tid 04/4 oh_len 08/1 oh_clientid 09/1 oh_flags 0a/2 oh_res2";

/// Last records that are taken.
const RECORDS: usize = 3;
/// Operations of a record that are taken, and numbers of each.
const OPERATIONS: usize = 24;
const NUMBERS: usize = 8;

pub(super) fn find(subject: &mut Subject, block: usize) {
    let group_blocks = subject.big(0x54, 4);
    let (start, group_bits) = (subject.big(0x30, 8), usize::from(subject.disk[0x7c]));
    let (group, inside) = (start >> group_bits, start & ((1 << group_bits) - 1));
    let log = (group * group_blocks + inside) * block;
    let end = log + subject.big(0x60, 4) * block;
    let starts = (log..end).step_by(SECTOR);
    let mut records: Vec<_> = starts
        .filter(|at| subject.big(*at, 4) == RECORD_MAGIC)
        .map(|at| (subject.big(at + 0x10, 8), at))
        .collect();
    // The newest are those with the highest numbers.
    records.sort_unstable();
    for (number, (_, at)) in records.into_iter().rev().take(RECORDS).enumerate() {
        record(subject, &format!("log record {number}"), at);
    }
}

fn record(subject: &mut Subject, what: &str, at: usize) {
    let length = subject.big(at + 0x0c, 4);
    let data = at + SECTOR..(at + SECTOR + length).min(subject.disk.len());
    // Longer ones than 32 KiB have more headers.
    let seal = Seal::Crc32c {
        covered: vec![at..at + HEADER_BYTES, data.clone()],
        field: at + 0x20,
    };
    let seal = if subject.big(at + 0x20, 4) == 0 || length > 32 << 10 {
        vec![]
    } else {
        vec![seal]
    };
    subject.add(what, RECORD, at..at + SECTOR, true, &seal);
    let mut operation = data.start;
    for number in 0..OPERATIONS.min(subject.big(at + 0x28, 4)) {
        let end = operation + OPERATION_BYTES;
        if end > data.end {
            break;
        }
        let what = format!("{what} operation {number}");
        subject.add(&what, OPERATION, operation..end, true, &seal);
        let length = subject.big(operation + 4, 4);
        let numbers = end..(end + length.min(4 * NUMBERS)).min(data.end);
        // Most of what is in there has the order of the machine.
        subject.add_numbers(&what, numbers, 4, false, &seal);
        operation = end.saturating_add(length);
    }
}
