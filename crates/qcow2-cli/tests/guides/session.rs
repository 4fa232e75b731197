//! One shell that runs the commands of a page.

use std::env;
use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fixtures::{Tool, require};
use tempfile::TempDir;

use super::page::{Page, Step};
use super::shown::is_shown;

/// Where the setups of the pages are.
const SETUP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guides/setup");

/// Begins the lines that the shell prints between the commands.
const MARK: &str = "----the-next-command----";

/// Programs that the setups and most pages run.
const TOOLS: [&str; 6] = [
    "bash", "sfdisk", "mkfs.fat", "mke2fs", "debugfs", "qemu-img",
];

/// What a page needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// A folder.
    WithFiles,
    /// A folder, and block devices with the names of disks: as root.
    WithDisks,
}

/// A folder for a page, and the shell that runs its commands there.
pub(super) struct Session {
    shell: Tool,
    arguments: Vec<&'static str>,
    setup: String,
    folder: TempDir,
    /// What the reader does not see: the programs, the logs, the files below devices.
    hidden: TempDir,
}

/// How a command differs from what its page says.
#[derive(Debug)]
pub(super) struct Fault {
    line: usize,
    command: String,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` {}", self.line, self.command, self.what)
    }
}

impl Session {
    /// A session for the page `name`. `None`, after saying so, if the machine lacks what
    /// the page needs.
    pub(super) fn new(name: &str, machine: Machine, tools: &[&str]) -> Option<Self> {
        let tools = TOOLS.iter().chain(tools);
        let tools: Vec<_> = tools.map(|name| require(name)).collect();
        if tools.iter().any(Option::is_none) {
            return None;
        }
        let (shell, arguments) = match machine {
            Machine::WithFiles => (require("bash")?, vec![]),
            Machine::WithDisks => (own_mounts()?, vec!["--mount", "bash"]),
        };
        let session = Self {
            shell,
            arguments,
            setup: format!("{SETUP}/{name}.sh"),
            folder: tempfile::tempdir().unwrap(),
            hidden: tempfile::tempdir().unwrap(),
        };
        let programs = session.hidden.path().join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_qcow2"), programs.join("qcow2")).unwrap();
        Some(session)
    }

    /// Runs the commands of `page`, and gives those that differ from what it says.
    pub(super) fn run(&self, page: &Page) -> Vec<Fault> {
        let script = self.hidden.path().join("script");
        fs::write(&script, self.script(page)).unwrap();
        let outcome = self
            .shell
            .run(|command| command.args(&self.arguments).arg(&script))
            .unwrap();
        let log = fs::read_to_string(self.hidden.path().join("log")).unwrap_or_default();
        assert_eq!(
            outcome.code,
            Some(0),
            "{log}\n{}{}",
            outcome.stdout,
            outcome.stderr
        );
        let pieces: Vec<_> = outcome
            .stdout
            .split(&format!("\n{MARK} "))
            .skip(1)
            .collect();
        assert_eq!(pieces.len(), page.steps.len() * 2, "{}", outcome.stdout);
        let ended = pieces.chunks(2);
        let ended = page.steps.iter().zip(ended);
        ended
            .filter_map(|(step, ended)| fault(step, ended))
            .collect()
    }

    /// The setup and the commands of `page`, each between two marks.
    fn script(&self, page: &Page) -> String {
        let path = env::var("PATH").unwrap_or_default();
        let hidden = self.hidden.path().display();
        let mut script = format!(
            "export HIDDEN='{hidden}' PATH='{hidden}/bin:{path}:/usr/sbin:/sbin'\n\
             cd '{}'\nexec 3>&1 >\"$HIDDEN/log\" 2>&1\nset -e -o pipefail\n\
             . '{SETUP}/disks.sh'\n. '{}'\nset +e\nexec 1>&3 2>&1 3>&-\n",
            self.folder.path().display(),
            self.setup,
        );
        for step in &page.steps {
            let command = &step.command;
            script.push_str(&format!(
                "settle\nprintf '\\n{MARK} begins\\n'\n{command}\nprintf '\\n{MARK} %d\\n' $?\n"
            ));
        }
        script.push_str("exit 0\n");
        script
    }
}

/// The program that runs another one with mounts of its own, if we may do so. Without
/// root there is nothing to ask for; `CI` as root must be able.
fn own_mounts() -> Option<Tool> {
    let (unshare, losetup, _) = (require("unshare")?, require("losetup")?, require("partx")?);
    let works = unshare
        .run(|command| command.args(["--mount", "true"]))
        .unwrap();
    if works.success() && Path::new("/dev/loop-control").exists() {
        return Some(unshare);
    }
    let is_root = rustix::process::geteuid().is_root();
    let why = works.brief(200);
    assert!(
        !(fixtures::strict() && is_root),
        "CI is true, and there are no mounts or loop devices: {why} ({losetup:?})"
    );
    eprintln!("SKIPPED: no block devices with the names of disks: {why}");
    None
}

/// How `step` differs from the page, by what came after the marks around it: what was
/// printed, and the exit code.
fn fault(step: &Step, ended: &[&str]) -> Option<Fault> {
    let printed = ended.first()?.strip_prefix("begins\n").unwrap_or_default();
    let code = ended.last()?.lines().next().unwrap_or_default();
    let lines: Vec<_> = printed.trim_end().lines().map(str::trim_end).collect();
    let is_same = (step.shown.as_ref()).is_none_or(|shown| is_shown(shown, &lines));
    if code == step.code.to_string() && is_same {
        return None;
    }
    Some(Fault {
        line: step.line,
        command: step.command.clone(),
        what: format!("ends with {code}, and prints:\n{printed}"),
    })
}
