//! Filesystems with a dirty journal: e2fsck replays it on the restored disk as
//! it does on the source.

use std::fs;
use std::io;
use std::thread;

use fixtures::{DIRTY, Dirty, E2fs, Outcome, Qemu, Usage, compare, copy_used};

use crate::bench::Bench;

/// Most of an image that nobody needs, in thousandths of what is in use.
const STALE_MILLI_MAX: u64 = 20;

#[test]
fn a_dirty_journal_replays_on_the_restored_disk_as_on_the_source() {
    let (Some(e2fs), Some(_)) = (E2fs::require(), Qemu::require()) else {
        return;
    };
    let half = |skip: usize| {
        let cases = DIRTY.iter().skip(skip).step_by(2);
        let found = cases.flat_map(|dirty| match prove(dirty, &e2fs, pack_and_unpack) {
            Ok(problems) => problems,
            Err(error) => vec![format!("{}: {error}", dirty.name)],
        });
        found.collect::<Vec<_>>()
    };
    let problems = thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        [half(0), other.join().unwrap()].concat()
    });
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_only_the_journal_has_is_missed() {
    let Some(e2fs) = E2fs::require() else { return };
    let (dirty, forget) = (&DIRTY[0], |bench: &Bench| {
        let stored = e2fs.usage(&bench.path("source")).unwrap().unwrap();
        copy_used(&bench.path("source"), &bench.path("restored"), &stored).unwrap();
    });
    let problems = prove(dirty, &e2fs, forget).unwrap().join("\n");
    for word in [
        "v3: two is not whole",
        "v3: one is not whole",
        "used bytes are lost",
    ] {
        assert!(problems.contains(word), "{problems}");
    }
    let keep = |bench: &Bench| bench.write("restored", bench.read("source"));
    let problems = prove(dirty, &e2fs, keep).unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("free bytes are kept"), "{problems:?}");
}

fn pack_and_unpack(bench: &Bench) {
    let packed = bench.run("pack --cluster-size 1K source image");
    assert!(matches!(packed.code, Some(0 | 3)), "{}", packed.brief(300));
    if let Some(qemu) = Qemu::find() {
        let checked = qemu.check(&bench.path("image")).unwrap();
        assert!(checked.success(), "{}", checked.brief(300));
    }
    bench.ok("unpack image restored");
}

/// What is not as it should be with `dirty` once `restore` has made the file
/// `restored` of the file `source`.
fn prove(dirty: &Dirty, e2fs: &E2fs, restore: impl Fn(&Bench)) -> io::Result<Vec<String>> {
    let bench = Bench::new();
    let [source, restored] = ["source", "restored"].map(|name| bench.path(name));
    let whole = dirty.make(e2fs, &source)?;
    let mut problems = Vec::new();
    let mut check = |holds: bool, text: String| {
        if !holds {
            problems.push(format!("{}: {text}", dirty.name));
        }
    };
    restore(&bench);

    let before = e2fs.usage_before_replay(&source)?;
    let [full, again] = ["full", "again"].map(|name| bench.path(name));
    fs::copy(&source, &full)?;
    fs::copy(&restored, &again)?;
    let one = e2fs.fsck(&["-fy"], &full)?;
    let other = e2fs.fsck(&["-fy"], &again)?;
    check(one == other, format!("e2fsck -fy: {}", said(&one, &other)));
    check(
        one.stdout.contains("recovering journal"),
        format!("nothing is replayed: {}", one.brief(300)),
    );
    let after = e2fs.usage(&full)?;
    let (Some(before), Some(after)) = (before, after) else {
        return Err(io::Error::other("dumpe2fs cannot tell what is free"));
    };
    let lost = compare(&full, &again, Some(&after))?.lost;
    check(lost == 0, format!("{lost} used bytes differ after e2fsck"));
    for file in whole {
        let out = bench.path("out");
        let dump = format!("dump {} {}", file.name, out.display());
        e2fs.ask(&again, &dump)?;
        let is_whole = fs::read(&out)? == file.bytes;
        check(is_whole, format!("{} is not whole", file.name));
    }

    let needed: Usage = before.and(&after);
    let difference = compare(&source, &restored, Some(&needed))?;
    check(
        difference.lost == 0,
        format!("{} used bytes are lost", difference.lost),
    );
    check(
        difference.foreign == 0,
        format!("{} bytes are foreign", difference.foreign),
    );
    let used = source.metadata()?.len() - needed.free_bytes();
    check(
        !dirty.is_replayable() || difference.stale <= used / 1000 * STALE_MILLI_MAX,
        format!(
            "{} free bytes are kept, {used} are in use",
            difference.stale
        ),
    );
    Ok(problems)
}

/// The words of two runs.
fn said(one: &Outcome, other: &Outcome) -> String {
    format!("`{}`, then `{}`", one.brief(400), other.brief(400))
}
