//! The passphrase of an encrypted image. It is never on the command line, where
//! everybody can see it.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use qcow2_format::Header;
use qcow2_format::header::CryptMethod;
use qcow2_reader::Secret;

use crate::failure::Failure;
use crate::signals;

/// Longest passphrase that is read from a file, in bytes.
const SECRET_BYTES_MAX: u64 = 8 << 10;

/// The passphrase in the file named, or else one that is asked for where the image
/// is encrypted and there is somebody to ask.
pub(crate) fn secret(
    file: Option<&Path>,
    image: &Path,
    header: &Header,
) -> Result<Option<Secret>, Failure> {
    if let Some(file) = file {
        return read(file).map(Some);
    }
    if header.crypt_method == CryptMethod::None || !io::stdin().is_terminal() {
        return Ok(None);
    }
    signals::keep_terminal();
    let prompt = format!("Passphrase of {}: ", image.display());
    let typed = rpassword::prompt_password(prompt).map_err(|error| {
        if error.kind() == io::ErrorKind::Interrupted {
            signals::let_end();
        }
        Failure::because(image, format_args!("the passphrase: {error}"))
    })?;
    Ok(Some(Secret::new(typed.into_bytes())))
}

fn read(file: &Path) -> Result<Secret, Failure> {
    let failed = |error| Failure::about(file, &error);
    let mut bytes = Vec::new();
    File::open(file)
        .map_err(failed)?
        .take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if blockio::len_u64(bytes.len()) > SECRET_BYTES_MAX {
        let message = format!("a passphrase has at most {SECRET_BYTES_MAX} bytes");
        return Err(Failure::because(file, message));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Secret::new(bytes))
}
