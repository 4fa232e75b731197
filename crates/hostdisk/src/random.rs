//! Cryptographically secure random bytes.

use std::io;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Returns `N` random bytes from the system, for a key.
///
/// # Errors
///
/// Whatever the system reports if it has none to give.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled = filled.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_not_the_same_twice() {
        let [first, second] = [(); 2].map(|()| random_bytes::<300>().unwrap());
        assert_ne!(first, second);
        // All of them are filled: 44 zeros at the end are no chance.
        assert_ne!(first[256..], [0; 44]);
        assert_eq!(random_bytes::<0>().unwrap(), []);
    }
}
