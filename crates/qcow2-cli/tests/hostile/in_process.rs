//! With and without right checksums around the field: no panic, no more than five
//! seconds, bounded memory, and extents that tile the disk.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use blockio::{Extent, ExtentKind, ReadAt};
use ext_blocks::discardable::Discardable;
use ext_blocks::{Detected, Error, Filesystem, Halt, Options, OtherClaim, Trust, detect};
use ext_scramble::{ScrambleKey, scramble};
use fixtures::SplitMix;
use hostdisk::Spool;

use crate::fields::{self, Field, Patches, Subject};
use crate::support::verdict::Verdict;

/// How long one case may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Memory of the whole process, the disk among it.
const MEMORY_KIB: u64 = 256 << 10;
/// Values of each field, and changes of several fields of each filesystem,
/// where nothing else is asked for.
const QUICK_VALUES: usize = 2;
const QUICK_MIXED: u64 = 60;
/// Most fields that are changed together.
const MIXED_MAX: u64 = 5;
/// One case of so many has its names scrambled, too, which takes longest.
const SCRAMBLED: usize = 20;
/// Failures that are told.
const TOLD_MAX: usize = 20;

/// Sets every field of `subject`, and several together.
pub(super) fn judge_all(subject: &Subject) -> io::Result<Verdict> {
    let cases = env::var("HOSTILE_CASES")
        .ok()
        .map(|count| count.parse().unwrap());
    let start = Instant::now();
    assert_eq!(sound(&subject.disk), Ok(()));
    let cases = all_cases(subject, cases);
    let mut failures = run(subject, &cases);
    let (fields, cases) = (subject.fields.len(), cases.len());
    println!("{fields} fields, {cases} cases in {:?}", start.elapsed());
    let more = failures.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        failures.truncate(TOLD_MAX);
        failures.push(format!("and {more} more"));
    }
    let most = most_memory_kib();
    let text = format!("{most} KiB of memory");
    Ok(Verdict::Ran(failures).and(Verdict::check(most <= MEMORY_KIB, text)))
}

/// Fields set to values, and whether the checksums around them are right.
struct Case<'s> {
    values: Vec<(&'s Field, u64)>,
    sealed: bool,
}

impl Case<'_> {
    fn name(&self, subject: &Subject) -> String {
        let mut name = subject.name.to_owned();
        for (field, value) in &self.values {
            write!(name, ", {} = {value:#x}", field.name).unwrap();
        }
        name + if self.sealed { ", sealed" } else { "" }
    }
}

/// Each field by itself, then several together.
fn all_cases(subject: &Subject, asked: Option<u64>) -> Vec<Case<'_>> {
    let mut random = SplitMix::new(8);
    let mut cases = Vec::new();
    for field in &subject.fields {
        let values = field.values(&subject.disk, &mut random);
        let count = if asked.is_some() {
            values.len()
        } else {
            QUICK_VALUES
        };
        for number in 0..count {
            let value = match asked {
                Some(_) => values[number],
                None => any(&values, &mut random),
            };
            // In a quick run one value with right checksums, one without.
            let both: &[bool] = match asked {
                Some(_) => &[false, true],
                None => &[number % 2 == 0],
            };
            cases.extend(both.iter().map(|sealed| Case {
                values: vec![(field, value)],
                sealed: *sealed,
            }));
        }
    }
    for _ in 0..asked.unwrap_or(QUICK_MIXED) {
        let count = 2 + random.below(MIXED_MAX - 1);
        let fields = (0..count).map(|_| {
            let index = random.below(u64::try_from(subject.fields.len()).unwrap());
            let field = &subject.fields[usize::try_from(index).unwrap()];
            let values = field.values(&subject.disk, &mut random);
            (field, any(&values, &mut random))
        });
        cases.push(Case {
            values: fields.collect(),
            sealed: true,
        });
    }
    cases
}

fn any(values: &[u64], random: &mut SplitMix) -> u64 {
    let index = random.below(u64::try_from(values.len()).unwrap());
    values[usize::try_from(index).unwrap()]
}

/// What goes wrong in `cases`, which are shared out among the processors.
fn run(subject: &Subject, cases: &[Case<'_>]) -> Vec<String> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let watches: Vec<_> = (0..threads).map(|_| Watch::default()).collect();
    let done = Mutex::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = watches
            .iter()
            .enumerate()
            .map(|(number, watch)| {
                let done = &done;
                scope.spawn(move || {
                    let mine = cases.iter().enumerate().skip(number).step_by(threads);
                    let failures: Vec<_> = mine
                        .filter_map(|(index, case)| {
                            watch.judge(subject, case, (index / threads).is_multiple_of(SCRAMBLED))
                        })
                        .collect();
                    *done.lock().unwrap() += 1;
                    failures
                })
            })
            .collect();
        while *done.lock().unwrap() < threads {
            watches.iter().for_each(Watch::look);
            thread::sleep(Duration::from_millis(20));
        }
        let failures = workers.into_iter().map(|worker| worker.join().unwrap());
        failures.flatten().collect()
    })
}

/// The case a thread is at, and since when.
#[derive(Default)]
struct Watch(Mutex<Option<(Instant, String)>>);

