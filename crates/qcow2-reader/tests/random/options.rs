//! How an image is made, drawn by chance.

use fixtures::SplitMix;

use crate::recipe::{index, one_of};

/// What `qemu-img create` is told of an image.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The value of its `-o`, but for the names of files and keys.
    pub(crate) text: String,
    pub(crate) encryption: Encryption,
    pub(crate) data_file: DataFile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    None,
    /// The method of old.
    Aes,
    /// A copy of one of [`LUKS`].
    Luks(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataFile {
    None,
    External,
    /// It is the disk.
    Raw,
}

/// Images with LUKS headers. To make one takes seconds, so they are made once and
/// copied.
pub(crate) const LUKS: [&str; 2] = [
    "cluster_size=4k,refcount_bits=64",
    "cluster_size=64k,extended_l2=on,lazy_refcounts=on,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,encrypt.hash-alg=sha512",
];

/// Options of one of two images over each other: clusters of every class of sizes, with
/// and without subclusters, are as likely.
pub(crate) fn draw_one_of_two(random: &mut SplitMix) -> Options {
    let (least, most) = [(9, 12), (13, 16), (17, 19), (20, 21)][index(random, 4)];
    let bits = least + random.below(most - least + 1);
    let mut text = format!("cluster_size={}", 1 << bits);
    // Subclusters have 512 bytes at least.
    if bits >= 14 && random.below(2) == 0 {
        text += ",extended_l2=on";
    }
    if random.below(2) == 0 {
        text += ",compression_type=zstd";
    }
    Options {
        text,
        encryption: Encryption::None,
        data_file: DataFile::None,
    }
}

/// Options of an image with a backing file, or of a base.
pub(crate) fn draw(random: &mut SplitMix, is_base: bool) -> Options {
    let encryption = match random.below(16) {
        0 => Encryption::Luks(index(random, LUKS.len())),
        1 => Encryption::Aes,
        _ => Encryption::None,
    };
    // Small clusters are the more likely ones: they have more to go wrong.
    let bits = 9 + random.below(13).min(random.below(13));
    if random.below(7) == 0 {
        return Options {
            text: format!("compat=0.10,cluster_size={}", 1 << bits),
            encryption,
            data_file: DataFile::None,
        };
    }
    let mut text = format!("cluster_size={}", 1 << bits);
    let has_subclusters = bits >= 14 && random.below(2) == 0;
    if has_subclusters {
        text += ",extended_l2=on";
    }
    if random.below(3) == 0 {
        text += ",compression_type=zstd";
    }
    if random.below(2) == 0 {
        text += &format!(",refcount_bits={}", 1 << random.below(7));
    }
    if random.below(4) == 0 {
        text += ",lazy_refcounts=on";
    }
    if (is_base || has_subclusters) && random.below(5) == 0 {
        text += one_of(
            random,
            &[
                ",preallocation=metadata",
                ",preallocation=falloc",
                ",preallocation=full",
            ],
        );
    }
    let data_file = match random.below(14) {
        0 if is_base => DataFile::Raw,
        0 | 1 => DataFile::External,
        _ => DataFile::None,
    };
    Options {
        text,
        encryption,
        data_file,
    }
}
