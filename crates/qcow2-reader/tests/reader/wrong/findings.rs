//! What the check finds, as values: all of it, and not only what is met first.

use std::ops::{ControlFlow, Range};

use qcow2_check::{Finding, FindingKind, Scope, Use, check};
use qcow2_map::{ImageMap, MapOptions, Structure};

use crate::common::{L2_FIRST, base, put, put64};

/// The findings, up to `most` of them.
fn findings(image: Vec<u8>, scope: Scope, most: usize) -> Vec<Finding> {
    let map = ImageMap::open(image, &MapOptions::default()).unwrap();
    let mut findings = Vec::new();
    check(&map, scope, |finding| {
        findings.push(finding);
        match findings.len() < most {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })
    .unwrap();
    findings
}

#[test]
fn every_finding_is_told_with_its_place_and_owners() {
    let mut image = base();
    assert_eq!(findings(image.clone(), Scope::All, 9), []);
    // Shared by two, counted once; and a table that is data.
    put(&mut image, 0x400 + 2 * 7, &[0, 1]);
    put64(&mut image, L2_FIRST + 8 * 8, 0x0a00);
    put(&mut image, 0x400 + 2 * 9, &[0, 0]);
    let found = findings(image.clone(), Scope::Disk, 9);
    let facts: Vec<_> = found
        .iter()
        .map(|finding| {
            let owners: Vec<Range<u64>> = finding.owners.clone();
            (
                finding.kind,
                finding.host.clone(),
                owners,
                finding.is_needed,
            )
        })
        .collect();
    let undercounted = |references, refcount| FindingKind::Refcount {
        structure: Structure::Data,
        references,
        refcount,
    };
    let conflict = FindingKind::Conflict {
        first: Use::Data,
        second: Use::L2Table,
    };
    assert_eq!(
        facts,
        [
            (
                conflict,
                0xa00..0xc00,
                vec![0x8000..0x9c40, 0x1000..0x1200],
                true
            ),
            (
                undercounted(2, 1),
                0xe00..0x1000,
                vec![0x200..0x400, 0x7e00..0x8000],
                true
            ),
            (
                undercounted(1, 0),
                0x1200..0x1400,
                std::iter::once(0xa00..0xc00).collect(),
                true
            ),
        ]
    );
    assert_eq!(
        found[1].to_string(),
        "data of guest offset 0x200 at host offset 0xe00: used 2 times, but its refcount is 1: guest bytes 0x200..0x400 and 0x7e00..0x8000 share it, and what one of them had there was probably overwritten"
    );
    // The caller may have enough.
    assert_eq!(findings(image, Scope::Disk, 2), found[..2]);
}

#[test]
fn what_a_snapshot_needs_is_told_where_all_is_checked() {
    let mut image = base();
    image.resize(0x1e00, 0);
    put(&mut image, 60, &1u32.to_be_bytes());
    put64(&mut image, 64, 0x1800);
    // One snapshot, of one L2 table that is not counted.
    put64(&mut image, 0x1800, 0x1a00);
    put(&mut image, 0x1808, &2u32.to_be_bytes());
    put(&mut image, 0x1824, &16u32.to_be_bytes());
    put64(&mut image, 0x1830, 40_000);
    put64(&mut image, 0x1a00, 0x1c00);
    assert_eq!(findings(image.clone(), Scope::Disk, 9), []);
    let [found] = &findings(image, Scope::All, 9)[..] else {
        panic!("not one finding");
    };
    assert_eq!(
        (found.kind, found.host.clone(), found.is_needed),
        (
            FindingKind::Refcount {
                structure: Structure::L2Table,
                references: 1,
                refcount: 0
            },
            0x1c00..0x1e00,
            false
        )
    );
    assert_eq!(
        found.to_string(),
        "L2 table at host offset 0x1c00: used 1 times, but its refcount is 0"
    );
}
