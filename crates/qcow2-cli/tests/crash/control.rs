//! Whether a case proves anything: a program that goes by what is at home on the
//! disk must lose what was synced.

use std::fs::File;
use std::io;
use std::path::Path;

use fixtures::Tool;

use super::family::Crashable;
use super::proof::Crashed;
use crate::support::tree::Tree;

/// What is wrong with the case: the program that loses what was synced does not.
pub(super) fn loses(
    tools: &impl Crashable,
    folder: &Path,
    crashed: &Crashed,
) -> io::Result<Option<String>> {
    let Some(name) = crashed.kind.loser() else {
        return Ok(None);
    };
    let Some(loser) = Tool::find(name) else {
        let text = format!("{name} is not installed (`cargo xtask test --install`)");
        if fixtures::strict() {
            return Err(io::Error::other(text));
        }
        eprintln!("SKIPPED: the control: {text}");
        return Ok(None);
    };
    let restored = folder.join("control");
    File::create(&restored)?.set_len(crashed.disk.metadata()?.len())?;
    let done = loser.run(|command| {
        command
            .args(["--dev-to-dev", "--logfile", "/dev/null", "--source"])
            .arg(&crashed.disk)
            .arg("--overwrite")
            .arg(&restored)
    })?;
    if !done.success() {
        // It refuses, which is as good as to hold everything.
        println!("{name}: {}", done.brief(160));
        return Ok(None);
    }
    // It can be beyond mounting.
    let Ok(mount) = tools.mount(&restored, &folder.join("mounted"), "") else {
        return Ok(None);
    };
    let tree = Tree::read(&mount.folder, i64::MAX);
    mount.end()?;
    let lost = crashed
        .synced
        .iter()
        .filter(|synced| tree.hash(&synced.path) != Some(synced.hash));
    let lost = lost.count();
    println!(
        "{name} loses {lost} of {} synced files",
        crashed.synced.len()
    );
    Ok((lost == 0).then(|| format!("{name} loses no synced file: this case proves nothing")))
}
