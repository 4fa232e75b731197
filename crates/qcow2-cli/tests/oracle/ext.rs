//! A folder of ext filesystems, many of them damaged.

mod metadata;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::decompress;
use crate::support::round_trip::{Bench, DONE, Files, Report};
use crate::support::suite::{check, judged, variable};
use crate::support::verdict::Verdict;

/// Says which part of the images each variant takes: of `6`, one in six.
const PART: &str = "QCOW2_CORPUS_PART";

/// Options of `pack` for all variants.
const PACK_ARGS: &str = "QCOW2_PACK_ARGS";

/// Ways to pack an image.
const VARIANTS: [(&str, Proof, &[&str]); 11] = [
    ("default", Proof::RoundTrip, &[]),
    ("512", Proof::RoundTrip, &["--cluster-size", "512"]),
    ("4K", Proof::RoundTrip, &["--cluster-size", "4K"]),
    ("2M", Proof::RoundTrip, &["--cluster-size", "2M"]),
    ("v2", Proof::RoundTrip, &["--compat", "0.10"]),
    ("zlib", Proof::RoundTrip, &["--compress", "zlib"]),
    (
        "zlib 2M",
        Proof::RoundTrip,
        &["--compress", "zlib:6", "--cluster-size", "2M"],
    ),
    (
        "zlib 4K",
        Proof::RoundTrip,
        &[
            "--compress=zlib",
            "--deflate-window=4k",
            "--cluster-size=4K",
            "--refcount-bits=4",
        ],
    ),
    ("zstd", Proof::RoundTrip, &["--compress", "zstd"]),
    (
        "metadata",
        Proof::Metadata,
        &["--content", "metadata", "-c", "zlib"],
    ),
    (
        "scrambled",
        Proof::Scrambled,
        &["--content", "metadata", "--scramble-names"],
    ),
];

/// What an image has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Every used byte, and no free one.
    RoundTrip,
    /// The metadata: e2fsck says the same of it.
    Metadata,
    /// The metadata, no worse than it was, and without its names.
    Scrambled,
}

/// One image, packed in one way.
struct Job {
    path: PathBuf,
    variant: &'static str,
    proof: Proof,
    arguments: Vec<String>,
}

/// Every image of `folder` in each variant, or a part of them.
pub(super) fn trials(folder: &Path) -> io::Result<Vec<Trial>> {
    let part = variable(PART).map_or(Ok(1), |part| parse_part(&part))?;
    let more = variable(PACK_ARGS).unwrap_or_default();
    let jobs = jobs(&images(folder)?, part, &more).into_iter();
    Ok(jobs
        .map(|job| judged(job.name(), move |bench| check_image(bench, &job)))
        .collect())
}

/// A number that is not zero.
fn parse_part(text: &str) -> io::Result<usize> {
    let part = text.parse().ok().filter(|part| *part > 0);
    part.ok_or_else(|| io::Error::other(format!("{PART} is {text}, no number such as 6")))
}

/// The images in `folder`, sorted.
fn images(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".img") || name.ends_with(".img.gz") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Each image in each variant; of these, one in `part`, in turn for the variants.
fn jobs(images: &[PathBuf], part: usize, more: &str) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (shift, (variant, proof, arguments)) in VARIANTS.into_iter().enumerate() {
        let chosen = images.iter().skip(shift % part).step_by(part);
        let arguments = arguments.iter().copied().chain(more.split_whitespace());
        let arguments: Vec<_> = arguments.map(String::from).collect();
        jobs.extend(chosen.map(|path| Job {
            path: path.clone(),
            variant,
            proof,
            arguments: arguments.clone(),
        }));
    }
    jobs
}

/// The name of an image without what its kind adds.
fn image_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".gz").trim_end_matches(".img").into()
}

impl Job {
    fn name(&self) -> String {
        format!("{} {}", image_name(&self.path), self.variant)
    }
}

fn check_image(bench: &Bench, job: &Job) -> io::Result<Verdict> {
    let folder = tempfile::tempdir()?;
    let files = Files::new(folder.path());
    decompress(&job.path, &files.source)?;
    let name = image_name(&job.path);
    let arguments: Vec<_> = job.arguments.iter().map(String::as_str).collect();
    let report = match job.proof {
        Proof::RoundTrip => lean(bench.round_trip(&files, &arguments)?),
        Proof::Metadata => metadata::plain(bench, &files, &arguments, &name)?,
        Proof::Scrambled => metadata::scrambled(bench, &files, &arguments, &name)?,
    };
    Ok(Verdict::Ran(report.problems))
}

/// What neither the program nor e2fsck finds fault with has no free byte.
fn lean(report: Report) -> Report {
    if report.code == Some(DONE) || report.sound {
        report.must_be_lean()
    } else {
        report
    }
}

/// Tests of this suite.
pub(super) fn checks() -> Vec<Trial> {
    let own = vec![
        check(
            "a fraction takes other images for each variant",
            a_fraction_takes_other_images_for_each_variant,
        ),
        check("parts", parts),
        check(
            "compressed images are expanded",
            compressed_images_are_expanded,
        ),
    ];
    own.into_iter().chain(metadata::checks()).collect()
}

fn a_fraction_takes_other_images_for_each_variant() {
    let images: Vec<_> = (0..12)
        .map(|n| PathBuf::from(format!("{n:02}.img")))
        .collect();
    let chosen = jobs(&images, 6, "--verify");
    assert_eq!(chosen.len(), 2 * VARIANTS.len());
    let different: std::collections::BTreeSet<_> = chosen.iter().map(|job| &job.path).collect();
    assert_eq!(
        different.len(),
        12,
        "no variant leaves out what no other takes"
    );
    assert_eq!(chosen[2].arguments, ["--cluster-size", "512", "--verify"]);
    assert_eq!(chosen[2].name(), "01 512");
    assert_eq!(jobs(&images, 1, "").len(), 12 * VARIANTS.len());
}

fn parts() {
    assert_eq!(parse_part("6").unwrap(), 6);
    for wrong in ["0", "1/6", "-6", ""] {
        assert!(parse_part(wrong).is_err(), "{wrong}");
    }
}

fn compressed_images_are_expanded() {
    let folder = tempfile::tempdir().unwrap();
    let (packed, plain) = (folder.path().join("a.img.gz"), folder.path().join("b"));
    let file = File::create(&packed).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    io::Write::write_all(&mut encoder, &[7; 5000]).unwrap();
    encoder.finish().unwrap();
    decompress(&packed, &plain).unwrap();
    assert_eq!(fs::read(&plain).unwrap(), [7; 5000]);
    assert_eq!(images(folder.path()).unwrap(), [packed]);
}
