//! Options of `pack` that exclude each other.

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use qcow2_format::{RefcountOrder, Version};
use qcow2_writer::{Compression, DeflateWindow};

use super::place;
use crate::args::{
    Codec, CompressArg, ContentArg, DeflateWindowArg, PackArgs, ReflinkArg, is_stream,
};
use crate::failure::Failure;

/// Refuses what makes no sense, and gives the compression asked for.
pub(super) fn check(args: &PackArgs) -> Result<Option<Compression>, Failure> {
    let compression = compression(args.compress, args.deflate_window)?;
    refusal(args, compression.is_some()).map_or(Ok(compression), |why| Err(Failure::Usage(why)))
}

/// Whether options make no sense together, and why.
type Refusal = (bool, &'static str);

/// Why these options make no sense together.
fn refusal(args: &PackArgs, compressed: bool) -> Option<String> {
    let refusals = of_the_format(args, compressed).into_iter();
    let refusals = refusals.chain(of_the_content(args));
    let refusals = refusals.chain(of_the_base(args));
    let mut refusals = refusals.chain(of_the_output(args));
    let (_, why) = refusals.find(|(refused, _)| *refused)?;
    Some(why.to_owned())
}

/// What the format or a codec cannot.
fn of_the_format(args: &PackArgs, compressed: bool) -> [Refusal; 5] {
    let old = Version::from(args.compat) == Version::V2;
    let shares = args.reflink != ReflinkArg::Never;
    [
        (
            old && args.refcount_bits != RefcountOrder::DEFAULT,
            "--refcount-bits needs --compat 1.1: qcow2 v2 has refcounts of 16 bits only",
        ),
        (
            old && args.compress.codec == Codec::Zstd,
            "--compress zstd needs --compat 1.1: qcow2 v2 knows zlib only",
        ),
        (
            args.deflate_window == DeflateWindowArg::Kib4 && args.compress.codec != Codec::Zlib,
            "--deflate-window needs --compress zlib",
        ),
        (
            shares && compressed,
            "--reflink and --compress exclude each other: compressed clusters are not those of the source",
        ),
        (
            shares && args.salvage,
            "--reflink and --salvage exclude each other: what is shared is not read",
        ),
    ]
}

/// What does not go with what is stored.
fn of_the_content(args: &PackArgs) -> [Refusal; 7] {
    let old = Version::from(args.compat) == Version::V2;
    let shares = args.reflink != ReflinkArg::Never;
    let metadata = args.filesystem.content == ContentArg::Metadata;
    [
        (
            metadata && args.cluster_size.is_some(),
            "--cluster-size and --content metadata exclude each other: clusters are as large as blocks",
        ),
        (
            metadata && old,
            "--content metadata needs --compat 1.1: qcow2 v2 does not tell zeros from what is left out",
        ),
        (
            metadata && shares,
            "--reflink and --content metadata exclude each other: what is shared is not tested for zeros",
        ),
        (
            args.scramble_names && !metadata,
            "--scramble-names needs --content metadata: the contents of files hold names, too",
        ),
        (
            args.recovers() && args.salvage,
            "--recover and --salvage exclude each other: a journal is replayed whole or not at all",
        ),
        (
            args.recovers() && shares,
            "--recover and --reflink exclude each other: what was recovered is not in the source",
        ),
        (
            args.filesystem.content == ContentArg::All
                && (args.recover || args.filesystem.superblock().is_some()),
            "--recover and --superblock make no sense with --content all, which looks for no filesystem",
        ),
    ]
}

fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| there.file_type().is_block_device())
}

/// What does not go with a base, or without one, and with digests.
fn of_the_base(args: &PackArgs) -> [Refusal; 10] {
    let base = args.base.base.is_some();
    let index = args.base.write_index.as_ref();
    [
        (
            base && Version::from(args.compat) == Version::V2,
            "--base needs --compat 1.1: qcow2 v2 cannot say that what the base holds is zeros now",
        ),
        (
            base && args.filesystem.content == ContentArg::Metadata,
            "--base and --content metadata exclude each other: what an image of metadata leaves out \
             is not what a base holds",
        ),
        (
            base && args.reflink != ReflinkArg::Never,
            "--base and --reflink exclude each other: what is shared is not compared",
        ),
        (
            index.is_some() && args.salvage,
            "--write-index and --salvage exclude each other: what can be read one time only has no \
             digest",
        ),
        (
            index.is_some() && args.filesystem.content == ContentArg::Metadata,
            "--write-index and --content metadata exclude each other: an image of metadata is no base",
        ),
        (
            index.is_some() && args.to_stdout(),
            "--write-index needs an image in a file, not on the standard output",
        ),
        (
            index.is_some_and(|index| is_stream(index)),
            "--write-index needs a file, not the standard output",
        ),
        (
            index.is_some_and(|index| is_device(index)),
            "--write-index needs a file, not a block device",
        ),
        (
            index.is_some_and(|index| place::is_same(index, &args.image)),
            "--write-index and IMAGE are the same file",
        ),
        (
            index.is_some() && index == args.lost.as_ref(),
            "--write-index and --lost are the same file",
        ),
    ]
}

/// What does not go with where it is stored.
fn of_the_output(args: &PackArgs) -> [Refusal; 7] {
    let shares = args.reflink != ReflinkArg::Never;
    [
        (
            shares && args.to_stdout(),
            "--reflink makes no sense with the standard output",
        ),
        (
            shares && args.grow.is_some(),
            "--reflink and --grow exclude each other",
        ),
        (
            args.lost.as_deref().is_some_and(is_stream),
            "--lost needs a file, not the standard output",
        ),
        (
            args.lost.as_ref() == Some(&args.image),
            "--lost and IMAGE are the same file",
        ),
        (
            args.to_stdout() && args.force,
            "--force makes no sense with the standard output",
        ),
        (
            args.to_stdout() && (args.verify || args.digest),
            "--verify and --digest read the image again, which the standard output cannot",
        ),
        (
            args.to_stdout() && io::stdout().is_terminal(),
            "the standard output is a terminal",
        ),
    ]
}

/// The compression asked for, at a level that its codec has.
pub(crate) fn compression(
    compress: CompressArg,
    window: DeflateWindowArg,
) -> Result<Option<Compression>, Failure> {
    let level = compress.level;
    let (compression, level) = match compress.codec {
        Codec::None => return Ok(None),
        Codec::Zlib => {
            let level = level.unwrap_or(Compression::ZLIB_LEVEL_DEFAULT);
            let window = DeflateWindow::from(window);
            (Compression::Zlib { level, window }, level)
        }
        Codec::Zstd => {
            let level = level.unwrap_or(Compression::ZSTD_LEVEL_DEFAULT);
            (Compression::Zstd { level }, level)
        }
    };
    let levels = compression.levels();
    if levels.contains(&level) {
        return Ok(Some(compression));
    }
    Err(Failure::Usage(format!(
        "--compress {name}:{level}: the levels of {name} are {} to {}{}",
        levels.start(),
        levels.end(),
        match window {
            DeflateWindowArg::Kib4 => " with --deflate-window 4k",
            DeflateWindowArg::Kib32 => "",
        },
        name = compression.name(),
    )))
}
