//! Follows a recipe.

use std::fs::{self, File};
use std::mem;
use std::path::Path;

use crate::chain::{Chain, Layer, Taken, data_name, name, remove};
use crate::options::{DataFile, Encryption, LUKS, Options};
use crate::recipe::Step;
use crate::tools::{OBJECT, Program, Tools, create_luks, shell};

/// Somebody who makes images, and writes down how.
pub(crate) struct Maker<'t> {
    tools: &'t Tools,
    pub(crate) chain: Chain,
    /// The commands, for a shell.
    pub(crate) script: Vec<String>,
    /// Commands of qemu-io for the top, to be done at once.
    waiting: Vec<String>,
    /// Snapshots taken.
    taken: usize,
}

impl<'t> Maker<'t> {
    pub(crate) fn new(tools: &'t Tools, folder: &Path) -> Self {
        // What `seq` prints: compresses, and no two places are equal.
        let words: String = (1..=30_000).map(|number| format!("{number}\n")).collect();
        fs::write(folder.join("words"), words).unwrap();
        Self {
            tools,
            chain: Chain {
                folder: folder.into(),
                layers: Vec::new(),
            },
            script: vec!["seq 1 30000 >words".into()],
            waiting: Vec::new(),
            taken: 0,
        }
    }

    /// Does all the steps.
    pub(crate) fn follow(&mut self, steps: &[Step]) {
        for step in steps {
            if let Step::Io(command) = step {
                self.waiting.push(command.clone());
                continue;
            }
            if matches!(step, Step::Kill) {
                self.waiting.push("sigraise 9".into());
            }
            self.do_waiting();
            self.follow_step(step);
        }
        self.do_waiting();
    }

    fn follow_step(&mut self, step: &Step) {
        match step {
            Step::Raw { bytes } => return self.raw(*bytes),
            Step::Create { options, bytes } => return self.create(options, *bytes),
            _ => {}
        }
        let Some(top) = self.chain.layers.len().checked_sub(1) else {
            return;
        };
        match step {
            Step::Raw { .. } | Step::Create { .. } | Step::Io(_) | Step::Kill => {}
            Step::Convert {
                options,
                flags,
                keeps_backing,
            } => self.convert(top, options, flags, *keeps_backing),
            Step::Snapshot => self.snapshot(top),
            Step::Apply(which) => self.apply(top, *which),
            Step::Delete(which) => self.delete(top, *which),
            Step::Resize {
                bytes,
                preallocation,
            } => self.resize(top, *bytes, preallocation),
            Step::Commit { stays } => {
                let flags = if *stays { "-d" } else { "" };
                self.image(&format!("commit -q {flags}"), top, &[]);
            }
            Step::Rebase { to, is_safe } => self.rebase(top, *to, *is_safe),
            Step::Amend(options) => {
                self.image(&format!("amend -q -o {options}"), top, &[]);
            }
            Step::Bitmap { action, name } => {
                self.image(&format!("bitmap {action}"), top, &[name]);
            }
        }
    }

    /// Runs a program, whatever it says of it.
    fn run(&mut self, program: Program, arguments: &[String]) -> bool {
        let outcome = self.tools.run(program, &self.chain.folder, arguments);
        let called = match program {
            Program::Img => "qemu-img",
            Program::Io => "qemu-io",
        };
        let mut line = shell(called, arguments);
        if !outcome.success() {
            line += &format!("  # {}", outcome.brief(120));
        }
        self.script.push(line);
        outcome.success()
    }

    /// Lets qemu-img do something to a layer. No word of `command` has a space.
    fn image(&mut self, command: &str, layer: usize, behind: &[&str]) -> bool {
        let mut arguments: Vec<String> = command.split_whitespace().map(String::from).collect();
        arguments.extend(self.chain.image(layer));
        arguments.extend(behind.iter().map(ToString::to_string));
        self.run(Program::Img, &arguments)
    }

