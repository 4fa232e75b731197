//! Every change interrupted at every step, and failing at every step: the image is the
//! old one or the new one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ops::Range;

use common::contents::{Contents, check};
use common::images::Workshop;
use common::log::{Log, crashes};
use qcow2_edit::{Amendment, Changed, DiskWrite, Editor, Error, NewBitmap, NewSnapshot, Resize};
use qcow2_format::Version;
use qcow2_format::bitmap::BitmapFlags;

/// Options of the images that are changed, and whether they have bitmaps.
const IMAGES: [(&str, bool); 7] = [
    ("cluster_size=4k", false),
    ("cluster_size=4k", true),
    ("cluster_size=512", true),
    ("cluster_size=64k,lazy_refcounts=on", true),
    ("cluster_size=16k,extended_l2=on", true),
    ("cluster_size=16k,extended_l2=on", false),
    ("compat=0.10,cluster_size=4k", false),
];

type Change = fn(&Editor<&Log>) -> Result<Changed, Error>;

/// What becomes of the contents; `false` if the change is none of this image.
type Apply = fn(&mut Contents, &str) -> bool;

/// The changes, and what becomes of the contents.
const CHANGES: [(&str, Change, Apply); 17] = [
    (
        "create a snapshot",
        |editor| editor.create_snapshot(&NewSnapshot::named(b"new")),
        |model, _| {
            model.snapshots.push((b"new".to_vec(), model.disk.clone()));
            true
        },
    ),
    (
        "apply a snapshot",
        |editor| editor.apply_snapshot(b"one"),
        |model, _| {
            model.disk = model.snapshots[0].1.clone();
            model.bitmaps.is_empty()
        },
    ),
    (
        "delete a snapshot",
        |editor| editor.delete_snapshot(b"1"),
        |model, _| {
            model.snapshots.remove(0);
            true
        },
    ),
    (
        "delete the last snapshot",
        |editor| editor.delete_snapshot(b"two"),
        |model, _| {
            model.snapshots.remove(1);
            true
        },
    ),
    ("drop leaks", |editor| editor.drop_leaks(), |_, _| true),
    (
        "grow",
        |editor| editor.resize(&Resize::to(5_000_704)),
        |model, _| model.resize(5_000_704),
    ),
    (
        "grow a little",
        |editor| editor.resize(&Resize::to(1001 << 10)),
        |model, _| model.resize(1001 << 10),
    ),
    (
        "shrink",
        |editor| {
            let mut smaller = Resize::to(65_537);
            smaller.shrink = true;
            editor.resize(&smaller)
        },
        |model, _| model.resize(65_537),
    ),
    (
        "add a bitmap",
        |editor| {
            let mut wanted = NewBitmap::named(b"new");
            wanted.granularity_bytes = Some(1024);
            editor.add_bitmap(&wanted)
        },
        |model, options| {
            let bits = vec![0; model.disk.len().div_ceil(8192)];
            let new = (b"new".to_vec(), BitmapFlags::AUTO, 10, bits);
            model.bitmaps.push(new);
            !options.contains("0.10")
        },
    ),
    (
        "remove a bitmap",
        |editor| editor.remove_bitmap(b"fine"),
        |model, _| {
            model.bitmaps.retain(|bitmap| bitmap.0 != b"fine");
            model.bitmaps.len() == 1
        },
    ),
    (
        "clear a bitmap",
        |editor| editor.clear_bitmap(b"fine"),
        |model, _| {
            let fine = model.bitmaps.iter_mut().find(|bitmap| bitmap.0 == b"fine");
            fine.map(|bitmap| bitmap.3.fill(0)).is_some()
        },
    ),
    (
        "merge bitmaps",
        |editor| editor.merge_bitmap(b"coarse", b"fine"),
        |model, _| {
            let fine = model.bitmaps.iter().find(|bitmap| bitmap.0 == b"fine");
            let Some((_, _, 9, fine)) = fine.cloned() else {
                return false;
            };
            let coarse = model
                .bitmaps
                .iter_mut()
                .find(|bitmap| bitmap.0 == b"coarse");
            let bits = &mut coarse.unwrap().3;
            for bit in (0..fine.len() * 8).filter(|bit| fine[bit / 8] >> (bit % 8) & 1 == 1) {
                bits[bit / 128 / 8] |= 1 << (bit / 128 % 8);
            }
            true
        },
    ),
    (
        "another version",
        |editor| {
            let mut amendment = Amendment::default();
            amendment.version = Some(match editor.header()?.version {
                Version::V2 => Version::V3,
                Version::V3 => Version::V2,
            });
            editor.amend(&amendment)
        },
        |model, options| model.bitmaps.is_empty() && !options.contains("extended"),
    ),
    (
        "lazy refcounts",
        |editor| {
            let mut amendment = Amendment::default();
            amendment.lazy_refcounts = Some(true);
            editor.amend(&amendment)
        },
        |_, options| !options.contains("0.10"),
    ),
    (
        "write",
        |editor| {
            let disk = other_disk();
            editor.write(&DiskWrite::of(&disk), WRITTEN.map(Ok))
        },
        |model, _| {
            let disk = other_disk();
            for range in WRITTEN {
                let bytes = usize_of(range.start)..usize_of(range.end);
                model.disk[bytes.clone()].copy_from_slice(&disk[bytes]);
                mark(model, range);
            }
            true
        },
    ),
    (
        "write and grow",
        |editor| {
            let disk = other_disk();
            let mut wanted = DiskWrite::of(&disk);
            wanted.resize = Some(Resize::to(GROWN));
            editor.write(&wanted, [Ok(WRITTEN[2].start..GROWN)])
        },
        |model, _| {
            let (start, end) = (usize_of(WRITTEN[2].start), usize_of(GROWN));
            model.resize(end);
            model.disk[start..].copy_from_slice(&other_disk()[start..end]);
            mark(model, WRITTEN[2].start..GROWN);
            true
        },
    ),
    (
        "empty",
        |editor| editor.empty(),
        |model, _| {
            model.disk.fill(0);
            true
        },
    ),
];

