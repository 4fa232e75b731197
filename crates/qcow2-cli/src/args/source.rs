//! How a source is read.

use std::ops::Range;

use clap::Args;

use super::choice::{SourceFormatArg, parse_size};
use super::image::ImageArgs;

#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// Format of the source. With auto, a file named .qcow2, .qcow2c or .qcow must be a
    /// qcow2 image, and the disk in it is read; any other file, a device or a pipe must
    /// not look like one, or like a disk image in another format, a compressed file or
    /// an archive
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,

    /// Take for the disk what begins at byte BYTES of the source, such as 1M
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) offset: Option<u64>,

    /// Take for the disk BYTES of the source, from --offset on [default: up to its end]
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    pub(crate) length: Option<u64>,

    /// Take one partition or logical volume (LVM2) of the source for the disk. A partition is
    /// named by its number, its name or its UUID, a volume as GROUP/VOLUME, and either by the
    /// label or the UUID of its filesystem
    #[arg(long, value_name = "N|LABEL|UUID|GROUP/VOLUME")]
    pub(crate) partition: Option<String>,

    #[command(flatten)]
    pub(crate) image: ImageArgs,
}

impl SourceArgs {
    /// Returns the bytes that are the disk, of a source of `size` bytes, or why there are
    /// none.
    pub(crate) fn range(&self, size: u64) -> Result<Range<u64>, String> {
        if self.offset.is_none() && self.length.is_none() {
            return Ok(0..size);
        }
        let start = self.offset.unwrap_or(0);
        if start >= size {
            return Err(format!(
                "--offset {start} is not within the {size} bytes of the source"
            ));
        }
        let length = self.length.unwrap_or(size.saturating_sub(start));
        let end = start.checked_add(length).filter(|end| *end <= size);
        match end {
            Some(end) if length > 0 => Ok(start..end),
            Some(_) => Err("--length 0 leaves nothing of the source".into()),
            None => Err(format!(
                "--length {length} from byte {start} on passes the end of the source at {size}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        source: SourceArgs,
    }

    #[test]
    fn a_part_lies_within_its_source() {
        let range = |words: &str| {
            let words = std::iter::once("x").chain(words.split_whitespace());
            Line::parse_from(words).source.range(4096)
        };
        assert_eq!(range(""), Ok(0..4096));
        assert_eq!(range("--offset 1K"), Ok(1024..4096));
        assert_eq!(range("--length 3"), Ok(0..3));
        assert_eq!(range("--offset 4095 --length 1"), Ok(4095..4096));
        for (words, why) in [
            (
                "--offset 4K",
                "--offset 4096 is not within the 4096 bytes of the source",
            ),
            ("--length 0", "--length 0 leaves nothing of the source"),
            (
                "--offset 1 --length 4K",
                "--length 4096 from byte 1 on passes the end of the source at 4096",
            ),
            (
                "--offset 1 --length 18446744073709551615",
                "--length 18446744073709551615 from byte 1 on passes the end of the source at 4096",
            ),
        ] {
            assert_eq!(range(words), Err(why.to_owned()), "{words}");
        }
    }
}