    fn do_waiting(&mut self) {
        let commands = mem::take(&mut self.waiting);
        let Some(top) = self.chain.layers.len().checked_sub(1) else {
            return;
        };
        if commands.is_empty() {
            return;
        }
        let mut arguments = Vec::new();
        for command in commands {
            arguments.extend(["-c".into(), command]);
        }
        arguments.extend(self.chain.image(top));
        self.run(Program::Io, &arguments);
    }

    fn raw(&mut self, bytes: u64) {
        let path = self.chain.path(self.chain.layers.len());
        let file = File::create(path).unwrap();
        file.set_len(bytes).unwrap();
        let name = name(self.chain.layers.len());
        self.script.push(format!("truncate -s {bytes} {name}"));
        self.push(None, None, bytes);
    }

    /// A layer of these options, raw where there are none.
    fn push(&mut self, options: Option<&Options>, backing: Option<usize>, bytes: u64) {
        self.chain.layers.push(Layer {
            is_raw: options.is_none(),
            is_encrypted: options.is_some_and(|with| with.encryption != Encryption::None),
            has_data_file: options.is_some_and(|with| with.data_file != DataFile::None),
            options: options.map_or(String::new(), |with| with.text.clone()),
            backing,
            bytes,
            snapshots: Vec::new(),
        });
    }

    fn create(&mut self, options: &Options, bytes: u64) {
        let next = self.chain.layers.len();
        let backing = next.checked_sub(1);
        if let Encryption::Luks(kind) = options.encryption {
            self.create_luks(kind, next, backing, bytes);
            let plain = Options {
                text: LUKS[kind].into(),
                data_file: DataFile::None,
                ..options.clone()
            };
            return self.push(Some(&plain), backing, bytes);
        }
        let mut arguments = vec!["create".into(), "-q".into()];
        arguments.extend(["-f".into(), "qcow2".into()]);
        arguments.extend(self.told(options, next));
        if let Some(below) = backing {
            arguments.extend(["-b".into(), name(below)]);
            arguments.extend(["-F".into(), self.chain.format(below).into()]);
            if self.chain.is_encrypted(below) {
                arguments.push("-u".into());
            }
        }
        arguments.extend([name(next), bytes.to_string()]);
        if self.run(Program::Img, &arguments) {
            self.push(Some(options), backing, bytes);
        } else {
            remove(&self.chain.folder, next);
        }
    }

    fn create_luks(&mut self, kind: usize, next: usize, backing: Option<usize>, bytes: u64) {
        let name_next = name(next);
        self.tools.copy_luks(kind, &self.chain.path(next));
        let line = shell("qemu-img", &create_luks(kind, &name_next));
        self.script.push(line);
        let file = format!("driver=qcow2,file.filename={name_next},encrypt.key-secret=s0");
        let told = [OBJECT[0], OBJECT[1], "--image-opts", &file];
        let mut arguments = ["resize", "-q"].map(String::from).to_vec();
        arguments.extend(told.map(String::from));
        arguments.push(bytes.to_string());
        assert!(self.run(Program::Img, &arguments), "{arguments:?}");
        let Some(below) = backing else {
            return;
        };
        let format = self.chain.format(below);
        let mut arguments = ["rebase", "-q", "-u", "-b", &name(below), "-F", format]
            .map(String::from)
            .to_vec();
        arguments.extend(told.map(String::from));
        assert!(self.run(Program::Img, &arguments), "{arguments:?}");
    }

    /// The options for a new image at `next`.
    fn told(&self, options: &Options, next: usize) -> Vec<String> {
        let mut text = options.text.clone();
        let mut told = Vec::new();
        if options.encryption != Encryption::None {
            text += ",encrypt.format=aes,encrypt.key-secret=s0";
            told.extend(OBJECT.map(String::from));
        }
        match options.data_file {
            DataFile::None => {}
            DataFile::External => text += &format!(",data_file={}", data_name(next)),
            DataFile::Raw => text += &format!(",data_file={},data_file_raw=on", data_name(next)),
        }
        told.extend(["-o".into(), text]);
        told
    }

