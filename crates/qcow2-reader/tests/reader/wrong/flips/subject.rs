//! An image and the files that it depends on, read with a byte changed or with
//! less of them.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{MemoryDisk, ReadAt as _};
use qcow2_reader::{
    BackingFormat, Error, ErrorKind, Gate, Image, ImageError, ImageStream, OpenOptions, Reference,
    ReferenceFault, Structure, UnpackOptions,
};

use super::watch::{Watch, watched};
use super::witness::{Decrypt, Witness};

/// Disks above this are not restored into memory.
const MEMORY_MAX: u64 = 4 << 20;

/// All bits of a byte, and each of them.
const MASKS: [u8; 9] = [0xff, 1, 2, 4, 8, 16, 32, 64, 128];

/// How often what is rarely changed is looked at from all sides.
const RARELY: usize = 61;

/// One thread, since there are many cases.
fn unpack_options() -> UnpackOptions<'static> {
    let mut options = UnpackOptions::default();
    options.threads = NonZeroUsize::MIN;
    options
}

/// A file of a subject.
pub(super) struct Part {
    /// What an image names it.
    pub(super) name: &'static [u8],
    /// What a backing file is; an external data file is nothing.
    pub(super) format: Option<BackingFormat>,
    pub(super) bytes: Vec<u8>,
    /// Where guest data is: every byte there is changed in one way.
    pub(super) data: Vec<Range<usize>>,
    /// Where one byte of so many is changed, in one way or two.
    pub(super) rare: Vec<(Range<usize>, usize)>,
}

impl Part {
    fn new(name: &'static [u8], format: Option<BackingFormat>, bytes: Vec<u8>) -> Self {
        Self {
            name,
            format,
            bytes,
            data: Vec::new(),
            rare: Vec::new(),
        }
    }

    /// How many bytes are between those that are changed, where that is told.
    fn stride(&self, at: usize) -> Option<usize> {
        let rare = self.rare.iter().find(|(range, _)| range.contains(&at));
        rare.map(|(_, stride)| *stride)
    }

    /// How byte `at` is changed.
    fn masks(&self, at: usize) -> Vec<u8> {
        match self.stride(at) {
            Some(stride) if !at.is_multiple_of(stride) => Vec::new(),
            // Now and then a bit, another each time.
            Some(stride) if (at / stride).is_multiple_of(8) => {
                vec![0xff, 1 << (at / stride / 8 % 8)]
            }
            Some(_) => vec![0xff],
            None if self.data.iter().any(|range| range.contains(&at)) => vec![0xff],
            None => MASKS.to_vec(),
        }
    }

    /// Whether it is looked at from all sides here: not everywhere where there is
    /// nothing but more of the same.
    fn is_thorough_at(&self, at: usize) -> bool {
        self.stride(at).is_none() || at.is_multiple_of(RARELY)
    }
}

/// Opens the files of a subject, by their names.
struct Others<'s, 'b> {
    parts: &'s [Part],
    files: &'s [&'b [u8]],
}

impl<'b> Others<'_, 'b> {
    fn open(&self, name: Option<&[u8]>) -> Result<(&'b [u8], &Part), ReferenceFault> {
        let mut all = self.files.iter().zip(self.parts).skip(1);
        let found = all.find(|(_, part)| Some(part.name) == name);
        let (file, part) = found.ok_or(ReferenceFault::NotAllowed)?;
        Ok((file, part))
    }
}

impl<'b> Gate<&'b [u8]> for Others<'_, 'b> {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(&'b [u8], BackingFormat), ReferenceFault> {
        let (file, part) = self.open(reference.name)?;
        Ok((file, part.format.ok_or(ReferenceFault::NoFormat)?))
    }

    fn data_file(&mut self, reference: &Reference<'_>) -> Result<&'b [u8], ReferenceFault> {
        let (file, _) = self.open(reference.name)?;
        Ok(file)
    }
}

/// An image, with what it depends on.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// The image first.
    pub(super) parts: Vec<Part>,
    pub(super) options: OpenOptions,
    pub(super) decrypt: Option<Decrypt>,
    /// Whether it can be read from a pipe.
    pub(super) piped: bool,
}

impl Subject {
    pub(super) fn new(name: &'static str, image: Vec<u8>) -> Self {
        Self {
            name,
            parts: vec![Part::new(b"", None, image)],
            options: OpenOptions::default(),
            decrypt: None,
            piped: true,
        }
    }

    /// Adds a file.
    pub(super) fn with(
        mut self,
        name: &'static [u8],
        format: Option<BackingFormat>,
        bytes: Vec<u8>,
    ) -> Self {
        self.parts.push(Part::new(name, format, bytes));
        self.piped = false;
        self
    }