impl Watch {
    /// What goes wrong in a case, if anything does.
    fn judge(&self, subject: &Subject, case: &Case<'_>, scrambles: bool) -> Option<String> {
        let name = case.name(subject);
        self.set(Some((Instant::now(), name.clone())));
        let disk = Patched {
            disk: &subject.disk,
            patches: subject.patches(&case.values, case.sealed),
        };
        let judged = catch_unwind(AssertUnwindSafe(|| judge(&disk, scrambles)));
        self.set(None);
        match judged {
            Ok(Ok(())) => None,
            Ok(Err(wrong)) => Some(format!("{name}: {wrong}")),
            Err(_) => Some(format!("{name}: a panic")),
        }
    }

    fn set(&self, at: Option<(Instant, String)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Ends the process where a case does not end.
    fn look(&self) {
        let at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((start, name)) = &*at
            && start.elapsed() > PATIENCE
        {
            eprintln!("{name}: does not end within {PATIENCE:?}");
            process::exit(1);
        }
    }
}

/// A disk with patches.
struct Patched<'s> {
    disk: &'s [u8],
    patches: Patches,
}

impl ReadAt for Patched<'_> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        fields::apply(buf, start, &self.patches);
        Ok(())
    }
}

/// Whether nothing is wrong with a filesystem that nobody has changed.
fn sound(disk: &[u8]) -> Result<(), String> {
    let detected = detect(disk, &Options::default()).map_err(|error| error.to_string())?;
    let Detected::Ext(filesystem) = detected else {
        return Err("nothing is found".into());
    };
    if let Trust::Nothing(distrust) = filesystem.trust() {
        return Err(distrust.to_string());
    }
    match filesystem.damage().findings().first() {
        None => Ok(()),
        Some(finding) => Err(finding.to_string()),
    }
}

/// Asks for all there is to be known of `disk`, which can be read everywhere.
fn judge(disk: &Patched<'_>, scrambles: bool) -> Result<(), String> {
    let by = "another format";
    for other_claim in [None, Some(OtherClaim::Disk { by, at: 0 })] {
        let mut options = Options::default();
        options.other_claim = other_claim;
        let detected = detect(disk, &options).map_err(|error| error.to_string())?;
        let Detected::Ext(filesystem) = detected else {
            continue;
        };
        look_at(&filesystem, disk.size())?;
        let recovered = answer(filesystem.recovered())?;
        let again = recovered.as_ref().map(|disk| detect(disk, &options));
        if let Ok(Err(error)) = &again {
            return Err(error.to_string());
        }
        if let Ok(Ok(Detected::Ext(filesystem))) = &again {
            look_at(filesystem, disk.size())?;
            if scrambles {
                rewrite(filesystem)?;
            }
        }
    }
    Ok(())
}

/// What is answered, or why nothing is; an error if the storage failed.
fn answer<T, W>(asked: Result<T, Halt<W>>) -> Result<Result<T, W>, String> {
    match asked {
        Ok(answer) => Ok(Ok(answer)),
        Err(Halt::Refused(why)) => Ok(Err(why)),
        Err(Halt::Failed(error)) => Err(error.to_string()),
    }
}

fn look_at<R: ReadAt + ?Sized>(filesystem: &Filesystem<&R>, size: u64) -> Result<(), String> {
    let said = format!("{:?} {:?}", filesystem.info(), filesystem.trust());
    let damage = filesystem.damage().findings().iter();
    let said = damage.fold(said, |said, finding| {
        said + &format!("{finding}: {}", finding.consequence())
    });
    if said.is_empty() {
        return Err("no report".into());
    }
    tile(filesystem.used_extents(), size)?;
    match answer(filesystem.metadata())? {
        Ok(metadata) => tile(metadata.used_extents().map(Ok), size),
        Err(distrust) if distrust.to_string().is_empty() => Err("no report".into()),
        Err(_) => Ok(()),
    }
}

/// Scrambles all names, reads the result, and finds what may be left out.
fn rewrite<R: ReadAt + ?Sized>(filesystem: &Filesystem<&R>) -> Result<(), String> {
    if let Ok(dropped) = answer(filesystem.discardable(Discardable::ALL))? {
        // Counted, so that all are made.
        assert!(dropped.ranges().all(|range| range.start < range.end));
    }
    let scrambled = scramble(filesystem, &ScrambleKey::new([7; 32]), &|| {
        Ok(Box::new(Spool::new()?))
    });
    let Ok(scrambled) = answer(scrambled)? else {
        return Ok(());
    };
    tile(scrambled.used_extents(), scrambled.size())?;
    let mut block = vec![0; 4096];
    let runs = scrambled
        .used_extents()
        .flatten()
        .filter(|extent| extent.kind == ExtentKind::Data);
    for extent in runs {
        for at in extent.range().step_by(block.len()) {
            let length = usize::try_from(extent.end() - at).unwrap_or(usize::MAX);
            let part = &mut block[..length.min(4096)];
            scrambled
                .read_at(at, part)
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Extents follow each other from 0 to `size`, none of them empty.
fn tile(extents: impl Iterator<Item = Result<Extent, Error>>, size: u64) -> Result<(), String> {
    let mut at = 0;
    for extent in extents {
        let extent = extent.map_err(|error| error.to_string())?;
        if extent.start != at || extent.length == 0 {
            return Err(format!("the extents do not tile the disk at {at:#x}"));
        }
        at = extent.end();
    }
    if at == size {
        return Ok(());
    }
    Err(format!("the extents end at {at:#x}"))
}

/// The most memory this process had, in KiB; 0 where the kernel does not say.
fn most_memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
