//! Compressed clusters, by literal masks and the codecs' own decoders.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

/// Whether the header says that streams are Zstandard. Byte 104 and bit 3 of the
/// incompatible features must agree.
pub(super) fn is_zstd(image: &[u8]) -> bool {
    if super::u32_at(image, 4) == 2 {
        return false;
    }
    assert_eq!(super::u32_at(image, 100), 112);
    let incompatible = super::u64_at(image, 72);
    assert_eq!(incompatible & !24, 0);
    assert_eq!(image[104], u8::from(incompatible & 8 != 0));
    image[104] == 1
}

/// From the first byte of a stream to the end of its last sector, where `entry`
/// is that of a stream. It must begin at an even offset: some readers take others
/// for zeros.
pub(super) fn sectors(entry: u64, cluster: usize) -> Option<Range<usize>> {
    if entry >> 62 != 1 {
        return None;
    }
    let bits = cluster.trailing_zeros();
    let start = entry & ((1 << (70 - bits)) - 1);
    assert_eq!(start % 2, 0, "{entry:#x}");
    let additional = (entry & !(1 << 62)) >> (70 - bits);
    let end = (start & !511) + 512 * (additional + 1);
    Some(start as usize..end as usize)
}

/// What the stream at the start of `sectors` holds, and where exactly it is. The
/// last of `sectors` must be the last that it needs.
pub(super) fn decode(
    image: &[u8],
    sectors: Range<usize>,
    cluster: usize,
    zstd: bool,
) -> (Vec<u8>, Range<usize>) {
    let bytes = &image[sectors.clone()];
    let mut content = vec![0; cluster];
    let length = if zstd {
        let length = zstd::zstd_safe::find_frame_compressed_size(bytes).unwrap();
        let frame = &bytes[..length];
        let written = zstd::bulk::decompress_to_buffer(frame, &mut content[..]).unwrap();
        assert_eq!(written, cluster);
        length
    } else {
        let mut inflater = Decompress::new(false);
        let status = inflater.decompress(bytes, &mut content, FlushDecompress::Finish);
        assert_eq!(status.unwrap(), Status::StreamEnd);
        assert_eq!(inflater.total_out(), cluster as u64);
        inflater.total_in() as usize
    };
    assert!(length < cluster);
    let stream = sectors.start..sectors.start + length;
    assert_eq!(stream.end.next_multiple_of(512), sectors.end);
    (content, stream)
}

/// Asserts that `streams`, in the order of the guest, do not overlap, and that
/// nothing but zeros is around them in clusters that are `used` by them.
pub(super) fn check_surroundings(
    image: &[u8],
    streams: &[Range<usize>],
    cluster: usize,
    used: &[u64],
) {
    assert!(streams.is_sorted_by(|first, second| first.end <= second.start));
    let mut touched = vec![0; used.len()];
    let mut rest = image.to_vec();
    for stream in streams {
        rest[stream.clone()].fill(0);
        for streams in &mut touched[stream.start / cluster..=(stream.end - 1) / cluster] {
            *streams += 1;
        }
    }
    for (index, &streams) in touched.iter().enumerate() {
        if streams > 0 {
            assert_eq!(used[index], streams, "nothing else is in cluster {index}");
            let around = &rest[index * cluster..][..cluster];
            assert!(around.iter().all(|byte| *byte == 0));
        } else {
            assert!(used[index] <= 1);
        }
    }
}
