use proptest::prelude::*;

use super::*;

const CLUSTER: usize = 512;
const CLUSTERS: usize = 20_000;
const COPIED: u64 = 1 << 63;
const TABLE: usize = 1;
const L1: usize = 4;
const BLOCKS: usize = 10;
const TABLES: usize = 100;

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

fn refcount(bytes: &mut [u8], cluster: usize, refcount: u8) {
    bytes[BLOCKS * CLUSTER + cluster * 2 + 1] = refcount;
}

fn host(cluster: usize) -> u64 {
    u64::try_from(cluster * CLUSTER).unwrap()
}

/// An image of 20,000 clusters of 512 bytes: the refcount table in cluster 1, the L1 table
/// in 4, refcount blocks from 10 on, L2 tables from 100 on, and data at `data`, which ascends.
fn image(data: &[usize]) -> Vec<u8> {
    let mut bytes = vec![0; CLUSTERS * CLUSTER];
    let tables = data.len().div_ceil(64);
    bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    bytes[23] = 9;
    put(&mut bytes, 24, host(tables * 64));
    bytes[39] = u8::try_from(tables).unwrap();
    put(&mut bytes, 40, host(L1));
    put(&mut bytes, 48, host(TABLE));
    bytes[59] = 2;
    bytes[99] = 4;
    bytes[103] = 104;
    let blocks = CLUSTERS.div_ceil(256);
    for block in 0..blocks {
        put(
            &mut bytes,
            TABLE * CLUSTER + block * 8,
            host(BLOCKS + block),
        );
        refcount(&mut bytes, BLOCKS + block, 1);
    }
    for cluster in [0, TABLE, TABLE + 1] {
        refcount(&mut bytes, cluster, 1);
    }
    for cluster in 0..(tables * 8).div_ceil(CLUSTER) {
        refcount(&mut bytes, L1 + cluster, 1);
    }
    for table in 0..tables {
        let entry = COPIED | host(TABLES + table);
        put(&mut bytes, L1 * CLUSTER + table * 8, entry);
        refcount(&mut bytes, TABLES + table, 1);
    }
    for (index, cluster) in data.iter().enumerate() {
        let entry = COPIED | host(*cluster);
        put(&mut bytes, TABLES * CLUSTER + index * 8, entry);
        refcount(&mut bytes, *cluster, 1);
    }
    bytes
}

fn found(bytes: &Vec<u8>, count_bytes: usize) -> Audit {
    let options = AuditOptions {
        count_bytes,
        ..AuditOptions::default()
    };
    audit(bytes, &options).unwrap()
}

fn sorted(audit: &Audit) -> Vec<String> {
    let faults = audit.faults.iter();
    let mut texts: Vec<_> = faults
        .map(|fault| format!("{fault} {:?}", fault.repair))
        .collect();
    texts.sort();
    texts
}

#[test]
fn a_sound_image_has_no_faults() {
    let data: Vec<_> = (200..CLUSTERS).step_by(9).collect();
    let bytes = image(&data);
    for count_bytes in [usize::MAX, 1] {
        let audit = found(&bytes, count_bytes);
        assert!(audit.faults.is_empty(), "{:?}", sorted(&audit));
        assert_eq!(audit.image_end, host(data[data.len() - 1] + 1));
        let clusters = Clusters {
            total: 35 * 64,
            allocated: 2200,
            fragmented: 2200 - 35,
            compressed: 0,
        };
        assert_eq!(audit.clusters, clusters);
    }
}

#[test]
fn refcounts_past_what_is_used_are_leaks() {
    let mut bytes = image(&[300, 301]);
    refcount(&mut bytes, CLUSTERS - 1, 1);
    let audit = found(&bytes, usize::MAX);
    assert_eq!((audit.corruptions, audit.leaks), (0, 1));
    assert_eq!(audit.image_end, host(CLUSTERS));
    let says = "host cluster 0x9c3e00..0x9c4000: leaked: nothing uses it, but its refcount is 1";
    assert_eq!(audit.faults[0].to_string(), says);
}

#[test]
fn faults_past_the_limit_are_counted() {
    let data: Vec<_> = (200..CLUSTERS).step_by(9).collect();
    let mut bytes = image(&data);
    for cluster in &data {
        refcount(&mut bytes, *cluster, 3);
    }
    let options = AuditOptions {
        faults_max: 7,
        ..AuditOptions::default()
    };
    let audit = audit(&bytes, &options).unwrap();
    assert_eq!(audit.faults.len(), 14);
    let totals: Vec<_> = audit.totals.into_iter().collect();
    assert_eq!(totals, [("copied", 2200), ("leak", 2200)]);
    assert_eq!((audit.corruptions, audit.leaks), (2200, 2200));
}

/// A change of a number in an image.
fn change() -> impl Strategy<Value = (usize, u64)> {
    let at = prop_oneof![
        0..14usize,
        TABLE * 64..TABLE * 64 + 128,
        L1 * 64..L1 * 64 + 40,
        BLOCKS * 64..BLOCKS * 64 + 5120,
        TABLES * 64..TABLES * 64 + 2240,
    ];
    let value = prop_oneof![
        any::<u64>(),
        (0..CLUSTERS + 9).prop_map(host),
        (0..CLUSTERS + 9).prop_map(|cluster| COPIED | host(cluster)),
        (0..CLUSTERS).prop_map(|cluster| (1 << 62) | (host(cluster) + 17)),
    ];
    (at.prop_map(|word| word * 8), value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_walk_finds_what_many_find(
        changes in prop::collection::vec(change(), 0..12),
    ) {
        let data: Vec<_> = (200..CLUSTERS).step_by(9).collect();
        let mut bytes = image(&data);
        for (at, value) in changes {
            put(&mut bytes, at, value);
        }
        let mut options = AuditOptions {
            faults_max: usize::MAX,
            ..AuditOptions::default()
        };
        let one = audit(&bytes, &options);
        options.count_bytes = 1;
        let many = audit(&bytes, &options);
        match (one, many) {
            (Ok(one), Ok(many)) => {
                prop_assert_eq!(sorted(&one), sorted(&many));
                prop_assert_eq!(one.totals, many.totals);
                prop_assert_eq!(one.image_end, many.image_end);
                prop_assert_eq!(one.clusters, many.clusters);
            }
            (one, many) => prop_assert_eq!(
                one.map_err(|error| error.to_string()).err(),
                many.map_err(|error| error.to_string()).err()
            ),
        }
    }
}
