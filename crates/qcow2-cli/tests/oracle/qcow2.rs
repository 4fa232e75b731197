//! A folder of qcow2 images with a manifest of what QEMU makes of them, each
//! through `qcow2 unpack`, and through the library.
//!
//! The manifest has a line for each disk: NAME or NAME@SNAPSHOT, the virtual size,
//! the SHA-256 of the raw disk, features, whether QEMU reads it (`ok` or `refuse`),
//! notes, a digest of the blocks that are not zero, and more; separated by tabs.

mod digest;
mod library;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use fixtures::{Outcome, Program};
use libtest_mimic::Trial;

use crate::support::suite::{check, program, trial};
use crate::support::verdict::Verdict;

use digest::{digest, sparse_digest};
use library::Subject;

/// Images that QEMU reads although they are damaged, and how `--salvage` ends:
/// with 4 where something is lost, else with 3. What it restores is what QEMU
/// makes of them.
const DAMAGED: &[(&str, i32)] = &[
    ("corrupt-bit", 3),
    ("dm-ref0", 3),
    ("dm-refall0", 3),
    ("dm-reft-unaligned", 3),
    ("dm-reft-eof", 3),
    ("bad-reft-eof", 3),
    ("bad-snap-eof", 3),
    ("dm-l2-eof", 4),
    ("dm-l1-eof", 4),
    ("dm-trunc-data", 4),
    ("dm-trunc-more", 4),
    ("dm-trunc-l1", 4),
    ("dm-trunc-reft", 4),
    ("dm-trunc-111", 4),
    ("bad-l1-eof", 4),
];

/// Images in which a host cluster has two owners. QEMU reads both; `--salvage` loses both,
/// and ends with 4.
const CROSSED: &[&str] = &[
    "dm-crosslink",
    "dm-l2-is-l1",
    "dm-l2-is-hdr",
    "dm-l1-self",
    "dm-l1-hdr",
];

/// Images whose other files are not opened though those beside them may be: they
/// lie elsewhere, have no format, or are named as protocols and JSON.
const CLOSED: &[&str] = &["bk-nofmt", "bk-json", "bk-file-proto", "bk-abs", "df-etc"];

/// What no image restores to here without a limit.
const BOMBS: &[&str] = &["bomb"];
const BOMB_LIMIT: &str = "1G";

/// Largest disk that is restored. Of larger ones what is allocated is read.
const READ_BACK_BYTES_MAX: u64 = 64 << 30;

/// The passphrase of the encrypted images.
const SECRET: &str = "corpus-pass";

/// Options for all runs.
const BESIDE: &[&str] = &["--quiet", "--references", "beside"];

/// A line of the manifest.
#[derive(Debug)]
struct Row {
    name: String,
    image: String,
    snapshot: Option<String>,
    size: Option<u64>,
    sha256: String,
    features: String,
    is_read: bool,
    notes: String,
    sparse_sha256: String,
    is_encrypted: bool,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split('\t').collect();
        let [
            name,
            size,
            sha256,
            features,
            expected,
            notes,
            sparse_sha256,
            _,
            _,
            options,
        ] = fields.as_slice()
        else {
            return None;
        };
        let (image, snapshot) = match name.split_once('@') {
            Some((image, snapshot)) => (image, Some(snapshot.to_owned())),
            None => (*name, None),
        };
        Some(Self {
            name: (*name).into(),
            image: format!("{image}.qcow2"),
            snapshot,
            size: size.parse().ok(),
            sha256: (*sha256).into(),
            features: (*features).into(),
            is_read: *expected == "ok",
            notes: (*notes).into(),
            sparse_sha256: (*sparse_sha256).into(),
            is_encrypted: *options != "-",
        })
    }

    fn needs_other_files(&self) -> bool {
        let mut features = self.features.split(',');
        features.any(|feature| matches!(feature, "backing" | "data-file" | "external-ref"))
    }
}

