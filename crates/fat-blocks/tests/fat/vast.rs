//! Filesystems larger than memory: time and memory stay bounded.

use std::io;
use std::time::{Duration, Instant};

use blockio::ReadAt;
use fat_blocks::{Detected, Distrust, Kind, Options, Trust, detect};

use crate::exfat_image::ExFat;

/// A disk with little on it.
#[derive(Debug)]
struct Vast {
    bytes: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

impl ReadAt for Vast {
    fn size(&self) -> u64 {
        self.bytes
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset + buf.len() as u64;
        if end > self.bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf.fill(0);
        for (at, piece) in &self.pieces {
            for (at, byte) in (*at..).zip(piece) {
                if (offset..end).contains(&at) {
                    buf[(at - offset) as usize] = *byte;
                }
            }
        }
        Ok(())
    }
}

/// A FAT32 of 2 TiB with clusters of 8 KiB; its FATs have 1 GiB each.
fn fat32() -> Vast {
    let mut boot = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| boot[at..at + bytes.len()].copy_from_slice(bytes);
    put(11, &[0, 2, 16, 32, 0, 2]);
    put(21, &[0xf8]);
    put(32, &u32::MAX.to_le_bytes());
    let sectors = 1u32 << 21;
    put(36, &sectors.to_le_bytes());
    put(44, &[2]);
    put(510, &[0x55, 0xaa]);
    let entries = [0x0fff_fff8u32, 0x0fff_ffff, 0x0fff_ffff];
    let entries: Vec<u8> = entries
        .iter()
        .flat_map(|entry| entry.to_le_bytes())
        .collect();
    let copy = u64::from(sectors) * 512;
    Vast {
        bytes: 2 << 40,
        pieces: vec![
            (0, boot),
            (32 * 512, entries.clone()),
            (32 * 512 + copy, entries),
        ],
    }
}

#[test]
fn a_fat32_of_2_tib_is_read_once_and_in_little_memory() {
    let start = Instant::now();
    fixtures::memory::forget_peak().unwrap();
    let before = fixtures::memory::peak_bytes().unwrap();
    let Detected::Fat(filesystem) = detect(fat32(), &Options::default()).unwrap() else {
        panic!()
    };
    let peak = fixtures::memory::peak_bytes().unwrap() - before;
    assert_eq!(filesystem.trust(), Trust::Clusters);
    let info = filesystem.info();
    assert_eq!((info.kind, info.cluster_bytes), (Some(Kind::Fat32), 8192));
    assert_eq!(info.free_bytes, (u64::from(info.clusters) - 1) * 8192);
    assert!(info.free_bytes > (2 << 40) - (3 << 30), "{info:?}");
    // Two bits a cluster and 16 MiB; other tests run beside this one.
    assert!(peak < 200 << 20, "{peak}");
    assert!(
        start.elapsed() < Duration::from_secs(120),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn more_clusters_than_are_followed_are_kept() {
    let mut exfat = ExFat::filled();
    exfat.put(72, &(1u64 << 40).to_le_bytes()).u32(84, 1 << 23);
    exfat.u32(88, 1 << 24).u32(92, (1 << 28) + 1).seal();
    let head = exfat.0[..12 * 512].to_vec();
    let disk = Vast {
        bytes: 1 << 60,
        pieces: vec![(0, head)],
    };
    let Detected::Fat(filesystem) = detect(disk, &Options::default()).unwrap() else {
        panic!()
    };
    let found = (1 << 28) + 1;
    assert_eq!(
        filesystem.trust(),
        Trust::Nothing(Distrust::TooManyClusters { found })
    );
}
