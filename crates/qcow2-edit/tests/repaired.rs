//! Damaged images that are repaired, and others that are left alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use blockio::len_u64;
use common::contents::Contents;
use common::images::Workshop;
use common::log::{Log, crashes};
use qcow2_check::{Audit, AuditOptions, audit};
use qcow2_edit::{Doubt, Editor, Error};
use qcow2_format::Header;
use qcow2_format::extension::Extension;
use qcow2_map::read_header;

const CLUSTER: u64 = 4096;

/// An image that can be damaged.
struct Subject {
    image: Vec<u8>,
    header: Header,
}

impl Subject {
    fn new(image: &[u8]) -> Self {
        Self {
            image: image.to_vec(),
            header: read_header(image).unwrap(),
        }
    }

    fn word(&self, at: u64) -> u64 {
        let at = usize::try_from(at).unwrap();
        u64::from_be_bytes(self.image[at..at + 8].try_into().unwrap())
    }

    fn set(&mut self, at: u64, word: u64) {
        let at = usize::try_from(at).unwrap();
        self.image[at..at + 8].copy_from_slice(&word.to_be_bytes());
    }

    fn l1(&self) -> u64 {
        self.header.l1_table_offset.0
    }

    /// Where the first L2 table is.
    fn l2(&self) -> u64 {
        self.word(self.l1()) & 0x00ff_ffff_ffff_fe00
    }

    fn refcounts(&self) -> u64 {
        self.word(self.header.refcount_table_offset.0)
    }
}

fn found(image: &[u8]) -> Audit {
    audit(&image, &AuditOptions::default()).unwrap()
}

type Damage = fn(&mut Subject);

/// Damage that hides nothing, and the guest clusters in doubt after the repair.
const REPAIRED: [(&str, Damage, &[u64]); 11] = [
    (
        "no refcounts",
        |subject| (0..CLUSTER / 8).for_each(|at| subject.set(subject.refcounts() + at * 8, 0)),
        &[],
    ),
    (
        "refcounts that are too high",
        |subject| {
            let word = |at: u64| 0x0003_0003_0003_0003 + at;
            (0..20).for_each(|at| subject.set(subject.refcounts() + at * 8, word(at)));
        },
        &[],
    ),
    (
        "reserved bits",
        |subject| {
            let (l1, l2) = (subject.l1(), subject.l2());
            subject.set(l1, subject.word(l1) | 1 << 60 | 4);
            subject.set(l2, subject.word(l2) | 1 << 57 | 2);
        },
        &[],
    ),
    (
        "reserved bits in entries of nothing",
        |subject| {
            let l2 = subject.l2();
            assert_eq!(subject.word(l2 + 150 * 8), 0);
            subject.set(l2 + 150 * 8, 0x10);
        },
        &[],
    ),
    (
        "flags",
        |subject| {
            let (l1, l2) = (subject.l1(), subject.l2());
            subject.set(l1, subject.word(l1) ^ 1 << 63);
            (0..30).for_each(|at| {
                if subject.word(l2 + at * 8) >> 9 & 0xff != 0 {
                    subject.set(l2 + at * 8, subject.word(l2 + at * 8) ^ 1 << 63);
                }
            });
        },
        &[],
    ),
    (
        "dirty, and a refcount that is stale",
        |subject| {
            subject.image[79] |= 1;
            subject.set(subject.refcounts() + 8, 0);
        },
        &[],
    ),
    ("marked as corrupt", |subject| subject.image[79] |= 2, &[]),
    (
        "no refcount table",
        |subject| subject.image[56..60].fill(0),
        &[],
    ),
    (
        "a refcount block past the end",
        |subject| subject.set(subject.header.refcount_table_offset.0, 1 << 40),
        &[],
    ),
    (
        "two guest clusters on one host cluster",
        |subject| {
            let l2 = subject.l2();
            subject.set(l2 + 8, subject.word(l2));
        },
        &[0, 1],
    ),
    (
        "data in the refcount block",
        |subject| {
            let (l2, block) = (subject.l2(), subject.refcounts());
            subject.set(l2 + 16, block | 1 << 63);
        },
        &[2],
    ),
];

