//! The ways to pack that readers are tried with.

use std::fs;
use std::io;
use std::path::Path;

use blockio::{Extent, ExtentKind};
use fixtures::Program;
use hostdisk::{Disk, Target, TargetOptions};
use qcow2_format::ClusterBits;
use qcow2_writer::{Allocation, Compression, DeflateWindow, PackOptions};

/// Options of `qcow2 pack`, one image each.
const OPTIONS: [&str; 21] = [
    "",
    "--cluster-size 512",
    "--cluster-size 4K",
    "--cluster-size 2M",
    "--refcount-bits 1",
    "--refcount-bits 64",
    "--compat 0.10",
    "--compat 0.10 --cluster-size 512",
    "--compat 0.10 -c zlib",
    "--compat 0.10 -c zlib --deflate-window 4k",
    "-c zlib",
    "-c zlib:12",
    "-c zlib --cluster-size 512",
    "-c zlib --cluster-size 4K",
    "-c zlib --cluster-size 2M",
    "-c zlib --deflate-window 4k",
    "-c zlib --deflate-window 4k --cluster-size 2M",
    "-c zstd",
    "-c zstd:19",
    "-c zstd --cluster-size 512",
    "-c zstd --cluster-size 2M",
];

/// A way to pack.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) name: &'static str,
    make: Make,
}

#[derive(Clone, Copy, Debug)]
enum Make {
    /// By the program, with the options that are the name.
    Program,
    /// As the program packs metadata, which this disk has none of: by the library.
    Exact {
        cluster_bits: u32,
        extended_l2: bool,
        compression: Option<Compression>,
    },
}

/// All images.
pub(super) fn all() -> Vec<Image> {
    let program = OPTIONS.map(|name| Image {
        name,
        make: Make::Program,
    });
    let exact = |name, cluster_bits, extended_l2, compression| Image {
        name,
        make: Make::Exact {
            cluster_bits,
            extended_l2,
            compression,
        },
    };
    let zlib = Some(Compression::Zlib {
        level: Compression::ZLIB_LEVEL_DEFAULT,
        window: DeflateWindow::Kib32,
    });
    let zstd = Some(Compression::Zstd {
        level: Compression::ZSTD_LEVEL_DEFAULT,
    });
    program
        .into_iter()
        .chain([
            exact("--content metadata", 12, false, None),
            exact("--content metadata -c zlib", 12, false, zlib),
            exact("--content metadata, from 8 TiB on", 17, true, None),
            exact("--content metadata -c zlib, from 8 TiB on", 17, true, zlib),
            exact("--content metadata -c zstd, from 8 TiB on", 17, true, zstd),
        ])
        .collect()
}

impl Image {
    /// Packs `disk` into the new file `path`.
    pub(super) fn make(&self, program: &Program, disk: &Path, path: &Path) -> io::Result<()> {
        match self.make {
            Make::Program => {
                let words: Vec<_> = self.name.split_whitespace().collect();
                let packed = program.pack(&words, disk, path)?;
                match packed.success() {
                    true => Ok(()),
                    false => Err(io::Error::other(format!(
                        "{}: {}",
                        self.name,
                        packed.brief(200)
                    ))),
                }
            }
            Make::Exact {
                cluster_bits,
                extended_l2,
                compression,
            } => {
                let mut options = PackOptions::default();
                options.cluster_bits = ClusterBits::new(cluster_bits).map_err(io::Error::other)?;
                options.extended_l2 = extended_l2;
                options.allocation = Allocation::Exact;
                options.compression = compression;

                pack_blocks(disk, path, &options)
            }
        }
    }
}

/// Packs `disk` with `options`. Of every third MiB the blocks of zeros are not in
/// use, elsewhere they are.
fn pack_blocks(disk: &Path, path: &Path, options: &PackOptions<'_>) -> io::Result<()> {
    const BLOCK: usize = 4096;
    const BLOCKS_IN_MIB: usize = 256;
    let bytes = fs::read(disk)?;
    let mut extents: Vec<Extent> = Vec::new();
    let mut at = 0_u64;
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        let in_use = !blockio::is_zero(block) || !(index / BLOCKS_IN_MIB).is_multiple_of(3);
        let kind = if in_use {
            ExtentKind::Data
        } else {
            ExtentKind::Free
        };
        let length = blockio::len_u64(block.len());
        match extents.last_mut() {
            Some(last) if last.kind == kind => last.length += length,
            _ => extents.push(Extent::new(at..at + length, kind)),
        }
        at += length;
    }
    let source = Disk::open(disk).map_err(io::Error::other)?;
    let target = Target::create(path, &TargetOptions::default()).map_err(io::Error::other)?;
    qcow2_writer::pack(&source, &extents, &target, options).map_err(io::Error::other)?;
    target.commit().map_err(io::Error::other)?;
    Ok(())
}