/// Every line of the manifest in `corpus`.
pub(super) fn trials(corpus: &Path) -> io::Result<Vec<Trial>> {
    let manifest = fs::read_to_string(corpus.join("manifest.tsv"))?;
    let lines = manifest.lines().filter(|line| !line.starts_with('#'));
    let mut seen = BTreeMap::new();
    lines
        .map(|line| {
            let row = Row::parse(line);
            let row = row.ok_or_else(|| io::Error::other(format!("manifest: {line}")))?;
            let corpus = corpus.to_path_buf();
            // An encrypted one is listed with its secret, and again without.
            let times = seen.entry(row.name.clone()).or_insert(0);
            *times += 1;
            let name = match times {
                1 => row.name.clone(),
                times => format!("{}, line {times}", row.name),
            };
            Ok(trial(name, move || judge(&corpus, &row)))
        })
        .collect()
}

/// Whose memory is measured runs alone.
static MEMORY: RwLock<()> = RwLock::new(());

/// One image in a folder of its own for what it restores to.
struct Attempt<'t> {
    program: Program,
    corpus: &'t Path,
    row: &'t Row,
    folder: tempfile::TempDir,
}

fn judge(corpus: &Path, row: &Row) -> io::Result<Verdict> {
    let attempt = Attempt {
        program: program(),
        corpus,
        row,
        folder: tempfile::tempdir()?,
    };
    let name = row.name.as_str();
    if row.is_read && row.size.is_some_and(|size| size > READ_BACK_BYTES_MAX) {
        let _alone = MEMORY.write().unwrap_or_else(PoisonError::into_inner);
        return attempt.subject().hold_against(&row.sparse_sha256);
    }
    let _shared = MEMORY.read().unwrap_or_else(PoisonError::into_inner);
    if BOMBS.contains(&name) {
        return attempt.refused(&["--quiet", "--max-output", BOMB_LIMIT]);
    }
    if row.needs_other_files() {
        let verdict = attempt.refused(&["--quiet"])?;
        if !verdict.is_well() {
            return Ok(verdict);
        }
    }
    if let Some((_, code)) = DAMAGED.iter().find(|(damaged, _)| *damaged == name) {
        let verdict = attempt.refused(BESIDE)?;
        if !verdict.is_well() {
            return Ok(verdict);
        }
        return attempt.restored(&["--quiet", "--salvage"], *code);
    }
    if CROSSED.contains(&name) {
        let verdict = attempt.refused(BESIDE)?;
        if !verdict.is_well() {
            return Ok(verdict);
        }
        return attempt.ends_with(&["--quiet", "--salvage"], 4);
    }
    if !row.is_read || CLOSED.contains(&name) {
        return attempt.refused(BESIDE);
    }
    for more in [&["--threads", "1"][..], &["--force"]] {
        let verdict = attempt.restored(&[BESIDE, more].concat(), 0)?;
        if !verdict.is_well() {
            return Ok(verdict);
        }
    }
    attempt.subject().read_in_places(&attempt.target())
}

