//! Our images, read by programs and libraries of others: what each makes of each
//! way to pack. Installs them, so it runs on request only, and prints the document
//! `docs/readers.md`.
//!
//! `QCOW2_READERS_WRITE=1` writes it, `QCOW2_READERS_DIR` names a folder that keeps
//! the readers, `QCOW2_READERS_ALSO` more programs, with colons between them, and
//! `QCOW2_BIN` the program that packs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cell;
mod disk;
mod images;
mod install;
mod reader;
mod report;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cell::{Cell, Row};
use fixtures::Program;
use images::Image;
use reader::Reader;

/// The document of the results.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/readers.md");

/// QEMU defines the format: it reads all of them, or ours are wrong.
#[test]
#[ignore = "installs programs of others"]
fn qemu_reads_each_way_to_pack_and_others_are_asked() {
    let path = |name| env::var_os(name).map(PathBuf::from);
    let program = path("QCOW2_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_qcow2").into());
    let program = Program::at(program);
    let scratch = tempfile::tempdir().unwrap();
    let installed = path("QCOW2_READERS_DIR").unwrap_or_else(|| scratch.path().join("readers"));
    let more = env::var_os("QCOW2_READERS_ALSO").unwrap_or_default();
    let more: Vec<_> = env::split_paths(&more).collect();
    let readers = install::all(&installed, &more).unwrap();
    let disk = scratch.path().join("disk");
    fs::write(&disk, disk::bytes()).unwrap();

    let rows = images::all().into_iter();
    let rows: io::Result<Vec<_>> = rows
        .map(|image| row(&image, &program, &disk, &readers, scratch.path()))
        .collect();
    let rows = rows.unwrap();
    let text = report::document(&readers, &rows);
    println!("{text}");
    if env::var_os("QCOW2_READERS_WRITE").is_some() {
        fs::write(DOCUMENT, text).unwrap();
    }
    let is_judge = |reader: &Reader| reader.name == reader::QEMU;
    let judged = readers
        .iter()
        .position(is_judge)
        .expect("qemu-img is needed");
    for row in &rows {
        assert_eq!(row.cells[judged], Cell::Right, "{}", row.name);
    }
}

/// Makes an image of `disk`, and hands it to each reader.
fn row(
    image: &Image,
    program: &Program,
    disk: &Path,
    readers: &[Reader],
    folder: &Path,
) -> io::Result<Row> {
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
