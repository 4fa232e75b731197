//! Newer programs than the machine's, in a folder of their own: those of Debian's
//! development release. Nothing is installed.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fixtures::{Outcome, Tool};

use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};

/// Packages whose programs the tests take in newer versions, too.
const PACKAGES: [&str; 5] = [
    "xfsprogs",
    "btrfs-progs",
    "ntfs-3g",
    "dosfstools",
    "partclone",
];

/// The release they are taken from.
const RELEASE: &str = "sid";

/// Who signs it.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where packages have programs.
const PROGRAM_FOLDERS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];

/// `cargo xtask newer-tools DIR`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let folder = arguments.first().ok_or("no folder is named".to_owned())?;
    arguments.finish()?;
    fs::create_dir_all(&folder)?;
    let folder = fs::canonicalize(folder)?;
    let packages = download(&folder)?;
    let root = folder.join("root");
    let tar = tool("tar")?;
    let dpkg = tool("dpkg-deb")?;
    for package in &packages {
        let archive = folder.join("archive.tar");
        succeed(&tool("sh")?.run(|command| {
            let script = "\"$0\" --fsys-tarfile \"$1\" > \"$2\"";
            command
                .args(["-c", script])
                .args([dpkg.path(), package, &archive])
        })?)?;
        fs::create_dir_all(&root)?;
        succeed(&tar.run(|command| {
            command
                .args(["--extract", "--keep-directory-symlink", "--file"])
                .args([&archive, Path::new("--directory"), &root])
        })?)?;
        fs::remove_file(archive)?;
    }
    let count = wrap(&folder, &root)?;
    println!("{count} programs are in {}", folder.join("bin").display());
    println!("export QCOW2_NEWER_TOOLS={}", folder.display());
    Ok(())
}

fn tool(name: &str) -> Result<Tool, Failure> {
    Tool::find(name).ok_or(Failure::new(format!(
        "there is no {name}: this needs a Debian"
    )))
}

fn succeed(outcome: &Outcome) -> TaskResult {
    if outcome.success() {
        return Ok(());
    }
    Err(Failure::new(outcome.brief(400)))
}

/// Downloads the packages and all they need into `folder`.
fn download(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let apt = tool("apt-get")?;
    let sites = ["indextargets", "--format", "$(REPO_URI)"];
    let sites = apt.run(|command| command.args(sites))?;
    let site = sites.stdout.lines().find(|line| line.ends_with("/debian/"));
    let site = site.ok_or(Failure::new("apt knows no mirror of Debian"))?;
    for inside in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join("apt").join(inside))?;
    }
    let at = |name: &str| folder.join("apt").join(name).display().to_string();
    fs::write(at("status"), "")?;
    let list = format!("deb [signed-by={KEYRING}] {site} {RELEASE} main\n");
    fs::write(at("list"), list)?;
    let options = [
        format!("Dir::Etc::SourceList={}", at("list")),
        "Dir::Etc::SourceParts=/dev/null".into(),
        format!("Dir::State={}", at("state")),
        format!("Dir::State::status={}", at("status")),
        format!("Dir::Cache={}", at("cache")),
        "APT::Install-Recommends=false".into(),
        "APT::Sandbox::User=root".into(),
        // It changes nothing of the machine's.
        "Debug::NoLocking=1".into(),
    ];
    let options = || options.iter().flat_map(|option| ["-o", option]);
    succeed(&apt.run(|command| command.args(options()).arg("update"))?)?;
    succeed(&apt.run(|command| {
        command
            .args(options())
            .args(["--yes", "--download-only", "install"])
            .args(PACKAGES)
    })?)?;
    let mut packages = Vec::new();
    for entry in fs::read_dir(at("cache/archives"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "deb") {
            packages.push(path);
        }
    }
    Ok(packages)
}

/// Puts a script for each program into `folder/bin`, which runs it with the
/// libraries that came with it.
fn wrap(folder: &Path, root: &Path) -> Result<usize, Failure> {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin)?;
    let libraries = libraries(&root.join("usr/lib"))?;
    let loader = libraries.iter().find_map(|libraries| {
        let mut files = fs::read_dir(libraries).ok()?.flatten();
        files.find(|file| file.file_name().to_string_lossy().starts_with("ld-linux"))
    });
    let loader = loader.ok_or(Failure::new("no loader came with the programs"))?;
    let libraries: Vec<_> = libraries
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut count = 0;
    for programs in PROGRAM_FOLDERS.map(|inside| root.join(inside)) {
        let Ok(programs) = fs::read_dir(programs) else {
            continue;
        };
        for program in programs {
            let program = program?;
            let script = bin.join(program.file_name());
            let text = format!(
                "#!/bin/sh\nexec '{}' --library-path '{}' '{}' \"$@\"\n",
                loader.path().display(),
                libraries.join(":"),
                program.path().display()
            );
            fs::write(&script, text)?;
            fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
            count += 1;
        }
    }
    Ok(count)
}

/// Folders of libraries, each named by what it is made for.
fn libraries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with("-linux-gnu") {
            found.push(entry.path());
        }
    }
    Ok(found)
}
