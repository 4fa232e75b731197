//! Filesystems the kernel was writing when the machine stopped.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fixtures::{SplitMix, Tool};

use super::source::{Fill, Make};
use super::{Case, Verdict};
use crate::roundtrip::{Bench, DONE, DONE_UNCLEAN, Files};

const MIB: u64 = 1 << 20;

/// Makes that the kernel mounts, by name.
const MAKES: [(&str, &[&str]); 6] = [
    ("ext4", &["-t", "ext4"]),
    ("ext4 of 1024", &["-t", "ext4", "-b", "1024"]),
    ("ext4 fast_commit", &["-t", "ext4", "-O", "fast_commit"]),
    ("ext3", &["-t", "ext3"]),
    (
        "ext4 without journal",
        &["-t", "ext4", "-O", "^has_journal"],
    ),
    ("ext2", &["-t", "ext2"]),
];

pub(super) fn cases() -> Vec<Case> {
    MAKES
        .into_iter()
        .map(|(name, options)| {
            Case::new(format!("crashed {name}"), true, move |bench, folder| {
                crashed(bench, folder, options)
            })
        })
        .collect()
}

/// A disk copied while the kernel has it mounted: packed, restored and mounted
/// again, every file that was synced is there. The kernel replays the journal,
/// since some journals are beyond e2fsck.
fn crashed(bench: &Bench, folder: &Path, options: &[&str]) -> io::Result<Verdict> {
    let disk = folder.join("disk");
    Make::new(96 * MIB, options, Fill::Half).make(bench, &disk)?;
    let files = Files::new(folder);
    let Some(mount) = Mount::new(&disk, &folder.join("mounted")) else {
        return Ok(Verdict::Skipped("this user cannot mount a file".into()));
    };
    let synced = write_files(&mount.folder)?;
    fs::copy(&disk, &files.source)?;
    drop(mount);

    let report = bench.round_trip(&files, &[])?;
    let code = match report.code {
        Some(DONE_UNCLEAN) => DONE_UNCLEAN,
        _ => DONE,
    };
    let verdict = Verdict::of(report, code);
    if !files.restored.exists() {
        return Ok(verdict);
    }
    // The round trip has repaired what it restored.
    fs::remove_file(&files.restored)?;
    let unpacked = bench.program.unpack(&[], &files.image, &files.restored)?;
    let Some(mount) = Mount::new(&files.restored, &folder.join("again")) else {
        let text = format!("the kernel does not mount it: {}", unpacked.brief(100));
        return Ok(verdict.and(Verdict::check(false, text)));
    };
    let lost: Vec<_> = synced
        .into_iter()
        .filter(|(name, bytes)| fs::read(mount.folder.join(name)).ok().as_ref() != Some(bytes))
        .map(|(name, _)| name)
        .collect();
    Ok(verdict.and(Verdict::check(
        lost.is_empty(),
        format!("{} synced files are lost: {lost:?}", lost.len()),
    )))
}

/// Writes and deletes files in `folder`; those synced, with their content.
fn write_files(folder: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut random = SplitMix::new(4);
    let mut synced = Vec::new();
    for number in 0..40 {
        let length = usize::try_from(random.below(600_000)).map_err(io::Error::other)?;
        let (name, bytes) = (format!("synced{number}"), random.bytes(length));
        let mut file = File::create(folder.join(&name))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        synced.push((name, bytes));
        fs::write(folder.join(format!("other{number}")), random.bytes(50_000))?;
        if number == 20 {
            fs::remove_file(folder.join("large"))?;
        }
    }
    File::open(folder)?.sync_all()?;
    Ok(synced)
}

/// A file mounted through a loop device, until dropped.
struct Mount {
    folder: PathBuf,
    umount: Tool,
}

impl Mount {
    /// `None` where this user, or this machine, cannot.
    fn new(disk: &Path, folder: &Path) -> Option<Self> {
        let (mount, umount) = (Tool::find("mount")?, Tool::find("umount")?);
        fs::create_dir(folder).ok()?;
        mount
            .ok(|command| command.args(["-o", "loop"]).args([disk, folder]))
            .ok()?;
        Some(Self {
            folder: folder.to_path_buf(),
            umount,
        })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = self.umount.ok(|command| command.arg(&self.folder)) {
            eprintln!("{}: {error}", self.folder.display());
        }
    }
}
