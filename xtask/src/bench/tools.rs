//! Command lines: ours and those of others.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use fixtures::Tool;

/// Waits until the output, the first word behind the script, is on its disk.
const THEN_SYNC: &str = "out=$1; shift; \"$@\" && sync \"$out\"";

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line(Vec<String>);

impl Line {
    /// `tool` with the words of `arguments`, then `paths`.
    pub(super) fn new(tool: &Tool, arguments: &str, paths: &[&Path]) -> Self {
        let mut words = vec![tool.path().display().to_string()];
        words.extend(arguments.split_whitespace().map(String::from));
        Self(words).with(paths)
    }

    /// A script of a shell, of which what is added are the arguments.
    pub(super) fn script(script: &str) -> Self {
        Self(["/bin/sh", "-c", script, "sh"].map(String::from).to_vec())
    }

    /// The same with `paths` at its end.
    pub(super) fn with(mut self, paths: &[&Path]) -> Self {
        let paths = paths.iter().map(|path| path.display().to_string());
        self.0.extend(paths);
        self
    }

    /// The same with `word` at its end.
    pub(super) fn word(mut self, word: &str) -> Self {
        self.0.push(word.into());
        self
    }

    /// The same, and then `output` synced.
    pub(super) fn synced(self, output: &Path) -> Self {
        let mut synced = Self::script(THEN_SYNC).with(&[output]);
        synced.0.extend(self.0);
        synced
    }

    pub(super) fn words(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// Every program that takes part; of others, those the machine has.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) ours: Tool,
    pub(super) qemu: Option<Tool>,
    pub(super) e2image: Option<Tool>,
    pub(super) partclone: Option<Tool>,
    pub(super) zstd: Option<Tool>,
    pub(super) cp: Option<Tool>,
    pub(super) mke2fs: Option<Tool>,
    pub(super) zerofree: Option<Tool>,
    pub(super) fallocate: Option<Tool>,
    pub(super) sparsify: Option<Tool>,
}

/// The variable that names a folder of programs to prefer to those of the machine:
/// newer releases.
const NEWER: &str = "QCOW2_BENCH_TOOLS";

/// The program `name`: a newer one, if there is one, or that of the machine.
pub(super) fn find(name: &str) -> Option<Tool> {
    let newer = env::var_os(NEWER).map(|folder| PathBuf::from(folder).join(name));
    let newer = newer.filter(|path| path.is_file()).map(Tool::at);
    newer.or_else(|| Tool::find(name))
}

impl Tools {
    /// `ours`, and what is found of the others.
    pub(super) fn find(ours: Tool) -> Self {
        Self {
            ours,
            qemu: find("qemu-img"),
            e2image: find("e2image"),
            partclone: find("partclone.ext4"),
            zstd: find("zstd"),
            cp: find("cp"),
            mke2fs: find("mke2fs"),
            zerofree: find("zerofree"),
            fallocate: find("fallocate"),
            sparsify: find("virt-sparsify"),
        }
    }

    /// The first line of what each says of its version, ours first.
    pub(super) fn versions(&self) -> Vec<String> {
        let flags = [
            (Some(&self.ours), "--version"),
            (self.qemu.as_ref(), "--version"),
            (self.e2image.as_ref(), "-V"),
            (self.partclone.as_ref(), "--version"),
            (self.zstd.as_ref(), "--version"),
            (self.cp.as_ref(), "--version"),
        ];
        flags
            .into_iter()
            .filter_map(|(tool, flag)| {
                let outcome = tool?.run(|command| command.arg(flag)).ok()?;
                let said = format!("{}{}", outcome.stdout, outcome.stderr);
                Some(said.lines().next()?.trim_matches(['*', ' ']).to_owned())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synced_line_runs_the_line_and_syncs_its_output() {
        let shell = Tool::find("sh").expect("every Unix has sh");
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("a file");
        let line = Line::new(&shell, "-c", &[])
            .word("echo \"$0\" > \"$0\"")
            .with(&[&output])
            .synced(&output);
        let words = line.words();
        let outcome = Tool::at(words[0].clone().into())
            .run(|command| command.args(&words[1..]))
            .unwrap();
        assert!(outcome.success(), "{outcome:?}");
        let written = std::fs::read_to_string(&output).unwrap();
        assert_eq!(written.trim_end(), output.display().to_string());
    }
}
