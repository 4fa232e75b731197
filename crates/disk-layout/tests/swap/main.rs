//! Swap made by mkswap and by hand, hibernated, and damaged.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    reason = "helpers of tests may panic, and count in small numbers"
)]

use std::fs::{self, File};
use std::io;

use blockio::{Extent, ExtentKind, ReadAt, Tiling, tiles};
use disk_layout::swap::{Detected, Distrust, Error, ErrorKind, Swap, Trust, detect};
use fixtures::require;
use proptest::prelude::*;

const PAGES: [usize; 5] = [4096, 8192, 16_384, 32_768, 65_536];

/// Swap of 32 pages and 100 bytes.
fn made(page: usize, signature: &[u8]) -> Vec<u8> {
    let mut disk = vec![0xa5; page * 32 + 100];
    disk[..page].fill(0);
    disk[page - 10..page - 10 + signature.len()].copy_from_slice(signature);
    put(&mut disk, 1024, 1);
    put(&mut disk, 1028, 29);
    disk[1036..1052].fill(7);
    disk[1052..1057].copy_from_slice(b"name\0");
    disk
}

fn put(disk: &mut [u8], at: usize, value: u32) {
    disk[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[track_caller]
fn swap(disk: &[u8]) -> Swap {
    let Detected::Swap(swap) = detect(&disk).unwrap() else {
        panic!("no swap")
    };
    let extents = extents(&swap, disk.len());
    let free = extents
        .iter()
        .filter(|extent| extent.kind == ExtentKind::Free);
    let free: u64 = free.map(|extent| extent.length).sum();
    assert_eq!(swap.info().free_bytes, free);
    assert_eq!(swap.info().used_bytes, disk.len() as u64 - free);
    swap
}

fn extents(swap: &Swap, size: usize) -> Vec<Extent> {
    let extents: Result<Vec<_>, _> = swap.extents(0..size as u64).collect();
    let extents = extents.unwrap();
    assert!(tiles(extents.iter().copied(), size as u64));
    extents
}

/// The free bytes, in pages.
fn free(swap: &Swap, page: usize, size: usize) -> Vec<(u64, u64)> {
    let extents = extents(swap, size);
    let free = extents
        .iter()
        .filter(|extent| extent.kind == ExtentKind::Free);
    let page = page as u64;
    free.map(|run| (run.start / page, run.end() / page))
        .collect()
}

#[track_caller]
fn kept(disk: &[u8], distrust: Distrust, kind: ErrorKind) {
    let swap = swap(disk);
    assert_eq!(swap.trust(), &Trust::Nothing(distrust));
    assert_eq!(swap.info().free_bytes, 0);
    assert_eq!(distrust.kind(), kind);
    assert!(!distrust.to_string().is_empty());
}

#[test]
fn all_but_the_header_and_bad_pages_is_free() {
    for page in PAGES {
        let mut disk = made(page, b"SWAPSPACE2");
        let found = swap(&disk);
        assert_eq!(found.trust(), &Trust::Header);
        // What lies past the last page is kept.
        assert_eq!(free(&found, page, disk.len()), [(1, 30)]);
        assert_eq!(found.info().version, Some(1));
        assert_eq!(found.info().page_bytes as usize, page);
        assert_eq!(
            (&found.info().label[..], found.info().uuid),
            (&b"name"[..], [7; 16])
        );
        put(&mut disk, 1032, 4);
        for (index, bad) in [29, 7, 1, 7].into_iter().enumerate() {
            put(&mut disk, 1536 + 4 * index, bad);
        }
        assert_eq!(free(&swap(&disk), page, disk.len()), [(2, 7), (8, 29)]);
        // The other byte order.
        for at in [1024, 1028, 1032, 1536, 1540, 1544, 1548] {
            disk[at..at + 4].reverse();
        }
        assert_eq!(free(&swap(&disk), page, disk.len()), [(2, 7), (8, 29)]);
    }
}

#[test]
fn version_0_has_a_map_of_its_pages() {
    for page in PAGES {
        let mut disk = made(page, b"SWAP-SPACE");
        disk[..page - 10].fill(0);
        disk[..3].copy_from_slice(&[0b1111_1110, 0b1110_1111, 0b1]);
        let found = swap(&disk);
        assert_eq!(free(&found, page, disk.len()), [(1, 12), (13, 17)]);
        assert_eq!(
            (found.info().version, found.info().uuid),
            (Some(0), [0; 16])
        );
        disk[4] = 1;
        kept(&disk, Distrust::Map, ErrorKind::Corrupt);
        disk[4] = 0;
        disk[0] = 0xff;
        kept(&disk, Distrust::Map, ErrorKind::Corrupt);
        disk[..3].fill(0);
        kept(&disk, Distrust::Map, ErrorKind::Corrupt);
    }
}

#[test]
fn a_hibernated_machine_needs_every_byte() {
    let signatures: [(&[u8], &str); 6] = [
        (b"S1SUSPEND\0", "S1SUSPEND"),
        (b"S2SUSPEND\0", "S2SUSPEND"),
        (b"ULSUSPEND\0", "ULSUSPEND"),
        (b"LINHIB0001", "LINHIB"),
        (b"LINHIB0002", "LINHIB"),
        (b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c", "TuxOnIce"),
    ];
    for page in PAGES {
        for (bytes, signature) in signatures {
            let disk = made(page, bytes);
            kept(&disk, Distrust::Hibernated { signature }, ErrorKind::Busy);
            assert_eq!(swap(&disk).info().version, None);
        }
    }
    // Behind a signature that was there before.
    let mut disk = made(65_536, b"S1SUSPEND");
    disk[4086..4096].copy_from_slice(b"SWAPSPACE2");
    let signature = "S1SUSPEND";
    kept(&disk, Distrust::Hibernated { signature }, ErrorKind::Busy);
}

#[test]
fn an_odd_header_keeps_everything() {
    use ErrorKind::{Corrupt, Unsupported};
    let base = made(4096, b"SWAPSPACE2");
    let with = |at, value| {
        let mut disk = base.clone();
        put(&mut disk, at, value);
        disk
    };
    for found in [0, 2, u32::MAX] {
        kept(&with(1024, found), Distrust::Version { found }, Unsupported);
    }
    for last in [0, 32, u32::MAX] {
        kept(
            &with(1028, last),
            Distrust::LastPage { last, pages: 32 },
            Corrupt,
        );
    }
    let limit = (4096 - 1536 - 10) / 4;
    for found in [limit + 1, u32::MAX] {
        kept(
            &with(1032, found),
            Distrust::BadPages { found, limit },
            Corrupt,
        );
    }
    for page in [0, 30, u32::MAX] {
        let mut disk = with(1032, 1);
        put(&mut disk, 1536, page);
        kept(&disk, Distrust::BadPage { page, last: 29 }, Corrupt);
    }
    let mut disk = made(8192, b"SWAPSPACE2");
    disk[4086..4096].copy_from_slice(b"SWAP-SPACE");
    kept(
        &disk,
        Distrust::Pages {
            first: 4096,
            second: 8192,
        },
        Corrupt,
    );
}

#[test]
fn what_is_not_swap_is_nothing() {
    for disk in [vec![], vec![0; 4095], vec![0; 100_000], vec![0xff; 65_536]] {
        assert_eq!(detect(&disk).unwrap(), Detected::Nothing);
    }
    let cut = &made(8192, b"SWAPSPACE2")[..8191];
    assert_eq!(detect(&cut).unwrap(), Detected::Nothing);
}

#[test]
fn mkswap_makes_what_is_read() {
    let Some(mkswap) = require("mkswap") else {
        return;
    };
    for page in PAGES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("swap");
        File::create(&path).unwrap().set_len(4 << 20).unwrap();
        let size = page.to_string();
        mkswap
            .ok(|command| {
                command
                    .args(["-q", "-f", "-L", "here", "-p", &size])
                    .arg(&path)
            })
            .unwrap();
        let disk = fs::read(&path).unwrap();
        let found = swap(&disk);
        assert_eq!(found.trust(), &Trust::Header);
        assert_eq!(
            free(&found, page, disk.len()),
            [(1, (4 << 20) / page as u64)]
        );
        assert_eq!(
            (&found.info().label[..], found.info().version),
            (&b"here"[..], Some(1))
        );
    }
}

#[test]
fn storage_that_fails_is_an_error() {
    struct Failing;
    impl ReadAt for Failing {
        fn size(&self) -> u64 {
            4096
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            Err(io::Error::other("injected"))
        }
    }
    let error = detect(&Failing).unwrap_err();
    assert!(matches!(error, Error::Read(_)));
    assert_eq!(error.kind(), ErrorKind::Io);
}

proptest! {
    #[test]
    fn any_header_gives_extents_that_tile_the_disk(
        page in prop::sample::select(&PAGES[..]),
        old: bool,
        words in prop::collection::vec((0usize..1020, any::<u32>(), 0u32..40), 0..8),
        cut in 0usize..100_000,
    ) {
        let mut disk = made(page, if old { b"SWAP-SPACE" } else { b"SWAPSPACE2" });
        for (word, large, small) in words {
            put(&mut disk, word * 4, if large % 2 == 0 { large } else { small });
        }
        disk.truncate(disk.len() - cut);
        if let Detected::Swap(found) = detect(&disk).unwrap() {
            let extents = extents(&found, disk.len());
            let is_free = |extent: &Extent| extent.kind == ExtentKind::Free;
            prop_assert!(!extents.iter().any(|run| is_free(run) && (run.start as usize) < found.info().page_bytes as usize));
        }
    }
}
