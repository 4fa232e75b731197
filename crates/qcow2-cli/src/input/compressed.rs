//! Recognizes compressed input and decompresses it.

use std::fmt::{self, Display};
use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// Bytes that are needed to recognize a compression.
pub(super) const HEAD_BYTES: usize = 16;

/// Most memory for the dictionary of an xz stream: `xz -9` needs 64 MiB.
const XZ_MEMORY_MAX: u64 = 256 << 20;

/// Largest Zstandard window, as log2 of bytes: `zstd -d` has this limit.
const ZSTD_WINDOW_BITS_MAX: u32 = 27;

/// How a whole file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Xz,
    Gzip,
    Zstd,
    Bzip2,
}

impl Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xz => "xz",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        })
    }
}

impl Compression {
    /// Recognizes the compression of a file that begins with `head`.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // Deflate is the only method, and three flags are reserved.
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Self::Gzip),
            // A frame, or one to be skipped, as parallel writers put in front.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
                let block = rest.starts_with(b"1AY&SY");
                let end = rest.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]);
                (block || end).then_some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// Decompresses all streams in `input`, one after the other.
    pub(super) fn decoder(self, input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
        let decoder: Box<dyn Read + Send> = match self {
            Self::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY_MAX, CONCATENATED)?;
                Box::new(XzDecoder::new_stream(input, stream))
            }
            Self::Gzip => Box::new(Members::<GzDecoder<_>>::new(input)),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::new(input)?;
                decoder.window_log_max(ZSTD_WINDOW_BITS_MAX)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(Members::<BzDecoder<_>>::new(input)),
        };
        Ok(Box::new(Told {
            compression: self,
            decoder,
        }))
    }
}

/// A decoder whose errors name the compression.
struct Told {
    compression: Compression,
    decoder: Box<dyn Read + Send>,
}

impl Read for Told {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buf).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let cause = error.get_ref();
            let lzma = cause.and_then(|cause| cause.downcast_ref::<liblzma::stream::Error>());
            let compression = self.compression;
            let message = match lzma {
                Some(liblzma::stream::Error::MemLimit) => format!(
                    "{compression}: decompressing it takes more than {} MiB of memory",
                    XZ_MEMORY_MAX >> 20
                ),
                _ => format!("{compression}: {error}"),
            };
            io::Error::new(error.kind(), message)
        })
    }
}

/// Compressed bytes, with a look ahead.
struct Source {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// How many bytes of the buffer were consumed.
    done: usize,
}

/// Bytes to read at once.
const BUFFER_BYTES: usize = 64 << 10;

impl Source {
    fn new(input: Box<dyn Read + Send>) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            done: 0,
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.done..).unwrap_or_default()
    }

    /// Returns whether the next bytes are `magic`.
    fn begins_with(&mut self, magic: &[u8]) -> io::Result<bool> {
        if self.rest().len() < magic.len() {
            let mut buffer = self.rest().to_vec();
            let kept = buffer.len();
            buffer.resize(BUFFER_BYTES, 0);
            let more = read_start(&mut *self.input, &mut buffer[kept..])?;
            buffer.truncate(kept.saturating_add(more));
            (self.buffer, self.done) = (buffer, 0);
        }
        Ok(self.rest().starts_with(magic))
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let length = there.len().min(buf.len());
        buf[..length].copy_from_slice(&there[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() {
            self.buffer.resize(BUFFER_BYTES, 0);
            // None of the buffer counts until a read succeeds.
            self.done = BUFFER_BYTES;
            let length = self.input.read(&mut self.buffer)?;
            self.buffer.truncate(length);
            self.done = 0;
        }
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.done = self.done.saturating_add(amount).min(self.buffer.len());
    }
}

/// A decoder of one stream, in a format that allows several in a row.
trait Member: Read {
    /// The first bytes of such a stream.
    const MAGIC: &'static [u8];
    fn start(input: Source) -> Self;
    fn end(self) -> Source;
}

impl Member for GzDecoder<Source> {
    const MAGIC: &'static [u8] = &[0x1f, 0x8b];
    fn start(input: Source) -> Self {
        Self::new(input)
    }
    fn end(self) -> Source {
        self.into_inner()
    }
}

impl Member for BzDecoder<Source> {
    const MAGIC: &'static [u8] = b"BZh";
    fn start(input: Source) -> Self {
        Self::new(input)
    }
    fn end(self) -> Source {
        self.into_inner()
    }
}

/// Decodes streams in a row. Bytes after the last stream are ignored, as by `gzip -d`
/// and `bzip2 -d`, since tapes are padded.
struct Members<M>(Option<M>);

impl<M: Member> Members<M> {
    fn new(input: Box<dyn Read + Send>) -> Self {
        Self(Some(M::start(Source::new(input))))
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.0 {
            let length = member.read(buf)?;
            if length > 0 {
                return Ok(length);
            }
            if let Some(mut input) = self.0.take().map(M::end)
                && input.begins_with(M::MAGIC)?
            {
                self.0 = Some(M::start(input));
            }
        }
        Ok(0)
    }
}

/// Fills `bytes` from `input` and returns how many were read: fewer only at its end.
pub(super) fn read_start(input: &mut dyn Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(length) => done = done.saturating_add(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
