//! A system that hibernates holds what it will write to its volumes in memory, and that in
//! a file.

use blockio::ReadAt;

use super::index;
use crate::bytes::array;
use crate::error::Structure;
use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, Step, odd, of};
use crate::mft::{Contents, Mft};

const NAME: &str = "hiberfil.sys";
/// Bytes of the header. All of them are zeros if the system does not hibernate, or they
/// begin with that it woke up.
const HEADER_BYTES: usize = 4096;
const WOKEN: [[u8; 4]; 2] = [*b"wake", *b"WAKE"];

/// Checks that no system hibernates.
pub(super) fn check<R: ReadAt + ?Sized>(mft: &Mft<'_, R>) -> Step<()> {
    for file in index::find(mft, NAME)? {
        let mut bytes = mft.buffer();
        let record = mft.read_base(file.number, &mut bytes)?;
        if record.own.sequence != file.sequence {
            return Err(odd(file.number, Fault::NotInUse).into());
        }
        let data = mft.attribute_of(&record, Kind::DATA, "")?;
        let missing = of(file.number, Kind::DATA, Fault::Missing);
        let data = data.ok_or(missing)?;
        let Contents::Elsewhere(stream) = data.contents else {
            return Err(Distrust::HibernationFile { bytes: 0 }.into());
        };
        let readable = stream.sizes.data;
        if data.flags != 0 || readable < blockio::len_u64(HEADER_BYTES) {
            return Err(Distrust::HibernationFile { bytes: readable }.into());
        }
        let mut header = [0; HEADER_BYTES];
        stream.read(mft.disk, Structure::Hibernation, 0, &mut header)?;
        let signature = array(&header, 0);
        if !WOKEN.contains(&signature) && !blockio::is_zero(&header) {
            return Err(Distrust::Hibernated { signature }.into());
        }
    }
    Ok(())
}
