//! Our images, read by programs and libraries of others: what each makes of each
//! way to pack. Installs them, so it runs on request only.

mod cell;
mod disk;
mod images;
mod install;
mod reader;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use cell::{Cell, Row};
use fixtures::Program;
use images::Image;
use reader::Reader;

use crate::program;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::workspace;

/// The document of the results, in the workspace.
const DOCUMENT: &str = "docs/readers.md";

/// `cargo xtask readers`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let write = arguments.flag("--write");
    let program = arguments.option("--bin")?;
    let folder = arguments.option("--dir")?.map(PathBuf::from);
    let only = arguments.option("--only")?.unwrap_or_default();
    let mut more = Vec::new();
    while let Some(program) = arguments.option("--also")? {
        more.push(PathBuf::from(program));
    }
    arguments.finish()?;
    let program = program::at_or_built(program)?;
    let scratch = tempfile::tempdir()?;
    let installed = folder.unwrap_or_else(|| scratch.path().join("readers"));
    let readers = install::all(&installed, &more)?;
    let disk = scratch.path().join("disk");
    fs::write(&disk, disk::bytes())?;

    let mut rows = Vec::new();
    for image in images::all()
        .iter()
        .filter(|image| image.name.contains(&only))
    {
        rows.push(row(image, &program, &disk, &readers, scratch.path())?);
    }
    let text = report::document(&readers, &rows);
    println!("{text}");
    if write && only.is_empty() {
        fs::write(workspace::root().join(DOCUMENT), text)?;
    }
    // QEMU defines the format: it reads all of them, or ours are wrong.
    let is_judge = |reader: &Reader| reader.name == reader::QEMU;
    let judged = readers.iter().position(is_judge);
    let judged = judged.ok_or(Failure::new("qemu-img is needed"))?;
    match rows.iter().find(|row| row.cells[judged] != Cell::Right) {
        Some(row) => Err(Failure::new(format!("QEMU does not read {}", row.name))),
        None => Ok(()),
    }
}

/// Makes an image of `disk`, and hands it to each reader.
fn row(
    image: &Image,
    program: &Program,
    disk: &Path,
    readers: &[Reader],
    folder: &Path,
) -> Result<Row, Failure> {
    let path = folder.join("image.qcow2");
    let restored = folder.join("restored");
    image.make(program, disk, &path)?;
    let mut want = fs::read(disk)?;
    // Disks of readers end with a sector.
    want.resize(want.len().next_multiple_of(512), 0);
    let mut cells = Vec::new();
    for reader in readers {
        cells.push(reader.read(&path, &restored, &want)?);
        if restored.exists() {
            fs::remove_file(&restored)?;
        }
    }
    fs::remove_file(&path)?;
    let name = image.name.to_owned();
    eprintln!("{name}: {cells:?}");
    Ok(Row { name, cells })
}
