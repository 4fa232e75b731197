//! Opens what a command reads: a file, a device, or standard input.

mod compressed;

use std::fs::File;
use std::io::{self, Cursor, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use blockio::{ReadAt, WriteAt, len_u64, nonzero_runs};
use hostdisk::{Disk, Identity, Spool, free_bytes};

use crate::args::{InputArgs, SourceFormatArg, is_stream};
use crate::failure::{Failure, STDIN};
use crate::output;
use crate::text::Bytes;

use compressed::{Compression, HEAD_BYTES, read_start};

/// Bytes to read at once.
const PART_BYTES: usize = 512 << 10;

/// Shortest run of zeros that becomes a hole in the temporary file.
const HOLE_BYTES: usize = 4096;

/// What a command reads.
pub(crate) enum Input {
    /// A file or block device, named by a path or given as standard input.
    Disk(Disk),
    /// A stream that can be read once, in order.
    Pipe(Pipe),
}

/// A stream that can be read once, in order.
pub(crate) struct Pipe {
    pub(crate) name: PathBuf,
    pub(crate) reader: Box<dyn Read + Send>,
    /// The file that is read, if it is one. It must not become a target.
    pub(crate) file: Option<Identity>,
}

/// What to do with input that is compressed as a whole, without `--decompress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// Decompress standard input; refuse a file.
    Decompress,
    /// Refuse standard input: its bytes may be meant as they are.
    Refuse,
    /// Keep it as it is.
    Keep,
}

impl Unasked {
    /// Returns what to do with a disk that `--source-format` declares so.
    pub(crate) fn of_source(format: SourceFormatArg) -> Self {
        match format {
            SourceFormatArg::Auto => Self::Refuse,
            SourceFormatArg::Raw => Self::Keep,
            SourceFormatArg::Qcow2 => Self::Decompress,
        }
    }
}

impl Input {
    /// Opens the file or device at `path`, or standard input.
    pub(crate) fn open(path: &Path, args: &InputArgs, unasked: Unasked) -> Result<Self, Failure> {
        let is_stdin = is_stream(path);
        if is_stdin && io::stdin().is_terminal() {
            return Err(Failure::Usage("the standard input is a terminal".into()));
        }
        let (name, input) = if is_stdin {
            (Path::new(STDIN), Disk::of_stdin(STDIN)?)
        } else {
            (path, Some(Disk::open(path)?))
        };
        let failed = |error: io::Error| Failure::about(name, &error);
        let (head, input) = match input {
            Some(disk) => (head_of(&disk), Self::Disk(disk)),
            None => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                let mut stdin = File::from(stdin.map_err(failed)?);
                let mut head = vec![0; HEAD_BYTES];
                let length = read_start(&mut stdin, &mut head).map_err(failed)?;
                head.truncate(length);
                let reader = Cursor::new(head.clone()).chain(stdin);
                (head, Self::pipe(name, Box::new(reader)))
            }
        };
        let found = Compression::of(&head);
        let refused = match (found, args.decompress) {
            (None, false) => return Ok(input),
            (None, true) => {
                "not compressed with xz, gzip, zstd or bzip2, as --decompress requires".to_owned()
            }
            (Some(found), true) => return input.decompressed(name, found),
            (Some(found), false) => match (unasked, is_stdin) {
                (Unasked::Decompress, true) => return input.decompressed(name, found),
                (Unasked::Decompress, false) => {
                    format!("not a qcow2 image: it looks like {found}; --decompress reads it")
                }
                (Unasked::Keep, _) => return Ok(input),
                (Unasked::Refuse, _) if matches!(input, Self::Disk(_)) => return Ok(input),
                (Unasked::Refuse, _) => {
                    format!("it is compressed with {found}; --decompress reads the disk in it")
                }
            },
        };
        Err(Failure::because(name, refused))
    }

    fn pipe(name: &Path, reader: Box<dyn Read + Send>) -> Self {
        Self::Pipe(Pipe {
            name: name.into(),
            reader,
            file: None,
        })
    }

    /// Decompresses this input.
    fn decompressed(self, name: &Path, compression: Compression) -> Result<Self, Failure> {
        let (file, reader): (_, Box<dyn Read + Send>) = match self {
            Self::Disk(disk) => (Some(disk.identity()), Box::new(blockio::Cursor::new(disk))),
            Self::Pipe(pipe) => (None, pipe.reader),
        };
        let decoder = compression.decoder(reader);
        let decoder = decoder.map_err(|error| Failure::about(name, &error))?;
        Ok(Self::Pipe(Pipe {
            name: name.into(),
            reader: decoder,
            file,
        }))
    }

    /// Turns this into a disk. A pipe is stored in a temporary file first, which is
    /// announced unless `quiet`.
    pub(crate) fn into_disk(self, args: &InputArgs, quiet: bool) -> Result<Whole, Failure> {
        match self {
            Self::Disk(disk) => Ok(Whole {
                file: disk.identity(),
                disk,
                spool: None,
            }),
            Self::Pipe(mut pipe) => {
                let spool = spool(args)?;
                if !quiet {
                    announce(&pipe.name, "all of it", &spool);
                }
                keep(&mut pipe, &spool)?;
                let disk = spool.to_disk(&pipe.name)?;
                Ok(Whole {
                    file: pipe.file.unwrap_or_else(|| disk.identity()),
                    disk,
                    spool: Some(Spooled::of(&spool)),
                })
            }
        }
    }
}

