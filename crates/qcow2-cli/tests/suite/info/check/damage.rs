//! One thing wrong in an image that is put together byte by byte.

use fixtures::qcow2::{Version, minimal};

use super::json;
use crate::bench::Bench;

/// Clusters of the image: header, refcount table, refcount block, L1 table, L2 table, data
/// of guest cluster 2.
const CLUSTER: usize = 0x1_0000;
const REFCOUNTS: usize = 2 * CLUSTER;
const L1: usize = 3 * CLUSTER;
const L2: usize = 4 * CLUSTER;
const DATA: usize = 5 * CLUSTER;

/// A change, and what has to be found: the kind, the exit code, the host and guest ranges as
/// start and length, and what repair would do.
struct Case {
    name: &'static str,
    change: fn(&mut Vec<u8>),
    kind: &'static str,
    code: i32,
    host: Option<(usize, usize)>,
    guest: Vec<(usize, usize)>,
    repair: &'static str,
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// The image has one finding of the kind, in the places.
fn judge(case: &Case) {
    let bench = Bench::new();
    let mut bytes = minimal(Version::V3, 16).bytes;
    (case.change)(&mut bytes);
    bench.write("i", bytes);
    let outcome = bench.run("check --output json i");
    let name = case.name;
    assert_eq!(outcome.code, Some(case.code), "{name}: {outcome:?}");
    let said = json(&outcome);
    let findings = said["findings"].as_array().unwrap();
    let of_kind = findings.iter().filter(|found| found["kind"] == case.kind);
    let of_kind: Vec<_> = of_kind.collect();
    assert_eq!(of_kind.len(), 1, "{name}: {findings:#?}");
    assert_eq!(said["totals"][case.kind], 1, "{name}");
    let found = of_kind[0];
    let place = |value: &serde_json::Value| {
        let number = |key: &str| usize::try_from(value[key].as_u64()?).ok();
        Some((number("start")?, number("length")?))
    };
    assert_eq!(place(&found["host"]), case.host, "{name}: {found:#?}");
    let owners = found["owners"].as_array().unwrap();
    let guest: Vec<_> = owners
        .iter()
        .filter_map(|owner| place(&owner["guest"]))
        .collect();
    assert_eq!(guest, case.guest, "{name}: {found:#?}");
    assert_eq!(found["repair"], case.repair, "{name}: {found:#?}");
}

fn cluster(host: usize) -> Option<(usize, usize)> {
    Some((host, CLUSTER))
}

const GUEST: (usize, usize) = (2 * CLUSTER, CLUSTER);
const DISK: (usize, usize) = (0, 5 * CLUSTER + 512);

/// What is wrong with refcounts.
fn of_refcounts() -> Vec<Case> {
    vec![
        Case {
            name: "a leak",
            change: |bytes| {
                bytes.resize(7 * CLUSTER, 0);
                bytes[REFCOUNTS + 13] = 1;
            },
            kind: "leak",
            code: 3,
            host: cluster(6 * CLUSTER),
            guest: vec![],
            repair: "leaks",
        },
        Case {
            name: "data that is not counted",
            change: |bytes| bytes[REFCOUNTS + 11] = 0,
            kind: "refcount",
            code: 2,
            host: cluster(DATA),
            guest: vec![GUEST],
            repair: "refcounts",
        },
        Case {
            name: "a cluster of two guest clusters",
            change: |bytes| put(bytes, L2 + 8, 0x8000_0000_0005_0000),
            kind: "refcount",
            code: 2,
            host: cluster(DATA),
            guest: vec![(CLUSTER, CLUSTER), GUEST],
            repair: "decision",
        },
        Case {
            name: "data over the L2 table, counted",
            change: |bytes| {
                put(bytes, L2 + 8, 0x4_0000);
                bytes[REFCOUNTS + 9] = 2;
            },
            kind: "conflict",
            code: 2,
            host: cluster(L2),
            guest: vec![DISK, (CLUSTER, CLUSTER)],
            repair: "decision",
        },
        Case {
            name: "no refcount table",
            change: |bytes| bytes[59] = 0,
            kind: "no-refcount-table",
            code: 2,
            host: None,
            guest: vec![],
            repair: "refcounts",
        },
    ]
}

/// A case of an entry.
fn entry(
    name: &'static str,
    change: fn(&mut Vec<u8>),
    kind: &'static str,
    host: (usize, usize),
    guest: (usize, usize),
    repair: &'static str,
) -> Case {
    Case {
        name,
        change,
        kind,
        code: 2,
        host: Some(host),
        guest: vec![guest],
        repair,
    }
}

/// What is wrong with entries.
fn of_entries() -> Vec<Case> {
    let data = (DATA, CLUSTER);
    let table = (L2, CLUSTER);
    vec![
        entry(
            "an L2 entry without COPIED",
            |bytes| bytes[L2 + 16] = 0,
            "copied",
            data,
            GUEST,
            "copied",
        ),
        entry(
            "an L1 entry without COPIED",
            |bytes| bytes[L1] = 0,
            "copied",
            table,
            DISK,
            "copied",
        ),
        entry(
            "reserved bits of an L2 entry",
            |bytes| bytes[L2 + 16] = 0xa0,
            "reserved-bits",
            data,
            GUEST,
            "reserved-bits",
        ),
        entry(
            "an L2 entry that is not aligned",
            |bytes| put(bytes, L2 + 16, 0x8000_0000_0005_0200),
            "unaligned",
            (DATA + 512, CLUSTER),
            GUEST,
            "none",
        ),
        entry(
            "an L2 entry past the end",
            |bytes| put(bytes, L2 + 16, 0x8000_0000_0105_0000),
            "past-end",
            (0x105_0000, CLUSTER),
            GUEST,
            "none",
        ),
        entry(
            "an L1 table past the end",
            |bytes| bytes[44] = 1,
            "past-end",
            (0x103_0000, 8),
            DISK,
            "none",
        ),
        entry(
            "the last cluster cut",
            |bytes| bytes.truncate(DATA + 1000),
            "past-end",
            data,
            GUEST,
            "none",
        ),
        entry(
            "COPIED without an offset",
            |bytes| put(bytes, L2 + 16, 0x8000_0000_0000_0000),
            "copied-without-offset",
            (0, 0),
            GUEST,
            "none",
        ),
    ]
}

#[test]
fn faults_of_refcounts_are_found() {
    of_refcounts().iter().for_each(judge);
}

#[test]
fn faults_of_entries_are_found() {
    of_entries().iter().for_each(judge);
}

#[test]
fn the_dirty_bit_is_noted_and_the_corrupt_bit_is_corruption() {
    for (bit, code, kind) in [(1, 0, "dirty"), (2, 2, "marked-corrupt")] {
        let bench = Bench::new();
        let mut bytes = minimal(Version::V3, 16).bytes;
        bytes[79] = bit;
        bench.write("i", bytes);
        let outcome = bench.run("check --output json i");
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        assert_eq!(json(&outcome)["findings"][0]["kind"], kind);
    }
}

#[test]
fn a_destroyed_stream_is_found_with_data() {
    let bench = Bench::new();
    let mut bytes = minimal(Version::V3, 16).bytes;
    // The cluster is taken for one compressed stream of a sector.
    put(&mut bytes, L2 + 16, 0x4000_0000_0005_0000);
    bench.write("i", bytes);
    assert_eq!(bench.run("check i").code, Some(0));
    let outcome = bench.run("check --data i");
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    let says = "compressed cluster of guest bytes 0x20000..0x30000 at host bytes 0x50000..0x50200 (L2 table entry at 0x40010): it is damaged after";
    assert!(outcome.stdout.contains(says), "{}", outcome.stdout);
}

#[test]
fn findings_are_kept_up_to_a_limit_and_all_counted() {
    let bench = Bench::new();
    let mut bytes = minimal(Version::V3, 16).bytes;
    // All refcounts that are in the file, of clusters that are not used.
    bytes.resize(3000 * CLUSTER, 0);
    for cluster in 6..3000 {
        bytes[REFCOUNTS + 2 * cluster + 1] = 1;
    }
    bench.write("i", bytes);
    let outcome = bench.run("check --output json i");
    assert_eq!(outcome.code, Some(3));
    let said = json(&outcome);
    assert_eq!(said["leaks"], 2994);
    assert_eq!(said["findings"].as_array().unwrap().len(), 1000);
    let human = bench.run("check i").stdout;
    assert!(human.contains("\nand 1994 more of kind leak\n"), "{human}");
}
