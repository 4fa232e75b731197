//! Files that are read at any place, and decrypted.

use std::io;
use std::ops::Range;

use blockio::{ReadAt, len_u64};
use luks::SECTOR_BYTES;
use qcow2_format::HostOffset;
use qcow2_map::{Cipher, Error as ImageError, Structure, in_memory};

use crate::error::Error;
use crate::source::Source;

/// Files that are read at any place.
#[derive(Debug)]
pub(crate) struct Files<'s, S> {
    pub(crate) files: &'s [S],
    /// How the plain bytes in each of them are encrypted.
    pub(crate) ciphers: &'s [Option<Cipher>],
}

impl<S: ReadAt> Files<'_, S> {
    pub(crate) fn read(
        &self,
        structure: Structure,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let storage = self.files.get(file);
        storage
            .ok_or_else(|| io::ErrorKind::NotFound.into())
            .and_then(|storage| storage.read_at(host, bytes))
            .map_err(|source| {
                Error::Image(ImageError::Read {
                    structure,
                    host: HostOffset(host),
                    source,
                })
            })
    }
}

impl<S: ReadAt> Files<'_, S> {
    /// Fills `bytes` with encrypted ones, which are read as whole sectors.
    fn decrypted(
        &self,
        cipher: &Cipher,
        guest: &Range<u64>,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        let skipped = host % SECTOR_BYTES;
        let end = skipped.saturating_add(len_u64(bytes.len()));
        let (guest, host) = (
            guest.start.saturating_sub(skipped),
            host.saturating_sub(skipped),
        );
        if skipped == 0 && end.is_multiple_of(SECTOR_BYTES) {
            self.read(Structure::Data, file, host, bytes)?;
            cipher.decrypt(guest, host, bytes);
            return Ok(());
        }
        let mut sectors = vec![0; in_memory(end.next_multiple_of(SECTOR_BYTES))];
        self.read(Structure::Data, file, host, &mut sectors)?;
        cipher.decrypt(guest, host, &mut sectors);
        let start = in_memory(skipped);
        bytes.copy_from_slice(&sectors[start..start + bytes.len()]);
        Ok(())
    }
}

impl<S: ReadAt> Source for Files<'_, S> {
    fn plain(
        &mut self,
        guest: &Range<u64>,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<(), Error> {
        match self.ciphers.get(file) {
            Some(Some(cipher)) => self.decrypted(cipher, guest, file, host, bytes),
            Some(None) | None => self.read(Structure::Data, file, host, bytes),
        }
    }

    fn streams(
        &mut self,
        _guest: u64,
        file: usize,
        host: u64,
        bytes: &mut [u8],
    ) -> Result<usize, Error> {
        self.read(Structure::Stream, file, host, bytes)?;
        Ok(bytes.len())
    }

    fn file_bytes(&self, file: usize) -> u64 {
        self.files.get(file).map_or(0, ReadAt::size)
    }
}
