//! An image that is opened a second time, to be read from the storage.

use std::slice;

use hostdisk::{Disk, Uncached};
use qcow2_reader::{
    BackingFormat, DiskGate, Error, Gate, Image, OpenOptions, Reference, ReferenceFault,
};

/// A gate that records the formats of the backing files that it opened.
pub(super) struct Recorded {
    gate: DiskGate,
    formats: Vec<BackingFormat>,
}

impl Recorded {
    pub(super) fn new(gate: DiskGate) -> Self {
        Self {
            gate,
            formats: Vec::new(),
        }
    }

    pub(super) fn into_parts(self) -> (DiskGate, Vec<BackingFormat>) {
        (self.gate, self.formats)
    }
}

impl Gate<Disk> for Recorded {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(Disk, BackingFormat), ReferenceFault> {
        let (disk, format) = self.gate.backing_file(reference)?;
        self.formats.push(format);
        Ok((disk, format))
    }

    fn data_file(&mut self, reference: &Reference<'_>) -> Result<Disk, ReferenceFault> {
        self.gate.data_file(reference)
    }
}

/// A gate that hands out the same files once more, in the same order.
struct Opened<'a> {
    files: slice::Iter<'a, Disk>,
    formats: slice::Iter<'a, BackingFormat>,
}

impl<'a> Opened<'a> {
    fn next_file(&mut self) -> Result<Uncached<'a>, ReferenceFault> {
        let file = self.files.next().ok_or(ReferenceFault::NotAllowed)?;
        Ok(file.uncached())
    }
}

impl<'a> Gate<Uncached<'a>> for Opened<'a> {
    fn backing_file(
        &mut self,
        _reference: &Reference<'_>,
    ) -> Result<(Uncached<'a>, BackingFormat), ReferenceFault> {
        let format = self.formats.next().ok_or(ReferenceFault::NotAllowed)?;
        Ok((self.next_file()?, *format))
    }

    fn data_file(&mut self, _reference: &Reference<'_>) -> Result<Uncached<'a>, ReferenceFault> {
        self.next_file()
    }
}

/// Opens the image in `files` again, tables included, to be read from the storage.
/// Its backing files have these `formats`. There is none where there are no files.
pub(super) fn again<'a>(
    files: &'a [Disk],
    formats: &'a [BackingFormat],
    options: &OpenOptions,
) -> Option<Result<Image<Uncached<'a>>, Error>> {
    let mut files = files.iter();
    let top = files.next()?.uncached();
    let mut gate = Opened {
        files,
        formats: formats.iter(),
    };
    Some(Image::open_with(top, options, &mut gate))
}