#[test]
fn what_needs_no_decision_is_repaired_and_no_step_makes_it_worse() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let image = workshop.image("cluster_size=4k");
    for (name, damage, doubtful) in REPAIRED {
        let mut subject = Subject::new(&image);
        damage(&mut subject);
        let before = found(&subject.image);
        assert!(
            before.corruptions + before.leaks > 0 || name.contains("dirty"),
            "{name}"
        );
        // To be read, it must not be marked.
        let mut readable = subject.image.clone();
        readable[79] = 0;
        let want = Contents::read(&readable);

        let log = Log::new(&subject.image);
        let repaired = Editor::open(&log).unwrap().repair();
        let repaired = repaired.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(repaired.changed.unfinished.is_none(), "{name}");
        let doubt = |cluster: &u64| Doubt {
            snapshot: None,
            guest: cluster * CLUSTER..(cluster + 1) * CLUSTER,
        };
        let in_doubt: Vec<_> = doubtful.iter().map(doubt).collect();
        assert_eq!(repaired.doubtful, in_doubt, "{name}");
        let (done, steps) = log.into_parts();
        let after = found(&done);
        assert!(after.faults.is_empty(), "{name}: {:?}", after.faults);
        assert_eq!(workshop.check(&done), (Some(0), Vec::new()), "{name}");
        if let Ok(want) = &want {
            assert_eq!(&Contents::read(&done).unwrap(), want, "{name}");
        }

        crashes(&subject.image, &steps, |what, mut crashed| {
            let now = found(&crashed);
            let is_worse = now.faults.iter().any(|fault| {
                let is_flag = matches!(fault.kind.name(), "copied" | "leak");
                !is_flag
                    && !before
                        .faults
                        .iter()
                        .any(|known| known.kind.name() == fault.kind.name())
            });
            assert!(!is_worse, "{name}: {what}: {:?}", now.faults);
            crashed[79] = 0;
            if let Ok(want) = &want {
                let found = Contents::read(&crashed);
                assert_eq!(found.as_ref(), Ok(want), "{name}: {what}");
            }
        });
    }
}

/// Damage that nobody can repair.
const REFUSED: [(&str, Damage); 9] = [
    ("an L2 table that is not aligned", |subject| {
        let l1 = subject.l1();
        subject.set(l1, subject.word(l1) + 512);
    }),
    ("data past the end", |subject| {
        let l2 = subject.l2();
        subject.set(l2, 1 << 40);
    }),
    ("a file that was cut", |subject| {
        let length = subject.image.len();
        subject.image.truncate(length - 2 * 4096);
    }),
    ("data that was cut within its cluster", |subject| {
        let (l2, length) = (subject.l2(), len_u64(subject.image.len()));
        subject.image.resize(subject.image.len() + 100, 7);
        subject.set(l2, length);
    }),
    ("a flag without an offset", |subject| {
        let l2 = subject.l2();
        subject.set(l2, 1 << 63);
    }),
    ("data that is called compressed", |subject| {
        let l2 = subject.l2();
        subject.set(l2, subject.word(l2) ^ 1 << 62);
    }),
    ("a bitmap table that is too long", |subject| {
        let place = subject
            .header
            .extensions
            .iter()
            .find_map(|extension| match extension {
                Extension::Bitmaps(place) => usize::try_from(place.directory_offset.0).ok(),
                _ => None,
            });
        let entries = place.unwrap() + 8;
        assert_eq!(subject.image[entries..entries + 4], [0, 0, 0, 1]);
        subject.image[entries + 3] = 2;
    }),
    ("an L1 table as an L2 table", |subject| {
        let l1 = subject.l1();
        subject.set(l1, l1 | 1 << 63);
    }),
    ("a snapshot's L1 table past the end", |subject| {
        let table = subject.header.snapshots_offset.0;
        subject.set(table, 1 << 40);
    }),
];

#[test]
fn what_needs_a_decision_is_left_alone() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let image = workshop.image("cluster_size=4k");
    let with_bitmaps = workshop.with_bitmaps(&image);
    for (name, damage) in REFUSED {
        let mut subject = Subject::new(match name.contains("bitmap") {
            true => &with_bitmaps,
            false => &image,
        });
        damage(&mut subject);
        let log = Log::new(&subject.image);
        let editor = match Editor::open(&log) {
            Ok(editor) => editor,
            // The snapshot table is needed to begin with.
            Err(Error::Map(_)) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        for refused in [
            editor.repair().map(|done| done.changed),
            editor.drop_leaks(),
        ] {
            let refused = refused.unwrap_err();
            let is_damage = matches!(refused, Error::Fault(_) | Error::Damaged(_));
            assert!(is_damage, "{name}: {refused}");
        }
        // Unused clusters may have been written to before the damage was seen.
        let (left, _) = log.into_parts();
        assert_eq!(left.len(), subject.image.len(), "{name}");
        assert_eq!(found(&left).faults, found(&subject.image).faults, "{name}");
    }
}

#[test]
fn leaks_are_dropped_and_the_file_becomes_shorter() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    let image = workshop.image("cluster_size=4k");
    let want = Contents::read(&image).unwrap();
    let mut subject = Subject::new(&image);
    let end = len_u64(subject.image.len()) / CLUSTER;
    subject.image.resize(subject.image.len() + 3 * 4096, 9);
    let block = subject.refcounts();
    for cluster in end..end + 3 {
        let at = usize::try_from(block + cluster * 2).unwrap();
        subject.image[at + 1] = 1;
    }
    assert_eq!(found(&subject.image).leaks, 3);
    let log = Log::new(&subject.image);
    let changed = Editor::open(&log).unwrap().drop_leaks().unwrap();
    let (done, _) = log.into_parts();
    assert_eq!(found(&done).leaks, 0);
    assert!(changed.file_bytes < changed.file_bytes_before);
    assert_eq!(Contents::read(&done).unwrap(), want);
}
