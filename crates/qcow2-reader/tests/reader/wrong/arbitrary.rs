//! Images that mean harm, or nothing at all.

use crate::builder::{DEFLATE, mixed};
use crate::common::{FILE, L2_FIRST, base, from_pipe, naive, open, put, put64, unpacked};
use blockio::{ExtentKind, ReadAt, len_u64, tiles};
use proptest::prelude::*;
use qcow2_reader::{Image, OpenOptions, read_header};

/// Disks above this are not restored into memory.
const MEMORY_MAX: u64 = 4 << 20;

/// Extents tile the disk or end in an error; then [`Image::unpack`] fails too.
/// Else it agrees with them, with `read_at`, and with the naive reader.
fn examine(bytes: Vec<u8>, offsets: &[(u16, u16)]) -> Result<(), TestCaseError> {
    let Ok(image) = open(bytes) else {
        return Ok(());
    };
    let extents: Result<Vec<_>, _> = image.extents(0..u64::MAX).collect();
    if image.size() > MEMORY_MAX {
        return Ok(());
    }
    if extents.is_err()
        && let Ok(checked) = image.check_references()
    {
        prop_assert_eq!(checked.data_bytes_max, None);
    }
    let disk = unpacked(&image);
    let piped = from_pipe(&image.files()[0]);
    let (Ok(extents), Ok(disk)) = (extents, disk) else {
        prop_assert!(piped.is_err());
        let walked = image.extents(0..u64::MAX).any(|extent| extent.is_err());
        prop_assert!(walked || naive(&image.files()[0]).is_none());
        return Ok(());
    };
    match piped {
        Ok(piped) => prop_assert!(piped == disk),
        // What is used more often than is counted need not be kept.
        Err(_) => prop_assert!(image.check_references().is_err()),
    }
    let known = image
        .check_references()
        .map(|checked| checked.data_bytes_max);
    if let Ok(Some(known)) = known {
        prop_assert!(image.data_bytes(u64::MAX).is_ok_and(|bytes| bytes <= known));
    }
    prop_assert!(tiles(extents.iter().copied(), image.size()));
    prop_assert!(extents.windows(2).all(|pair| pair[0].kind != pair[1].kind));
    prop_assert_eq!(naive(&image.files()[0]), Some(disk.clone()));
    for extent in extents {
        if extent.kind != ExtentKind::Data {
            let start = usize::try_from(extent.start).unwrap();
            let end = usize::try_from(extent.end()).unwrap();
            prop_assert!(disk[start..end].iter().all(|&byte| byte == 0));
        }
    }
    for &(start, length) in offsets {
        let start = usize::from(start) % (disk.len() + 1);
        let length = usize::from(length).min(disk.len() - start);
        let mut part = vec![0xee; length];
        image.read_at(len_u64(start), &mut part).unwrap();
        prop_assert!(part == disk[start..start + length]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bytes_without_meaning_are_refused(bytes: Vec<u8>) {
        prop_assert!(read_header(&bytes).is_err());
        prop_assert!(Image::open(bytes, &OpenOptions::default()).is_err());
    }

    #[test]
    fn any_bytes_behind_the_start_of_a_header_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..4096), version in 2u8..4, bits in 9u8..22,
    ) {
        let mut image = b"QFI\xfb\0\0\0".to_vec();
        image.push(version);
        image.extend([0; 15]);
        image.push(bits);
        image.extend(bytes);
        examine(image, &[(0, 600)])?;
    }

    /// Words of an image replaced by offsets, flags and anything.
    #[test]
    fn patched_images_give_an_error_or_what_they_say(
        patches in prop::collection::vec(
            (prop_oneof![0usize..14, 192usize..194, 256usize..384, 0..FILE / 8], any::<u64>(), 0u32..64, any::<bool>()),
            1..6,
        ),
        cut in prop_oneof![3 => Just(FILE), 1 => 0..FILE],
        offsets: Vec<(u16, u16)>,
    ) {
        let mut image = base();
        for (word, value, shift, aligned) in patches {
            let value = value >> shift;
            put64(&mut image, word * 8, if aligned { value & !0x3ffe } else { value });
        }
        image.truncate(cut);
        examine(image, &offsets)?;
    }

    /// The same of an image with compressed clusters, tables and streams alike.
    #[test]
    fn patched_streams_give_an_error_or_what_they_say(
        patches in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
        offsets: Vec<(u16, u16)>,
    ) {
        let (mut image, _) = mixed(9, DEFLATE, 30);
        for (at, value) in patches {
            let at = 0x400 + at.index(image.len() - 0x400);
            image[at] = value;
        }
        image.truncate(cut.map_or(image.len(), |cut| cut.index(image.len())));
        examine(image, &offsets)?;
    }

    /// L2 tables with any entries that point into the file.
    #[test]
    fn any_mapping_is_followed(
        entries in prop::collection::vec((0u64..14, 0u8..9), 79),
        offsets in prop::collection::vec(any::<(u16, u16)>(), 8),
    ) {
        let mut image = base();
        for (index, (cluster, kind)) in entries.into_iter().enumerate() {
            let entry = match kind {
                0 => 0,
                1 => 1,
                2 => 1 | cluster << 9,
                8 => 1 << 62 | cluster << 9 | 1,
                _ => cluster << 9,
            };
            put(&mut image, L2_FIRST + index * 8, &entry.to_be_bytes());
        }
        examine(image, &offsets)?;
    }
}