    pub(super) fn image(&mut self) -> &mut Part {
        &mut self.parts[0]
    }

    pub(super) fn files(&self) -> Vec<&[u8]> {
        self.parts.iter().map(|part| &*part.bytes).collect()
    }

    /// Its disk, which is not empty.
    pub(super) fn want(&self) -> Vec<u8> {
        let want = self.disk(&self.files(), true).unwrap().unwrap();
        assert!(want.iter().any(|&byte| byte != 0), "{}", self.name);
        want
    }

    /// What the program makes of `files`; of a large disk, nothing.
    fn disk(&self, files: &[&[u8]], thorough: bool) -> Result<Option<Vec<u8>>, Error> {
        let others = &mut Others {
            parts: &self.parts,
            files,
        };
        let image = Image::open_with(files[0], &self.options, others)?;
        image.check_references()?;
        image
            .extents(0..u64::MAX)
            .try_for_each(|extent| extent.map(drop))?;
        if image.size() > MEMORY_MAX {
            return Ok(None);
        }
        let mut disk = vec![0xee; usize::try_from(image.size()).unwrap()];
        let read = image.read_at(0, &mut disk);
        if thorough {
            let target = MemoryDisk::default();
            let unpacked = image.unpack(&target, &unpack_options());
            assert_eq!(unpacked.is_ok(), read.is_ok());
            assert!(unpacked.is_err() || target.into_bytes() == disk);
        }
        match read {
            Ok(()) => Ok(Some(disk)),
            Err(error) => Err(error.downcast().unwrap()),
        }
    }

    /// What a second reader makes of `files`, and whether their tables agree.
    fn witness(&self, files: &[&[u8]]) -> Option<(Vec<u8>, bool)> {
        let snapshot = self.options.snapshot.as_deref();
        self.witness_layer(files, 0, snapshot)
    }

    fn witness_layer(
        &self,
        files: &[&[u8]],
        index: usize,
        snapshot: Option<&[u8]>,
    ) -> Option<(Vec<u8>, bool)> {
        let image = Witness::of(files[index], snapshot)?;
        let named = |name: &[u8]| self.parts.iter().position(|part| part.name == name);
        let (below, below_is_sound) = match image.backing_name() {
            None => (Vec::new(), true),
            Some(name) => {
                let below = named(name)?;
                match self.parts[below].format? {
                    BackingFormat::Raw => (files[below].to_vec(), true),
                    BackingFormat::Qcow2 => self.witness_layer(files, below, None)?,
                }
            }
        };
        let data = image.has_data_file().then(|| named(b"data"));
        let data = data.flatten().map(|data| files[data]);
        let disk = image.disk(&below, data, self.decrypt)?;
        Some((disk, below_is_sound && image.is_sound()))
    }

    /// What is wrong with what is made of `files`, if that is not the disk
    /// `want`: only tables that are right in themselves and agree with each other
    /// may give another, and then what they say.
    pub(super) fn fault(&self, files: &[&[u8]], want: &[u8], thorough: bool) -> Option<String> {
        let found = self.disk(files, thorough);
        let other = match &found {
            Ok(Some(disk)) if disk != want => self.witness(files),
            _ => None,
        };
        let fault = match (&found, other) {
            (Ok(None) | Err(_), _) => None,
            (Ok(Some(disk)), _) if disk == want => None,
            (_, None) => Some("is read, and cannot be".into()),
            (Ok(Some(disk)), Some((other, _))) if *disk != other => {
                Some("is read as something else".into())
            }
            (_, Some((_, false))) => Some("is read, and disagrees with itself".into()),
            (_, Some((_, true))) => None,
        };
        let piped = || self.pipe_fault(files[0], want, &found);
        let salvaged = || self.salvage_fault(files, &found);
        match fault {
            None if thorough => piped().or_else(salvaged),
            fault => fault,
        }
    }

    /// What is wrong with what a pipe gives. It cannot compare refcounts, and does
    /// not look at tables, or the part of one, that its disk does not need.
    fn pipe_fault(
        &self,
        file: &[u8],
        want: &[u8],
        found: &Result<Option<Vec<u8>>, Error>,
    ) -> Option<String> {
        if !self.piped || matches!(found, Ok(None)) {
            return None;
        }
        let options = OpenOptions::default();
        let stream = ImageStream::open(file, MemoryDisk::default(), &options).ok()?;
        if stream.size() > MEMORY_MAX {
            return None;
        }
        let target = MemoryDisk::default();
        stream.unpack(&target, &unpack_options()).ok()?;
        let disk = target.into_bytes();
        match found {
            Err(error) if !is_beside_the_disk(error) => {
                Some(format!("is read from a pipe, in spite of: {error}"))
            }
            Ok(Some(found)) if *found != disk => Some("is read differently from a pipe".into()),
            Err(_) if disk != want && self.witness(&[file])?.0 != disk => {
                Some("is read from a pipe as something else".into())
            }
            _ => None,
        }
    }