/// Whole clusters of each of the images.
const WRITTEN: [Range<u64>; 3] = [0..65_536, 131_072..262_144, 983_040..1_024_000];

/// A size that is larger than that of the images.
const GROWN: u64 = 1 << 20;

fn usize_of(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// Sets the bits of the bitmaps that follow writes.
fn mark(model: &mut Contents, range: Range<u64>) {
    for (_, flags, bits, bytes) in &mut model.bitmaps {
        if flags.contains(BitmapFlags::AUTO) {
            for bit in range.start >> *bits..range.end.div_ceil(1 << *bits) {
                bytes[usize_of(bit / 8)] |= 1 << (bit % 8);
            }
        }
    }
}

/// A disk of [`GROWN`] bytes with zeros, and with data that no image has.
fn other_disk() -> Vec<u8> {
    let byte = |sector: u8| {
        if (sector / 16).is_multiple_of(3) {
            0
        } else {
            0x40 | sector
        }
    };
    let sectors = (0..=u8::MAX).cycle().take(2048);
    sectors.flat_map(|sector| [byte(sector); 512]).collect()
}

#[test]
fn an_interrupted_change_is_done_whole_or_not_at_all() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for (options, with_bitmaps) in IMAGES {
        let mut image = workshop.image(options);
        if with_bitmaps {
            image = workshop.with_bitmaps(&image);
        }
        let old = Contents::read(&image).unwrap();
        for (name, change, apply) in &CHANGES {
            let name = format!("{options}, {with_bitmaps}: {name}");
            let mut new = old.clone();
            if apply(&mut new, options) {
                run(&workshop, &name, &image, (&old, &new), *change);
            } else {
                let log = Log::new(&image);
                let refused = change(&Editor::open(&log).unwrap()).unwrap_err();
                assert_eq!(log.into_parts().1, [], "{name}: {refused}");
            }
        }
    }
}

fn run(
    workshop: &Workshop,
    name: &str,
    image: &[u8],
    (old, new): (&Contents, &Contents),
    change: Change,
) {
    let log = Log::new(image);
    let changed = change(&Editor::open(&log).unwrap());
    let changed = changed.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert!(changed.unfinished.is_none(), "{name}");
    let (done, steps) = log.into_parts();
    assert_eq!(Contents::read(&done).as_ref(), Ok(new), "{name}");
    assert_eq!(check(&done), Ok(()), "{name}");
    assert_eq!(workshop.check(&done), (Some(0), Vec::new()), "{name}");

    let mut states = 0;
    crashes(image, &steps, |what, crashed| {
        let found = Contents::read(&crashed);
        let found = found.unwrap_or_else(|error| panic!("{name}: {what}: {error}"));
        assert!(found == *old || found == *new, "{name}: {what}: {found:?}");
        assert_eq!(check(&crashed), Ok(()), "{name}: {what}");
        states += 1;
        if states % 29 == 0 {
            let (code, errors) = workshop.check(&crashed);
            assert_eq!(errors, Vec::<String>::new(), "{name}: {what}: {code:?}");
        }
    });

    for step in 0..steps.len() {
        let log = Log::failing_at(image, step);
        let failed = change(&Editor::open(&log).unwrap());
        let (left, _) = log.into_parts();
        let found = Contents::read(&left).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(check(&left), Ok(()), "{name}: step {step} fails");
        match failed {
            Err(Error::Undecided(_)) => assert!(found == *old || found == *new, "{name}"),
            Err(_) => assert_eq!(found, *old, "{name}: step {step} fails"),
            Ok(changed) => {
                assert!(changed.unfinished.is_some(), "{name}: step {step} fails");
                assert_eq!(found, *new, "{name}: step {step} fails");
            }
        }
    }
}
