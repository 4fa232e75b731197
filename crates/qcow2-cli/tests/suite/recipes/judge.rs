//! Recipes through the program.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::process::Stdio;

use blockio::len_u64;
use fixtures::recipes::{Content, Disk, IMAGE, Recipe, References, Shop, Want};
use fixtures::{Outcome, Tool};

use super::library::{Subject, same};

/// Longest file that goes through a pipe here.
const PIPED_BYTES_MAX: u64 = 64 << 20;

/// Longest disk that is packed again here.
const PACKED_BYTES_MAX: u64 = 1 << 40;

/// What came out of a pipe.
const PIPE: &str = "pipe";

/// Holds what the program and the library make of every recipe against what it
/// wants.
#[track_caller]
pub(super) fn judge(families: impl IntoIterator<Item = Vec<Recipe>>) {
    let recipes: Vec<_> = families.into_iter().flatten().collect();
    let mut names: Vec<_> = recipes
        .iter()
        .map(|recipe| (&recipe.name, &recipe.opening.snapshot))
        .collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "recipes are told apart by their names");
    // One that fails is no reason not to know of the others.
    let fails =
        |recipe: &&Recipe| panic::catch_unwind(AssertUnwindSafe(|| try_out(recipe))).is_err();
    let failed: Vec<_> = recipes
        .iter()
        .filter(fails)
        .map(|recipe| &recipe.name)
        .collect();
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
}

fn try_out(recipe: &Recipe) {
    let shop = Shop::new();
    if let Some(want) = recipe.make(&shop) {
        Trial { recipe, shop }.run(&want);
    }
}

/// An image in the folder where it was made.
struct Trial<'r> {
    recipe: &'r Recipe,
    shop: Shop,
}

