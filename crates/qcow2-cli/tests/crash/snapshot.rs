//! The whole disk at one moment, while the kernel writes to it: its file is
//! cloned by the file system it is in.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fixtures::{Reflinks, Tool};

use super::family::Crashable;
use super::fill::fill;
use super::kinds::Kind;
use super::proof::Crashed;
use crate::support::load::{Load, SyncedList};
use crate::support::round_trip::Bench;

/// Room for the disk and what changes in it between snapshots.
const AROUND_BYTES: u64 = 1 << 30;

/// Between two snapshots.
const PAUSE: Duration = Duration::from_millis(150);

/// Bytes that each writer writes at most.
const LOAD_BYTES: u64 = 24 << 20;

/// Writers at the same time.
const WRITERS: u64 = 2;

/// Takes `count` snapshots in `folder` of a filesystem of `kind` under load,
/// on a file system that `mkfs` makes.
pub(super) fn take<J: Crashable>(
    bench: &Bench<J>,
    folder: &Path,
    (mkfs, arguments): (&str, &str),
    kind: &Kind,
    count: u64,
) -> io::Result<Vec<Crashed>> {
    let missing = || io::Error::other("cp is not installed");
    let cp = Tool::find("cp").ok_or_else(missing)?;
    let around = Reflinks::new(folder, mkfs, arguments, AROUND_BYTES)?;
    let disk = around.mount.folder.join("disk");
    let make: Vec<_> = kind.make.split_whitespace().collect();
    bench.tools.make(&disk, kind.disk_bytes(), &make)?;
    let synced = SyncedList::default();
    let mounted = folder.join("under-load");
    fill(
        &bench.tools,
        &disk,
        &mounted,
        kind,
        &mut Load::new(&mounted, 0, u64::MAX, &synced),
    )?;
    let mount = bench.tools.mount(&disk, &mounted, kind.mount)?;

    let stop = AtomicBool::new(false);
    let taken = thread::scope(|scope| {
        let writers: Vec<_> = (1..=WRITERS)
            .map(|seed| {
                let mut load = Load::new(&mounted, seed, LOAD_BYTES, &synced);
                let stop = &stop;
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) && load.step()? {}
                    io::Result::Ok(())
                })
            })
            .collect();
        let taken = (0..count).map(|number| {
            thread::sleep(PAUSE);
            let before = synced.now();
            let clone = around.mount.folder.join(format!("clone{number}"));
            cp.ok(|command| command.arg("--reflink=always").args([&disk, &clone]))?;
            Ok((clone, before))
        });
        let taken: io::Result<Vec<_>> = taken.collect();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            let ended = writer.join();
            ended.map_err(|_| io::Error::other("a writer panicked"))??;
        }
        taken
    })?;
    mount.end()?;

    let mut snapshots = Vec::new();
    for (number, (clone, synced)) in taken.into_iter().enumerate() {
        let disk = folder.join(format!("snapshot{number}"));
        fs::copy(clone, &disk)?;
        snapshots.push(Crashed {
            disk,
            kind: *kind,
            synced,
            // The kernel may just have written all of it home.
            is_just_synced: false,
            repaired: false,
        });
    }
    Ok(snapshots)
}