    fn convert(&mut self, top: usize, options: &Options, flags: &str, keeps_backing: bool) {
        if self.chain.layers[top].is_raw || matches!(options.encryption, Encryption::Luks(_)) {
            return;
        }
        let next = top + 1;
        let backing = self.chain.layers[top].backing.filter(|_| keeps_backing);
        let mut arguments = ["convert", "-q", "-O", "qcow2"].map(String::from).to_vec();
        arguments.extend(flags.split_whitespace().map(String::from));
        let told = self.told(options, next);
        // The source may name the key already.
        let told = told.into_iter().skip_while(|word| word != "-o");
        arguments.extend(told);
        if let Some(below) = backing {
            arguments.extend(["-B".into(), name(below)]);
            arguments.extend(["-F".into(), self.chain.format(below).into()]);
        }
        if !self.chain.is_encrypted(top) && options.encryption != Encryption::None {
            arguments.extend(OBJECT.map(String::from));
        }
        arguments.extend(self.chain.image(top));
        arguments.push(name(next));
        let bytes = self.chain.layers[top].bytes;
        if self.run(Program::Img, &arguments) {
            self.push(Some(options), backing, bytes);
        } else {
            remove(&self.chain.folder, next);
        }
    }

    fn snapshot(&mut self, top: usize) {
        self.taken += 1;
        let name = format!("s{}", self.taken);
        if self.snapshots("-c", &name, top) {
            let layer = &mut self.chain.layers[top];
            let bytes = layer.bytes;
            layer.snapshots.push(Taken { name, bytes });
        }
    }

    fn apply(&mut self, top: usize, which: u64) {
        let Some(taken) = self.taken_before(top, which) else {
            return;
        };
        let taken = self.chain.layers[top].snapshots[taken].clone();
        if self.snapshots("-a", &taken.name, top) {
            self.chain.layers[top].bytes = taken.bytes;
        }
    }

    fn delete(&mut self, top: usize, which: u64) {
        let Some(taken) = self.taken_before(top, which) else {
            return;
        };
        let name = self.chain.layers[top].snapshots[taken].name.clone();
        if self.snapshots("-d", &name, top) {
            self.chain.layers[top].snapshots.remove(taken);
        }
    }

    /// The index of a snapshot of the layer, if it has any.
    fn taken_before(&self, layer: usize, which: u64) -> Option<usize> {
        let count = u64::try_from(self.chain.layers[layer].snapshots.len()).unwrap();
        Some(usize::try_from(which.checked_rem(count)?).unwrap())
    }

    fn snapshots(&mut self, action: &str, name: &str, top: usize) -> bool {
        !self.chain.layers[top].is_raw && self.image(&format!("snapshot {action} {name}"), top, &[])
    }

    fn resize(&mut self, top: usize, bytes: u64, preallocation: &str) {
        let mut command = "resize -q".to_owned();
        if bytes < self.chain.layers[top].bytes {
            command += " --shrink";
        } else if preallocation != "off" {
            command += &format!(" --preallocation={preallocation}");
        }
        if self.image(&command, top, &[&bytes.to_string()]) {
            self.chain.layers[top].bytes = bytes;
        }
    }

    fn rebase(&mut self, top: usize, to: u64, is_safe: bool) {
        let choices = u64::try_from(top).unwrap() + 1;
        let backing = usize::try_from(to % choices).unwrap();
        let backing = Some(backing).filter(|below| *below < top);
        let mut arguments = ["rebase", "-q"].map(String::from).to_vec();
        if !is_safe {
            arguments.push("-u".into());
        }
        match backing {
            Some(below) => {
                arguments.extend(["-b".into(), name(below)]);
                arguments.extend(["-F".into(), self.chain.format(below).into()]);
            }
            None => arguments.extend(["-b".into(), String::new()]),
        }
        arguments.extend(self.chain.image(top));
        if self.run(Program::Img, &arguments) {
            self.chain.layers[top].backing = backing;
        }
    }
}