impl Attempt<'_> {
    fn unpack(&self, options: &[&str]) -> io::Result<Outcome> {
        let mut options = options.to_vec();
        if let Some(snapshot) = &self.row.snapshot {
            options.extend(["--snapshot", snapshot]);
        }
        let secret = self.folder.path().join("secret");
        let secret_file = secret.to_string_lossy();
        if self.row.is_encrypted {
            fs::write(&secret, SECRET)?;
            options.extend(["--secret-file", &*secret_file]);
        }
        self.program
            .unpack(&options, &self.subject().path, &self.target())
    }

    /// The image, for the library.
    fn subject(&self) -> Subject {
        Subject {
            path: self.corpus.join(&self.row.image),
            snapshot: self.row.snapshot.clone(),
            secret: self.row.is_encrypted.then_some(SECRET),
        }
    }

    fn target(&self) -> std::path::PathBuf {
        self.folder.path().join("disk")
    }

    /// Whether the image is refused: with 1, a place and a reason, and no target.
    fn refused(&self, options: &[&str]) -> io::Result<Verdict> {
        let outcome = self.unpack(options)?;
        let left = fs::read_dir(self.folder.path())?.count();
        Ok(if outcome.code != Some(1) {
            let code = outcome.code;
            Verdict::wrong(format!("{options:?} ended with {code:?}, not with 1"))
        } else if left > 0 {
            Verdict::wrong("a target was left".into())
        } else if !outcome.stderr.contains(&self.row.image) {
            Verdict::wrong(format!("the error names no image: {}", outcome.brief(200)))
        } else {
            Verdict::good()
        })
    }

    /// Whether the image is restored, ending with `code`, to what QEMU makes of it.
    fn restored(&self, options: &[&str], code: i32) -> io::Result<Verdict> {
        match self.ends_with(options, code)? {
            verdict if verdict.is_well() => self.compare(&self.target()),
            verdict => Ok(verdict),
        }
    }

    /// Whether restoring the image ends with `code`.
    fn ends_with(&self, options: &[&str], code: i32) -> io::Result<Verdict> {
        let outcome = self.unpack(options)?;
        if outcome.code != Some(code) {
            let text = outcome.brief(200);
            return Ok(Verdict::wrong(format!(
                "{options:?} ended with {:?}: {text}",
                outcome.code
            )));
        }
        Ok(Verdict::good())
    }

    /// Holds the restored disk against the manifest. Where the disk is longer than
    /// QEMU says, as one that is no multiple of 512 and a snapshot of a disk that
    /// was cut later, QEMU has its first bytes; where it is shorter, the notes have
    /// the digest.
    fn compare(&self, target: &Path) -> io::Result<Verdict> {
        let row = self.row;
        let length = fs::metadata(target)?.len();
        let qemus = row.size.unwrap_or(length);
        let want = match independent_digest(&row.notes, length) {
            Some(digest) => digest,
            None if length < qemus => {
                return Ok(Verdict::wrong(format!("{length} bytes, not {qemus}")));
            }
            None => &row.sha256,
        };
        let (want, found) = if want == "-" {
            (row.sparse_sha256.as_str(), sparse_digest(target)?)
        } else {
            (want, digest(target, qemus)?)
        };
        Ok(match want {
            "-" => Verdict::Skipped("the manifest has no digest".into()),
            want if want == found => Verdict::good(),
            want => Verdict::wrong(format!("the disk has {found}, not {want}")),
        })
    }
}

/// The digest that notes have of a disk of this length: "own size N: sha256 of
/// that much is DIGEST".
fn independent_digest(notes: &str, length: u64) -> Option<&str> {
    let (_, behind) = notes
        .split_once(&format!("own size is {length}: "))
        .or_else(|| notes.split_once(&format!("own size {length}: ")))?;
    let (_, digest) = behind.split_once("sha256 of that much is ")?;
    digest.get(..64)
}

/// Tests of this suite.
pub(super) fn checks() -> Vec<Trial> {
    vec![
        check(
            "a line is read with its snapshot",
            a_line_is_read_with_its_snapshot,
        ),
        check(
            "notes may have a digest of the disks own length",
            notes_may_have_a_digest_of_the_disks_own_length,
        ),
        check("digests are those of the tools", digest::check),
    ]
}

fn a_line_is_read_with_its_snapshot() {
    let line = "sn@two words\t4096\tabc\tv3,backing\tok\tits own size is 2048: \
                sha256 of that much is 1\tdef\t0\t-\t-";
    let row = Row::parse(line).unwrap();
    assert_eq!((row.image.as_str(), row.size), ("sn.qcow2", Some(4096)));
    assert_eq!(row.snapshot.as_deref(), Some("two words"));
    assert!(row.needs_other_files() && row.is_read && !row.is_encrypted);
    assert!(Row::parse("a\tb").is_none());
}

fn notes_may_have_a_digest_of_the_disks_own_length() {
    let digest = "ab".repeat(32);
    let notes = format!("its own size is 2097152: sha256 of that much is {digest}, more");
    assert_eq!(independent_digest(&notes, 2_097_152), Some(&*digest));
    assert_eq!(independent_digest(&notes, 4096), None);
    assert_eq!(independent_digest("own size is 1: nothing", 1), None);
}
