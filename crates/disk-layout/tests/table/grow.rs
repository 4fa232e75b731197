//! The GPT of a disk that became longer, against one made for that length.

use disk_layout::table::{MoveError, moved_backup};

use crate::disk::{Disk, MIB, Part, Shape};

const PARTS: [Part; 2] = [(1, 64, 163), (3, 200, 299)];

/// A disk of `bytes` bytes as a program makes it that knows the length.
fn made(bytes: u64, sector: usize) -> Disk {
    let mut disk = Disk::new(bytes);
    disk.gpt(&Shape::usual(bytes as usize, sector), &PARTS);
    let last = (bytes / sector as u64 - 1) as u32;
    disk.slot(0, 1, 0xee, 1, last).put(446 + 5, &[0xff; 3]);
    disk
}

/// `disk` with `bytes` bytes and its backup moved; what is left of the old one is zeroed.
fn moved(disk: &Disk, bytes: u64, sector: usize) -> Disk {
    let was = disk.0.len();
    let patches = moved_backup(&disk.0, bytes).unwrap();
    let mut moved = disk.clone();
    moved.0.resize(bytes as usize, 0);
    let old = Shape::usual(was, sector).arrays[1] as usize * sector;
    moved.0[old..was].fill(0);
    for (at, new) in patches {
        moved.put(at as usize, &new);
    }
    moved
}

#[test]
fn a_moved_backup_is_that_of_a_disk_made_so_long() {
    for sector in [512, 4096] {
        let disk = made(2 * MIB, sector);
        for bytes in [
            2 * MIB,
            2 * MIB + 4096,
            2 * MIB + 16384,
            3 * MIB,
            9 * MIB + 100,
        ] {
            let grown = moved(&disk, bytes, sector);
            assert!(grown.0 == made(bytes, sector).0, "{sector} {bytes}");
        }
    }
}

#[test]
fn what_is_not_right_is_not_moved() {
    let disk = made(2 * MIB, 512);
    let refused = |disk: &Disk, bytes| moved_backup(&disk.0, bytes).unwrap_err();
    assert!(matches!(
        refused(&Disk::new(MIB), 2 * MIB),
        MoveError::NoGpt
    ));
    for bytes in [0, 512, MIB, 2 * MIB - 512] {
        let why = refused(&disk, bytes);
        assert!(
            matches!(why, MoveError::TooShort { size } if size == bytes),
            "{why}"
        );
    }
    // Any byte of a header or an array that changed.
    for at in [512 + 40, 1024 + 33, 2 * MIB as usize - 512 + 57] {
        let mut broken = disk.clone();
        broken.0[at] ^= 1;
        assert!(
            matches!(refused(&broken, 3 * MIB), MoveError::Damage(_)),
            "{at}"
        );
    }
    let mut hybrid = disk.clone();
    hybrid.slot(0, 2, 0x0c, 64, 100);
    let why = refused(&hybrid, 3 * MIB);
    assert!(
        matches!(why, MoveError::Damage(_) | MoveError::Hybrid),
        "{why}"
    );
    // No length is too long: the protective entry says as much as it can.
    let patches = moved_backup(&disk.0, u64::MAX).unwrap();
    assert_eq!(patches[0].1[446 + 12..446 + 16], [0xff; 4]);
    assert_eq!(patches[3].0, (u64::MAX / 512 - 1) * 512);
}
