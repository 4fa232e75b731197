//! Images of others restored by us, ours restored by others.

use std::fs;
use std::io;
use std::path::Path;

use fixtures::{Tool, compare, first_difference, qcow2};

use super::case::Case;
use super::source::{Fill, Make, usage};
use crate::support::round_trip::{Bench, Files};
use crate::support::verdict::Verdict;

const MIB: u64 = 1 << 20;

/// What `qemu-img convert -o` makes, by name.
const QEMU: [(&str, &str); 5] = [
    ("qemu v2", "compat=0.10"),
    ("qemu v3", "compat=1.1"),
    ("qemu clusters of 512", "cluster_size=512"),
    ("qemu clusters of 2M", "cluster_size=2M"),
    ("qemu refcounts of 1 bit", "refcount_bits=1"),
];

/// The same of `qemu-img convert -c -W`, which scatters its clusters.
const QEMU_COMPRESSED: [(&str, &str); 4] = [
    ("qemu zlib", "compression_type=zlib"),
    ("qemu zstd", "compression_type=zstd"),
    (
        "qemu zlib, clusters of 512",
        "compression_type=zlib,cluster_size=512",
    ),
    (
        "qemu zstd, clusters of 2M",
        "compression_type=zstd,cluster_size=2M",
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = QEMU
        .into_iter()
        .map(|(name, options)| {
            Case::new(name, true, move |bench, folder| {
                let files = filled(bench, folder, Fill::Half)?;
                bench.qemu.pack(&files.source, &files.image, options)?;
                unpacks_alike(bench, &files)
            })
        })
        .collect();
    for (name, options) in QEMU_COMPRESSED {
        cases.push(Case::new(name, true, move |bench, folder| {
            let files = filled(bench, folder, Fill::Half)?;
            bench.qemu.tool().ok(|command| {
                command
                    .args(["convert", "-f", "raw", "-O", "qcow2", "-c", "-W", "-o"])
                    .arg(options)
                    .args([&files.source, &files.image])
            })?;
            unpacks_alike(bench, &files)
        }));
    }
    for (name, flag, fill) in [
        ("e2image of metadata", "-Q", Fill::Half),
        ("e2image of everything", "-Qa", Fill::Half),
        ("e2image of a full disk", "-Qa", Fill::Full),
    ] {
        cases.push(Case::new(name, true, move |bench, folder| {
            let Some(e2image) = Tool::find("e2image") else {
                return Ok(Verdict::Skipped("e2image is not installed".into()));
            };
            let files = filled(bench, folder, fill)?;
            e2image.ok(|command| command.arg(flag).args([&files.source, &files.image]))?;
            unpacks_alike(bench, &files)
        }));
    }
    cases.push(Case::new("restored by e2image", true, restored_by_e2image));
    cases.push(Case::new("assembled images", true, assembled));
    cases
}

/// An ext2 of 1 KiB blocks, which makes e2image's clusters small.
fn filled(bench: &Bench, folder: &Path, fill: Fill) -> io::Result<Files> {
    let files = Files::new(folder);
    let options = ["-t", "ext2", "-b", "1024"];
    Make::new(48 * MIB, &options, fill).make(bench, &files.source)?;
    Ok(files)
}

/// Unpacked by us, an image is what qemu-img makes of it.
fn unpacks_alike(bench: &Bench, files: &Files) -> io::Result<Verdict> {
    let converted = files.source.with_extension("converted");
    bench.qemu.unpack(&files.image, &converted)?;
    let unpacked = bench.program.unpack(&[], &files.image, &files.restored)?;
    if !unpacked.success() {
        return Ok(Verdict::check(false, unpacked.brief(200)));
    }
    let other = first_difference(&files.restored, &converted)?;
    let same = Verdict::check(other.is_none(), format!("first difference at {other:x?}"));
    let lengths = [
        files.restored.metadata()?.len(),
        converted.metadata()?.len(),
    ];
    let alike = lengths[0] == lengths[1];
    Ok(same.and(Verdict::check(alike, format!("lengths {lengths:?}"))))
}

/// e2image restores a v2 image of ours, of a disk that ends in a zero and is
/// far from full: of others it loses bytes.
fn restored_by_e2image(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let Some(e2image) = Tool::find("e2image") else {
        return Ok(Verdict::Skipped("e2image is not installed".into()));
    };
    let files = filled(bench, folder, Fill::Half)?;
    let mut verdict = Verdict::Ran(vec![]);
    for cluster in ["1K", "64K"] {
        files.clear()?;
        let arguments = ["--compat", "0.10", "--cluster-size", cluster];
        let packed = bench
            .program
            .pack(&arguments, &files.source, &files.image)?;
        verdict = verdict.and(Verdict::check(packed.success(), packed.brief(200)));
        e2image.ok(|command| command.arg("-r").args([&files.image, &files.restored]))?;
        let usage = usage(bench, &files.source)?;
        let difference = compare(&files.source, &files.restored, Some(&usage))?;
        let text = format!("clusters of {cluster}: {difference:?}");
        let same = difference == fixtures::Difference::default();
        verdict = verdict.and(Verdict::check(same, text));
    }
    Ok(verdict)
}

/// Images put together byte by byte.
fn assembled(bench: &Bench, folder: &Path) -> io::Result<Verdict> {
    let files = Files::new(folder);
    let mut verdict = Verdict::Ran(vec![]);
    for (version, bits) in [
        (qcow2::Version::V2, 9),
        (qcow2::Version::V3, 9),
        (qcow2::Version::V2, 16),
        (qcow2::Version::V3, 21),
    ] {
        files.clear()?;
        let image = qcow2::minimal(version, bits);
        fs::write(&files.image, &image.bytes)?;
        let unpacked = bench.program.unpack(&[], &files.image, &files.restored)?;
        let same = fs::read(&files.restored).is_ok_and(|bytes| bytes == image.disk);
        let text = format!("{version:?} {bits}: {}", unpacked.brief(160));
        verdict = verdict.and(Verdict::check(unpacked.success() && same, text));
    }
    Ok(verdict)
}
