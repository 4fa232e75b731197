//! Every change interrupted at every step, and failing at every step: the image is the
//! old one or the new one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::contents::{Contents, check};
use common::images::Workshop;
use common::log::{Log, crashes};
use qcow2_edit::{Changed, Editor, Error, NewSnapshot};

/// Options of the images that are changed.
const IMAGES: [&str; 5] = [
    "cluster_size=4k",
    "cluster_size=512",
    "cluster_size=64k,lazy_refcounts=on",
    "cluster_size=16k,extended_l2=on",
    "compat=0.10,cluster_size=4k",
];

type Change = fn(&Editor<&Log>) -> Result<Changed, Error>;

/// The changes, and what becomes of the contents.
const CHANGES: [(&str, Change, fn(&mut Contents)); 5] = [
    (
        "create a snapshot",
        |editor| editor.create_snapshot(&NewSnapshot::named(b"new")),
        |model| model.snapshots.push((b"new".to_vec(), model.disk.clone())),
    ),
    (
        "apply a snapshot",
        |editor| editor.apply_snapshot(b"one"),
        |model| model.disk = model.snapshots[0].1.clone(),
    ),
    (
        "delete a snapshot",
        |editor| editor.delete_snapshot(b"1"),
        |model| drop(model.snapshots.remove(0)),
    ),
    (
        "delete the last snapshot",
        |editor| editor.delete_snapshot(b"two"),
        |model| drop(model.snapshots.remove(1)),
    ),
    ("drop leaks", |editor| editor.drop_leaks(), |_| {}),
];

#[test]
fn an_interrupted_change_is_done_whole_or_not_at_all() {
    let Some(workshop) = Workshop::open() else {
        return;
    };
    for options in IMAGES {
        let image = workshop.image(options);
        let old = Contents::read(&image).unwrap();
        for (name, change, apply) in &CHANGES {
            let name = format!("{options}: {name}");
            let mut new = old.clone();
            apply(&mut new);
            run(&workshop, &name, &image, (&old, &new), *change);
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
        if states % 7 == 0 {
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
