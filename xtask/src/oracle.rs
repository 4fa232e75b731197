//! A folder of images, many of them damaged, each through the program: of ext
//! filesystems, or qcow2 images with a manifest.

mod metadata;
mod qcow2;

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::program::Program;
use crate::roundtrip::{Bench, DONE, DONE_UNCLEAN, Files, Report};
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};

/// Images worked on at a time.
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two");

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

/// `cargo xtask oracle`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let corpus = arguments.option("--corpus")?;
    let program = arguments.option("--bin")?;
    let fraction = arguments.option("--fraction")?;
    let more = arguments.option("--pack-args")?.unwrap_or_default();
    let only = arguments.option("--variant")?;
    let required = arguments.flag("--require");
    arguments.finish()?;
    let fraction = fraction.map_or(Ok(1), |text| parse_fraction(&text))?;
    let corpus = PathBuf::from(corpus.ok_or(Failure::new("--corpus DIR is needed"))?);
    if !corpus.is_dir() {
        let text = format!("there is no folder {}", corpus.display());
        if required && fixtures::strict() {
            return Err(Failure::new(text));
        }
        println!("SKIPPED: {text}");
        return Ok(());
    }
    if corpus.join("manifest.tsv").is_file() {
        return qcow2::run(&corpus, &Program::at_or_built(program)?);
    }
    let Some(bench) = Bench::require(program)? else {
        return Ok(());
    };
    let mut jobs = jobs(&images(&corpus)?, fraction, &more);
    jobs.retain(|job| only.as_ref().is_none_or(|only| job.variant == only));
    let (mut passed, mut failed) = (0, 0);
    pipeline::ordered_map(
        THREADS,
        jobs.into_iter().map(Ok),
        |job| Ok((job.name(), check(&bench, &job))),
        |(name, report)| {
            let good = print(&name, report);
            *(if good { &mut passed } else { &mut failed }) += 1;
            Ok::<_, Failure>(())
        },
    )?;
    println!("{passed} passed, {failed} failed");
    if failed > 0 || passed == 0 {
        return Err(Failure::new("not every image came back as it was"));
    }
    Ok(())
}

/// The `6` of `1/6`.
fn parse_fraction(text: &str) -> Result<usize, String> {
    let part = text.strip_prefix("1/").and_then(|part| part.parse().ok());
    part.filter(|part| *part > 0)
        .ok_or(format!("{text} is no fraction such as 1/6"))
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

fn check(bench: &Bench, job: &Job) -> io::Result<Report> {
    let folder = tempfile::tempdir()?;
    let files = Files::new(folder.path());
    decompress(&job.path, &files.source)?;
    let name = image_name(&job.path);
    match job.proof {
        Proof::RoundTrip => {}
        Proof::Metadata => return metadata::plain(bench, &files, &job.arguments, &name),
        Proof::Scrambled => return metadata::scrambled(bench, &files, &job.arguments, &name),
    }
    let report = bench.round_trip(&files, &job.arguments)?;
    // What neither the program nor e2fsck finds fault with has no free byte.
    let lean = report.code == Some(DONE) || report.sound;
    Ok(if lean { report.must_be_lean() } else { report })
}

/// Copies an image, expanded where its name ends in `.gz`.
fn decompress(image: &Path, to: &Path) -> io::Result<()> {
    let mut to = File::create(to)?;
    let mut from = File::open(image)?;
    if image.extension().is_some_and(|extension| extension == "gz") {
        io::copy(&mut MultiGzDecoder::new(from), &mut to)?;
    } else {
        io::copy(&mut from, &mut to)?;
    }
    Ok(())
}

/// Prints the line of an image: whether all is well.
fn print(name: &str, report: io::Result<Report>) -> bool {
    let (code, problems) = match report {
        Ok(report) => (report.code, report.problems),
        Err(error) => (None, vec![error.to_string()]),
    };
    let unclean = match code {
        Some(DONE_UNCLEAN) => " (unclean)",
        Some(metadata::REFUSED) => " (refused)",
        _ => "",
    };
    if problems.is_empty() {
        println!("ok   {name}{unclean}");
    } else {
        println!("FAIL {name}{unclean}: {}", problems.join("; "));
    }
    problems.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Write;

    #[test]
    fn a_fraction_takes_other_images_for_each_variant() {
        let images: Vec<_> = (0..12)
            .map(|n| PathBuf::from(format!("{n:02}.img")))
            .collect();
        let chosen = jobs(&images, 6, "--verify");
        assert_eq!(chosen.len(), 2 * VARIANTS.len());
        let different: BTreeSet<_> = chosen.iter().map(|job| &job.path).collect();
        assert_eq!(
            different.len(),
            12,
            "no variant leaves out what no other takes"
        );
        assert_eq!(chosen[2].arguments, ["--cluster-size", "512", "--verify"]);
        assert_eq!(chosen[2].name(), "01 512");
        assert_eq!(jobs(&images, 1, "").len(), 12 * VARIANTS.len());
    }

    #[test]
    fn fractions() {
        assert_eq!(parse_fraction("1/6"), Ok(6));
        for wrong in ["1/0", "2/6", "6", ""] {
            assert!(parse_fraction(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn compressed_images_are_expanded() {
        let folder = tempfile::tempdir().unwrap();
        let (packed, plain) = (folder.path().join("a.img.gz"), folder.path().join("b"));
        let file = File::create(&packed).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&[7; 5000]).unwrap();
        encoder.finish().unwrap();
        decompress(&packed, &plain).unwrap();
        assert_eq!(fs::read(&plain).unwrap(), [7; 5000]);
        assert_eq!(images(folder.path()).unwrap(), [packed]);
    }
}
