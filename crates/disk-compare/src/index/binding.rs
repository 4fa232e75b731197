//! Which image an index is of.

use std::io;

use blake3::Hasher;
use blockio::ReadAt;

use crate::units::usize_of;

/// Bytes of each file that count, from its start.
const FRONT_BYTES: u64 = 4096;

/// What says that an image is as it was: of each of its `files`, first the image itself,
/// then what it depends on, the length, the time of its last change (seconds since 1970,
/// and nanoseconds), and what stands at its start, which is the header.
///
/// A file that was written to, or copied without its time, is another one.
///
/// # Errors
///
/// Whatever the storage below reports.
pub fn binding<'f>(
    files: impl IntoIterator<Item = (&'f dyn ReadAt, (i64, i64))>,
) -> io::Result<[u8; 32]> {
    let mut hash = Hasher::new();
    for (file, (seconds, nanoseconds)) in files {
        let size = file.size();
        let mut front = vec![0; usize_of(size.min(FRONT_BYTES))];
        file.read_at(0, &mut front)?;
        hash.update(&size.to_be_bytes());
        hash.update(&seconds.to_be_bytes());
        hash.update(&nanoseconds.to_be_bytes());
        hash.update(&front);
    }
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_tells_files_apart_counts() {
        let of = |files: &[(&Vec<u8>, (i64, i64))]| {
            binding(files.iter().map(|(file, time)| {
                let file: &dyn ReadAt = *file;
                (file, *time)
            }))
            .unwrap()
        };
        let (short, long, other) = (vec![1; 10], vec![1; 5000], vec![2; 10]);
        let all = [
            of(&[]),
            of(&[(&short, (1, 2))]),
            of(&[(&short, (1, 3))]),
            of(&[(&short, (2, 2))]),
            of(&[(&other, (1, 2))]),
            of(&[(&long, (1, 2))]),
            of(&[(&short, (1, 2)), (&long, (1, 2))]),
            of(&[(&long, (1, 2)), (&short, (1, 2))]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        assert_eq!(all[1], of(&[(&short, (1, 2))]));
    }
}
