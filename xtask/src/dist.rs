//! What users install: the program, completions, manual pages, an archive, a Debian
//! package and checksums.

mod build;
mod debian;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::Tool;

use crate::program::required;
use crate::task::TaskResult;
use crate::task::arguments::Arguments;
use crate::workspace;

use build::Built;
use stage::Stage;

/// The file with the checksums.
const SUMS: &str = "SHA256SUMS";

/// `cargo xtask dist`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let program = arguments.option("--bin")?;
    let folder = arguments.option("--dir")?;
    arguments.finish()?;
    let folder = match folder {
        Some(folder) => PathBuf::from(folder),
        None => workspace::root().join("target/dist"),
    };
    fs::create_dir_all(&folder)?;
    let built = match program {
        Some(path) => Built::at(PathBuf::from(path).canonicalize()?)?,
        None => build::build()?,
    };
    println!("program  {}, {}", built.version, built.linkage());
    let stage = Stage::new(&built)?;
    let mut made = vec![stage.archive(&folder)?];
    match Tool::find("dpkg-deb") {
        Some(dpkg_deb) => made.push(debian::package(&dpkg_deb, &stage, &built, &folder)?),
        None => println!("SKIPPED the Debian package: dpkg-deb is not installed"),
    }
    sums(&folder, &made)?;
    for name in made.iter().map(String::as_str).chain([SUMS]) {
        let path = folder.join(name);
        println!(
            "made     {} ({} bytes)",
            path.display(),
            path.metadata()?.len()
        );
    }
    Ok(())
}

/// Writes the checksums of the files `names` in `folder`, as sha256sum checks them.
fn sums(folder: &Path, names: &[String]) -> TaskResult {
    let sums = required("sha256sum")?;
    let lines = sums.ok(|command| command.args(names).current_dir(folder))?;
    fs::write(folder.join(SUMS), lines)?;
    let check = ["--check", "--quiet", SUMS];
    sums.ok(|command| command.args(check).current_dir(folder))?;
    Ok(())
}
