//! A restore that its caller stops.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};

use blockio::{MemoryDisk, OnProgress};
use qcow2_reader::{Error, ErrorKind, Image, ImageStream, OpenOptions, UnpackOptions};

use crate::builder::{Builder, DEFLATE, words};

/// An image with clusters of 2 MiB, in the order of the disk or not.
fn image(places: [usize; 4]) -> Vec<u8> {
    let mut builder = Builder::new(21, 4 << 21, DEFLATE);
    for index in places {
        builder.plain(index, &words(index, 1 << 21));
    }
    builder.finish().0
}

/// Stops with the report of this number.
fn stopped(at: u32, unpack: impl Fn(OnProgress<'_>) -> Result<(), Error>) {
    let reports = AtomicU32::new(0);
    let error = unpack(&|_| match reports.fetch_add(1, Ordering::Relaxed) {
        report if report < at => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    let error = error.expect_err("it was stopped");
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(error.to_string(), "stopped before the disk was complete");
    assert!(matches!(error, Error::Stopped), "{error}");
    assert_eq!(reports.into_inner(), at + 1, "nothing is told after that");
}

fn options(progress: OnProgress<'_>, only_allocated: bool) -> UnpackOptions<'_> {
    let mut options = UnpackOptions::default();
    options.progress = Some(progress);
    options.only_allocated = only_allocated;
    options
}

#[test]
fn a_restore_from_a_file_can_be_stopped() {
    let image = Image::open(image([2, 0, 1, 3]), &OpenOptions::default()).unwrap();
    for (at, only_allocated) in [(0, false), (3, false), (1, true)] {
        stopped(at, |progress| {
            let target = MemoryDisk::new(vec![0; 4 << 21]);
            let unpacked = image.unpack(&target, &options(progress, only_allocated));
            unpacked.map(drop)
        });
    }
}

#[test]
fn a_restore_from_a_pipe_can_be_stopped() {
    for (places, in_order) in [
        ([0, 1, 2, 3], false),
        ([2, 0, 1, 3], false),
        ([2, 0, 1, 3], true),
    ] {
        let image = image(places);
        for at in [0, 2] {
            stopped(at, |progress| {
                let spool = MemoryDisk::default();
                let mut stream = ImageStream::open(&image[..], spool, &OpenOptions::default())?;
                if in_order {
                    stream.write_in_order();
                }
                let unpacked = stream.unpack(&MemoryDisk::default(), &options(progress, false));
                unpacked.map(drop)
            });
        }
    }
}
