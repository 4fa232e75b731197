//! Reading what can be read of a damaged image.

use std::io;
use std::ops::Range;

use blockio::ReadAt;
use qcow2_map::Mapping;

use crate::image::Image;
use crate::unpack::load::salvage_plain;

impl<S: ReadAt> Image<S> {
    /// Fills `buf` with what can be read at `offset` of an image opened with
    /// [`OpenOptions::salvage`](crate::OpenOptions::salvage). What is lost becomes zeros, and `lost` is told of each
    /// of its parts, as bytes of the disk.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the range passes the end of the disk.
    pub fn read_salvaged(
        &self,
        offset: u64,
        buf: &mut [u8],
        mut lost: impl FnMut(Range<u64>),
    ) -> io::Result<()> {
        self.read_runs(offset, buf, |files, run, bytes| {
            if self.read_run(files, run, bytes).is_ok() && run.mapping != Mapping::Lost {
                return Ok(());
            }
            match run.mapping {
                Mapping::Data { host } => {
                    let parts = salvage_plain(files, &run.guest, run.file, host.0, bytes);
                    parts.into_iter().for_each(&mut lost);
                }
                _ => {
                    bytes.fill(0);
                    lost(run.guest.clone());
                }
            }
            Ok(())
        })
    }
}