/// A disk, and the temporary file that holds it, if any.
pub(crate) struct Whole {
    pub(crate) disk: Disk,
    /// The file that the disk was read from. It must not become a target.
    pub(crate) file: Identity,
    pub(crate) spool: Option<Spooled>,
}

/// How much was stored in a temporary file, and where.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    pub(crate) bytes: u64,
    pub(crate) folder: PathBuf,
}

impl Spooled {
    pub(crate) fn of(spool: &Spool) -> Self {
        Self {
            bytes: spool.written_bytes(),
            folder: spool.folder().into(),
        }
    }
}

/// Creates an empty temporary file in the folder asked for.
pub(crate) fn spool(args: &InputArgs) -> Result<Spool, Failure> {
    let spool = match &args.spool {
        Some(folder) => Spool::new_in(folder),
        None => Spool::new(),
    };
    spool.map_err(|error| no_room(&error))
}

/// Returns the failure of a temporary file, which names its folder.
pub(crate) fn no_room(error: &io::Error) -> Failure {
    Failure::Failed(error.to_string()).with("--spool DIR uses another folder")
}

/// Announces how much of the input is kept in a temporary file, and where.
pub(crate) fn announce(name: &Path, what: &str, spool: &Spool) {
    let folder = spool.folder();
    let room = match free_bytes(folder) {
        Ok(free) => format!(", which has {} free", Bytes(free)),
        Err(_) => String::new(),
    };
    output::complain(format_args!(
        "{}: {what} is kept temporarily in {}{room}",
        name.display(),
        folder.display()
    ));
}

/// Returns the first bytes of a disk, or none if they cannot be read: code that needs
/// them will report that.
fn head_of(disk: &Disk) -> Vec<u8> {
    let there = usize::try_from(disk.size()).unwrap_or(HEAD_BYTES);
    let mut head = vec![0; HEAD_BYTES.min(there)];
    match disk.read_at(0, &mut head) {
        Ok(()) => head,
        Err(_) => Vec::new(),
    }
}

/// Stores everything from `pipe` in `spool`, with holes for zeros.
fn keep(pipe: &mut Pipe, spool: &Spool) -> Result<(), Failure> {
    let mut part = vec![0; PART_BYTES];
    let mut at: u64 = 0;
    loop {
        let length = read_start(&mut *pipe.reader, &mut part)
            .map_err(|error| Failure::about(&pipe.name, &error))?;
        let Some(there) = part.get(..length).filter(|there| !there.is_empty()) else {
            break;
        };
        for run in nonzero_runs(there, HOLE_BYTES) {
            let place = at.saturating_add(len_u64(run.start));
            spool
                .write_at(place, &there[run])
                .map_err(|error| no_room(&error))?;
        }
        at = at.saturating_add(len_u64(length));
    }
    spool.set_size(at).map_err(|error| no_room(&error))
}
