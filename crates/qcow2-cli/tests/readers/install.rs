//! The readers: those of the machine, and pinned ones from package registries, in a
//! folder of their own.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::Tool;

use super::reader::Reader;

const DISSECT: [&str; 2] = ["dissect.hypervisor", "3.21"];
const LIBQCOW: [&str; 2] = ["libqcow-python", "20260703"];
const OSLO: [&str; 2] = ["oslo.utils", "10.2.0"];
/// Parts of the packages that are left out unless they are asked for.
const EXTRAS: [(&str, &str); 2] = [(DISSECT[0], "[full]"), (OSLO[0], "[image-inspection]")];
/// The versions are those of `readers/manifest.toml`.
const IMAGO: [&str; 2] = ["imago", "0.2.6"];
const QCOW2_RS: [&str; 2] = ["qcow2-rs", "0.1.6"];

const MANIFEST: &str = include_str!("drivers/manifest.toml");

/// The sources of our drivers around libraries.
const SOURCES: [(&str, &str); 5] = [
    ("read_dissect.py", include_str!("drivers/read_dissect.py")),
    ("read_libqcow.py", include_str!("drivers/read_libqcow.py")),
    ("ask_oslo.py", include_str!("drivers/ask_oslo.py")),
    ("imago.rs", include_str!("drivers/imago.rs")),
    ("qcow2-rs.rs", include_str!("drivers/qcow2-rs.rs")),
];

/// All readers, those of libraries installed in `folder`; `more` are programs.
pub(super) fn all(folder: &Path, more: &[PathBuf]) -> io::Result<Vec<Reader>> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    for (name, source) in SOURCES {
        fs::write(folder.join(name), source)?;
    }
    fs::write(folder.join("Cargo.toml"), MANIFEST)?;

    let mut readers = Vec::new();
    let found = ["qemu-img", "7zz", "7z"].map(Tool::find);
    let [qemu, zip, other_zip] = found;
    let of_the_machine = [qemu, zip.or(other_zip)].into_iter().flatten();
    let programs = of_the_machine.chain(more.iter().cloned().map(Tool::at));
    for program in programs {
        readers.push(Reader::of_program(program)?);
    }
    // Those of one name stand side by side.
    readers.sort_by_key(|reader| reader.name != super::reader::QEMU);
    readers.extend(python(&folder));
    readers.extend(rust(&folder));
    Ok(readers)
}

fn python(folder: &Path) -> Vec<Reader> {
    let place = folder.join("python");
    let installed = install_python(&place);
    let tool = Tool::at(place.join("bin").join("python"));
    if let Err(failure) = installed {
        eprintln!("NOT TRIED: {failure}");
        return [DISSECT, LIBQCOW, OSLO].map(missing).into();
    }
    let driver = |[name, version]: [&'static str; 2], script| {
        Reader::of_library(name, version, tool.clone(), Some(folder.join(script)))
    };
    vec![
        driver(DISSECT, "read_dissect.py"),
        driver(LIBQCOW, "read_libqcow.py"),
        Reader::of_inspector(OSLO[0], OSLO[1], tool.clone(), folder.join("ask_oslo.py")),
    ]
}

fn rust(folder: &Path) -> Vec<Reader> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(folder)
        .args(["build", "--target-dir"])
        .arg(folder.join("built"));
    if let Err(failure) = succeeds(&mut cargo) {
        eprintln!("NOT TRIED: {failure}");
        return [IMAGO, QCOW2_RS].map(missing).into();
    }
    let built = folder.join("built").join("debug");
    let driver = |[name, version]: [&'static str; 2]| {
        let tool = Tool::at(built.join(format!("read-{name}")));
        Reader::of_library(name, version, tool, None)
    };
    vec![driver(IMAGO), driver(QCOW2_RS)]
}

fn missing([name, version]: [&'static str; 2]) -> Reader {
    Reader::missing(name, version)
}

/// Makes a virtual environment at `place`, with the packages.
fn install_python(place: &Path) -> io::Result<()> {
    let python = Tool::find("python3").ok_or_else(|| io::Error::other("there is no python3"))?;
    if !place.exists() {
        succeeds(Command::new(python.path()).args(["-m", "venv"]).arg(place))?;
    }
    let packages = [DISSECT, LIBQCOW, OSLO].map(|[name, version]| {
        let extra = EXTRAS.iter().find(|(package, _)| *package == name);
        format!("{name}{}=={version}", extra.map_or("", |(_, extra)| extra))
    });
    let mut pip = Command::new(place.join("bin").join("pip"));
    succeeds(pip.args(["install", "--quiet"]).args(packages))
}

fn succeeds(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().display().to_string();
    match command.status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{name} failed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_the_versions_that_are_told() {
        for [name, version] in [IMAGO, QCOW2_RS] {
            let line = MANIFEST.lines().find(|line| line.starts_with(name));
            assert!(line.unwrap().contains(&format!("\"={version}\"")), "{name}");
        }
    }
}
