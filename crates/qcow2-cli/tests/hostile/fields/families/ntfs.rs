//! The fields of an NTFS.

use super::super::subject::Subject;

const BOOT_SECTOR: &str = "
    03/8 oem_id 0b/2 bytes_per_sector 0d/1 sectors_per_cluster 0e/2 reserved_sectors 10/1 fats
    11/2 root_entries 13/2 sectors 15/1 media_type 16/2 sectors_per_fat 18/2 sectors_per_track
    1a/2 heads 1c/4 hidden_sectors 20/4 large_sectors 24/4 unused 28/8 number_of_sectors
    30/8 mft_lcn 38/8 mftmirr_lcn 40/1 clusters_per_mft_record 44/1 clusters_per_index_record
    48/8 serial 50/4 checksum 1fe/2 signature";

const RECORD: &str = "
    00/4 magic 04/2 usa_ofs 06/2 usa_count 08/8 lsn 10/2 sequence 12/2 link_count
    14/2 attrs_offset 16/2 flags 18/4 bytes_in_use 1c/4 bytes_allocated 20/8 base_mft_record
    28/2 next_attr_instance 2c/4 mft_record_number 30/2 usn 32/2 usa[0] 34/2 usa[1]
    1fe/2 end_of_sector[0] 3fe/2 end_of_sector[1]";
const RECORD_BYTES: usize = 1024;

const ATTRIBUTE: &str = "
    00/4 type 04/4 length 08/1 non_resident 09/1 name_length 0a/2 name_offset 0c/2 flags
    0e/2 instance";
const RESIDENT: &str = "10/4 value_length 14/2 value_offset 16/1 resident_flags";
const NON_RESIDENT: &str = "
    10/8 lowest_vcn 18/8 highest_vcn 20/2 mapping_pairs_offset 22/1 compression_unit
    28/8 allocated_size 30/8 data_size 38/8 initialized_size";
const END: usize = 0xffff_ffff;

/// Numbers of a run list and of a value that are taken.
const RUN_BYTES: usize = 12;
const VALUE_BYTES: usize = 48;

/// Records that are read for certain: the first ones, and some of files.
const RECORDS: usize = 12;
const FIRST_FILE: usize = 64;
const FILES: usize = 3;

/// The attribute that holds data.
const DATA: usize = 0x80;

const RESTART: &str = "
    00/4 magic 04/2 usa_ofs 06/2 usa_count 08/8 chkdsk_lsn 10/4 system_page_size 14/4 log_page_size
    18/2 restart_area_offset 1a/2 minor_ver 1c/2 major_ver 1e/2 usn 30/8 current_lsn
    38/2 log_clients 3a/2 client_free_list 3c/2 client_in_use_list 3e/2 flags 40/4 seq_number_bits
    44/2 restart_area_length 46/2 client_array_offset 48/8 file_size 50/4 last_lsn_data_length";

pub(super) fn find(subject: &mut Subject) {
    subject.add("boot sector", BOOT_SECTOR, 0..512, false, &[]);
    let last = subject.disk.len() - 512;
    subject.add(
        "last boot sector",
        BOOT_SECTOR,
        last..last + 512,
        false,
        &[],
    );
    let cluster = subject.little(0x0b, 2) * subject.little(0x0d, 1);
    let table = subject.little(0x30, 8) * cluster;
    let numbers = (0..RECORDS).chain(FIRST_FILE..FIRST_FILE + FILES);
    for number in numbers {
        let at = table + number * RECORD_BYTES;
        record(subject, &format!("record {number}"), at);
    }
    let mirror = subject.little(0x38, 8) * cluster;
    record(subject, "mirror of record 0", mirror);
    for (number, name) in [(2, "log"), (6, "bitmap")] {
        let Some(place) = first_run(subject, table + number * RECORD_BYTES, cluster) else {
            continue;
        };
        if number == 2 {
            subject.add("restart page", RESTART, place..place + 512, false, &[]);
            let second = place + 4096;
            subject.add(
                "second restart page",
                RESTART,
                second..second + 512,
                false,
                &[],
            );
        } else {
            subject.add_numbers(name, place..place + 64, 8, false, &[]);
        }
    }
}

/// The attributes of the record at `at`, by offset.
fn attributes(subject: &Subject, at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut attribute = at + subject.little(at + 0x14, 2);
    while attribute + 8 <= at + RECORD_BYTES && subject.little(attribute, 4) != END {
        found.push(attribute);
        match subject.little(attribute + 4, 4) {
            0 => break,
            length => attribute += length,
        }
    }
    found
}

fn record(subject: &mut Subject, what: &str, at: usize) {
    subject.add(what, RECORD, at..at + RECORD_BYTES, false, &[]);
    for attribute in attributes(subject, at) {
        let kind = subject.little(attribute, 4);
        let end = attribute + subject.little(attribute + 4, 4);
        let what = format!("{what} attribute {kind:#x}");
        subject.add(&what, ATTRIBUTE, attribute..end, false, &[]);
        if subject.disk[attribute + 8] == 0 {
            subject.add(&what, RESIDENT, attribute..end, false, &[]);
            let value = attribute + subject.little(attribute + 0x14, 2);
            let value = value..end.min(value + VALUE_BYTES);
            subject.add_numbers(&format!("{what} value"), value, 8, false, &[]);
        } else {
            subject.add(&what, NON_RESIDENT, attribute..end, false, &[]);
            let runs = attribute + subject.little(attribute + 0x20, 2);
            let runs = runs..end.min(runs + RUN_BYTES);
            subject.add_numbers(&format!("{what} runs"), runs, 1, false, &[]);
        }
    }
}

/// Where the data of the record at `at` begins.
fn first_run(subject: &Subject, at: usize, cluster: usize) -> Option<usize> {
    let is_data = |attribute: &usize| {
        subject.little(*attribute, 4) == DATA && subject.disk[attribute + 8] == 1
    };
    let attribute = attributes(subject, at).into_iter().find(is_data)?;
    let run = attribute + subject.little(attribute + 0x20, 2);
    let head = usize::from(subject.disk[run]);
    let lcn = subject.little(run + 1 + head % 16, head / 16);
    Some(lcn * cluster)
}