impl Trial<'_> {
    fn run(&self, want: &Want) {
        self.is_refused_with_less();
        let subject = self.subject();
        match want {
            Want::Reads(disk) => {
                let disk = self.content(disk);
                if self.has_room_for(&disk) {
                    self.is_read(&disk);
                    self.is_read_from_a_pipe(&disk, &[], 0);
                    self.is_packed(&disk, &[], 0);
                }
                subject.reads(&disk);
            }
            Want::Refused { says } => {
                self.is_refused(&[], says);
                self.names_salvage(false);
                self.is_refused(&["--salvage"], says);
                self.is_refused_from_a_pipe(says);
                self.is_not_packed(says, false);
                subject.refuses(says);
            }
            Want::Damaged { says, lost, disk } => {
                let disk = self.content(disk);
                self.is_refused(&[], says);
                self.names_salvage(true);
                self.is_refused_from_a_pipe(says);
                self.is_not_packed(says, true);
                subject.refuses(says);
                self.is_salvaged(lost, &disk);
                let code = if lost.is_empty() { 3 } else { 4 };
                self.is_read_from_a_pipe(&disk, &["--salvage"], code);
                self.is_packed(&disk, &["--salvage", "--force", "--lost", "map"], code);
                let map = fs::read_to_string(self.shop.path("map")).unwrap();
                assert_eq!(lost_in(&map), *lost, "{}: {map}", self.recipe.name);
                subject.salvages(lost, &disk);
            }
            Want::Bomb { data_bytes, disk } => {
                let less = (data_bytes - 1).to_string();
                let says = format!("restores to more than the {less} bytes that --max-output");
                self.is_refused(&["--max-output", &less], &says);
                subject.reads_in_places(disk);
            }
        }
    }

    /// Asserts that nothing is read with a lesser opening.
    fn is_refused_with_less(&self) {
        let opening = &self.recipe.opening;
        let closed = "files that an image names are opened only if that is allowed";
        for (lesser, says) in [
            (References::Refuse, closed),
            (References::Beside, "the image needs "),
        ] {
            if lesser < opening.references {
                let outcome = self.unpack_with(lesser, true, &[]);
                self.assert_refused(&outcome, says);
            }
        }
        if opening.secret.is_some() {
            let outcome = self.unpack_with(opening.references, false, &[]);
            self.assert_refused(&outcome, "no passphrase was given");
        }
    }

    fn is_refused(&self, options: &[&str], says: &str) {
        self.assert_refused(&self.unpack(options), says);
    }

    /// Asserts that a refusal names `--salvage` if that restores the image.
    fn names_salvage(&self, restores: bool) {
        let outcome = self.unpack(&[]);
        let remedy = "; --salvage restores what can be read\n";
        let name = &self.recipe.name;
        assert_eq!(
            outcome.stderr.ends_with(remedy),
            restores,
            "{name}: {outcome:?}"
        );
    }

    fn assert_refused(&self, outcome: &Outcome, says: &str) {
        let name = &self.recipe.name;
        assert_eq!(outcome.code, Some(1), "{name}: {outcome:?}");
        let starts = outcome.stderr.starts_with(&format!("qcow2: {IMAGE}: "));
        assert!(
            starts && outcome.stderr.contains(says),
            "{name}: {says:?} is not in {outcome:?}"
        );
        assert!(!self.shop.path("disk").exists(), "{name}: a target is left");
    }

    fn is_read(&self, disk: &Content) {
        for options in [&[][..], &["--force", "--threads", "1"]] {
            let outcome = self.unpack(options);
            assert_eq!(outcome.code, Some(0), "{}: {outcome:?}", self.recipe.name);
            self.holds("disk", disk);
        }
        let outcome = self.qcow2(&["info", IMAGE]);
        assert_eq!(outcome.code, Some(0), "{}: {outcome:?}", self.recipe.name);
    }

    /// Asserts that `pack` reads this disk in the image.
    fn is_packed(&self, disk: &Content, options: &[&str], code: i32) {
        let name = &self.recipe.name;
        if disk.size() > PACKED_BYTES_MAX {
            return;
        }
        let outcome = self.pack(&[options, &["--verify"]].concat());
        assert_eq!(outcome.code, Some(code), "{name}: {outcome:?}");
        let outcome = self.qcow2(&["unpack", "--no-sync", "--force", "packed", "unpacked"]);
        assert_eq!(outcome.code, Some(0), "{name}: {outcome:?}");
        self.holds("unpacked", disk);
    }

    /// Asserts that `pack` refuses the image as `unpack` does.
    fn is_not_packed(&self, says: &str, salvage: bool) {
        let outcome = self.pack(&[]);
        self.assert_refused(&outcome, says);
        let (name, remedy) = (&self.recipe.name, "; --salvage restores what can be read\n");
        assert_eq!(
            outcome.stderr.ends_with(remedy),
            salvage,
            "{name}: {outcome:?}"
        );
        assert!(
            !self.shop.path("packed").exists(),
            "{name}: a target is left"
        );
    }

    /// Asserts that a pipe gives the same, to a file and to a pipe.
    fn is_read_from_a_pipe(&self, disk: &Content, options: &[&str], code: i32) {
        let name = &self.recipe.name;
        let Some(outcome) = self.piped(&[options, &["--force", "-", "piped"]].concat()) else {
            return;
        };
        assert_eq!(outcome.code, Some(code), "{name}: {outcome:?}");
        self.holds("piped", disk);
        if disk.size() <= PIPED_BYTES_MAX {
            let outcome = self.piped(&[options, &["-", "-"]].concat()).unwrap();
            assert_eq!(outcome.code, Some(code), "{name}: {outcome:?}");
            self.holds(PIPE, disk);
        }
    }

    /// Asserts that an image from a pipe is refused for the same reason, and nothing
    /// is left. A stream that something else overwrote is decoded before all references
    /// are counted, and may be what is told.
    fn is_refused_from_a_pipe(&self, says: &str) {
        let name = &self.recipe.name;
        if let Some(outcome) = self.piped(&["-", "piped"]) {
            assert_eq!(outcome.code, Some(1), "{name}: {outcome:?}");
            let starts = outcome.stderr.contains("qcow2: standard input: ");
            let broken = "standard input: compressed cluster at host offset ";
            let is_shared = says.contains("share it") || says.contains("its refcount");
            assert!(
                starts
                    && (outcome.stderr.contains(says)
                        || is_shared && outcome.stderr.contains(broken)),
                "{name}: {says:?} is not in {outcome:?}"
            );
            assert!(!self.shop.path("piped").exists(), "{name}");
        }
    }

    /// Unpacks with the image on a pipe, and what comes out of one in the file
    /// [`PIPE`]; not where other files are needed, or the image is too long.
    fn piped(&self, arguments: &[&str]) -> Option<Outcome> {
        let opening = &self.recipe.opening;
        let path = self.shop.path(IMAGE);
        if opening.references != References::Refuse
            || fs::metadata(&path).unwrap().len() > PIPED_BYTES_MAX
        {
            return None;
        }
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_qcow2"));
        command.args(["unpack", "--quiet", "--no-sync"]);
        if let Some(name) = &opening.snapshot {
            command.arg(format!("--snapshot={name}"));
        }
        if let Some(text) = &opening.secret {
            fs::write(self.shop.path("secret"), text).unwrap();
            command.args(["--secret-file", "secret"]);
        }
        let mut child = command
            .args(arguments)
            .current_dir(self.shop.folder())
            .stdin(Stdio::piped())
            .stdout(File::create(self.shop.path(PIPE)).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut image, mut stdin) = (File::open(path).unwrap(), child.stdin.take().unwrap());
        // A program that refuses the image leaves without reading all of it.
        let feeder = std::thread::spawn(move || drop(io::copy(&mut image, &mut stdin)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Some(Outcome {
            code: output.status.code(),
            stdout: String::new(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        })
    }

    fn is_salvaged(&self, lost: &[Range<u64>], disk: &Content) {
        let name = &self.recipe.name;
        let code = if lost.is_empty() { 3 } else { 4 };
        for options in [
            &["--salvage", "--lost", "map"][..],
            &["--salvage", "--force", "--threads", "1"],
        ] {
            let outcome = self.unpack(options);
            assert_eq!(outcome.code, Some(code), "{name}: {outcome:?}");
            self.holds("disk", disk);
        }
        let map = fs::read_to_string(self.shop.path("map")).unwrap();
        assert_eq!(lost_in(&map), lost, "{name}: {map}");
    }

    fn holds(&self, file: &str, disk: &Content) {
        let path = self.shop.path(file);
        same(
            &self.recipe.name,
            &hostdisk::Disk::open(path).unwrap(),
            disk,
        );
    }

    /// Whether a file can be as long as the disk: not every file system has so
    /// long ones.
    fn has_room_for(&self, disk: &Content) -> bool {
        let probe = File::create(self.shop.path("probe")).unwrap();
        let has_room = probe.set_len(disk.size()).is_ok();
        if !has_room {
            let (name, size) = (&self.recipe.name, disk.size());
            eprintln!("SKIPPED: {name}: the file system holds no file of {size} bytes");
        }
        has_room
    }

    fn unpack(&self, options: &[&str]) -> Outcome {
        self.unpack_with(self.recipe.opening.references, true, options)
    }

    fn unpack_with(&self, references: References, secret: bool, more: &[&str]) -> Outcome {
        let opening = &self.recipe.opening;
        let secret = opening.secret.as_ref().filter(|_| secret);
        self.opened(references, secret, &[&["unpack"], more].concat(), "disk")
    }

    /// Packs everything on the disk in the image into `packed`.
    fn pack(&self, more: &[&str]) -> Outcome {
        let opening = &self.recipe.opening;
        let command = ["pack", "--content", "all", "--source-format", "qcow2"];
        let command = [&command, more].concat();
        self.opened(
            opening.references,
            opening.secret.as_ref(),
            &command,
            "packed",
        )
    }

    /// Runs `command` on the image, opened like this, to `target`.
    fn opened(
        &self,
        references: References,
        secret: Option<&String>,
        command: &[&str],
        target: &str,
    ) -> Outcome {
        let references = match references {
            References::Refuse => "refuse",
            References::Beside => "beside",
            References::Any => "any",
        };
        let snapshot = self.recipe.opening.snapshot.as_ref();
        let snapshot = snapshot.map(|name| format!("--snapshot={name}"));
        let mut arguments = command.to_vec();
        arguments.extend(["--no-sync", "--references", references]);
        arguments.extend(snapshot.as_deref());
        if let Some(text) = secret {
            fs::write(self.shop.path("secret"), text).unwrap();
            arguments.extend(["--secret-file", "secret"]);
        }
        arguments.extend([IMAGE, target]);
        self.qcow2(&arguments)
    }

    fn qcow2(&self, arguments: &[&str]) -> Outcome {
        let program = Tool::at(env!("CARGO_BIN_EXE_qcow2").into());
        let folder = self.shop.folder();
        let ran = program.run(|command| command.args(arguments).current_dir(folder));
        ran.unwrap()
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            name: &self.recipe.name,
            path: self.shop.path(IMAGE),
            opening: &self.recipe.opening,
        }
    }

    /// The disk, which may have to be asked of qemu-img.
    fn content(&self, disk: &Disk) -> Content {
        let known = match disk {
            Disk::Known(content) => return content.clone(),
            Disk::Qemu => self.shop.path("raw"),
        };
        let mut arguments = vec!["convert", "-f", "qcow2", "-O", "raw"];
        if let Some(name) = &self.recipe.opening.snapshot {
            arguments.extend(["-l", name]);
        }
        arguments.extend([IMAGE, "raw"]);
        let qemu = Tool::find("qemu-img").unwrap();
        let folder = self.shop.folder();
        qemu.ok(|command| command.args(arguments).current_dir(folder))
            .unwrap();
        let bytes = fs::read(&known).unwrap();
        fs::remove_file(known).unwrap();
        assert!(len_u64(bytes.len()) <= 64 << 20, "{}", self.recipe.name);
        Content::of(bytes)
    }
}

/// The ranges that a map for GNU ddrescue calls bad.
fn lost_in(map: &str) -> Vec<Range<u64>> {
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let lost = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, length) = (number(words.next()?)?, number(words.next()?)?);
        (words.next()? == "-").then_some(start..start + length)
    };
    map.lines().filter_map(lost).collect()
}