    /// What is damaged can be salvaged, if there is a header.
    fn salvage_fault(
        &self,
        files: &[&[u8]],
        found: &Result<Option<Vec<u8>>, Error>,
    ) -> Option<String> {
        let error = found.as_ref().err()?;
        let mut options = self.options.clone();
        options.salvage = true;
        let others = &mut Others {
            parts: &self.parts,
            files,
        };
        let image = match Image::open_with(files[0], &options, others) {
            Ok(image) => image,
            Err(_) if needs_more(error) => return None,
            Err(other) => return Some(format!("{error}, and with salvage {other}")),
        };
        if image.size() > MEMORY_MAX {
            return None;
        }
        let target = MemoryDisk::default();
        let failed = image.unpack(&target, &unpack_options()).err();
        failed.map(|failed| format!("{error}, and salvaging {failed}"))
    }

    /// Changes every byte, and cuts every file at every length.
    pub(super) fn examine(self) {
        watched(move |watch| {
            let mut wrong = Vec::new();
            let whole = self.files();
            let want = self.want();
            assert!(
                self.witness(&whole) == Some((want.clone(), true)),
                "{}",
                self.name
            );
            for index in 0..self.parts.len() {
                self.cut(index, &want, watch, &mut wrong);
                self.flip(index, &want, watch, &mut wrong);
            }
            assert!(wrong.is_empty(), "{wrong:#?}");
        });
    }

    fn cut(&self, index: usize, want: &[u8], watch: &Watch, wrong: &mut Vec<String>) {
        let mut files = self.files();
        let part = &self.parts[index];
        for length in (0..part.bytes.len()).filter(|length| part.is_thorough_at(*length)) {
            let name = || format!("{}, file {index} cut to {length:#x}", self.name);
            watch.begin(name);
            files[index] = &part.bytes[..length];
            let fault = self.fault(&files, want, true);
            wrong.extend(fault.map(|fault| format!("{} {fault}", name())));
        }
    }

    fn flip(&self, index: usize, want: &[u8], watch: &Watch, wrong: &mut Vec<String>) {
        let part = &self.parts[index];
        let mut bytes = part.bytes.clone();
        for at in 0..bytes.len() {
            for mask in part.masks(at) {
                let name = || format!("{}, file {index}, {at:#x}^{mask:#x}", self.name);
                watch.begin(name);
                bytes[at] ^= mask;
                let mut files = self.files();
                files[index] = &bytes;
                let fault = self.fault(&files, want, mask == 0xff && part.is_thorough_at(at));
                wrong.extend(fault.map(|fault| format!("{} {fault}", name())));
                bytes[at] ^= mask;
            }
        }
    }
}

/// Whether an error is about refcounts, or about what the disk does not need.
fn is_beside_the_disk(error: &Error) -> bool {
    match (error, error.of_image()) {
        (Error::Finding(_), _) | (Error::Check(_), None) => true,
        (_, Some(error)) => match error {
            ImageError::SnapshotTable { .. }
            | ImageError::SnapshotTableTooLarge { .. }
            | ImageError::BitmapDirectory { .. } => true,
            ImageError::TableTruncated { structure, .. } | ImageError::Read { structure, .. } => {
                matches!(
                    structure,
                    Structure::RefcountTable
                        | Structure::RefcountBlock
                        | Structure::SnapshotTable
                        | Structure::BitmapDirectory
                )
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether an error is about the header, a key or a file that is missing: these
/// cannot be done without.
fn needs_more(error: &Error) -> bool {
    match error.of_image() {
        Some(error) => image_needs_more(error),
        None => error.kind() == ErrorKind::Unsupported,
    }
}

fn image_needs_more(error: &ImageError) -> bool {
    match error {
        ImageError::Header(_)
        | ImageError::Reference { .. }
        | ImageError::Luks { .. }
        | ImageError::NoSecret { .. }
        | ImageError::NoSnapshot { .. } => true,
        ImageError::SnapshotTable { .. } | ImageError::SnapshotSize { .. } => true,
        ImageError::TableTruncated { structure, .. } => {
            matches!(structure, Structure::LuksHeader | Structure::SnapshotTable)
        }
        ImageError::Read { source, .. } => source.kind() == std::io::ErrorKind::UnexpectedEof,
        ImageError::InLayer { source, .. } => image_needs_more(source),
        _ => error.kind() == ErrorKind::Unsupported,
    }
}
