use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;

use super::*;

const DEFLATE: CompressionType = CompressionType::Deflate;
const ZSTD: CompressionType = CompressionType::Zstd;

/// Text with matches far and near, and some noise.
fn content(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut bytes = Vec::with_capacity(length + 40);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend(format!("{} ", state >> 20).bytes());
    }
    bytes.truncate(length);
    bytes
}

fn deflate(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A frame with a checksum that does not say how long its content is.
fn unsized_frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn sized_frame(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

/// What a decoder, new or used, makes of `stored`.
#[track_caller]
fn decoded(
    compression: CompressionType,
    stored: &[u8],
    length: usize,
) -> Result<Vec<u8>, StreamFault> {
    let mut decoder = Decoder::new(compression);
    let mut cluster = vec![0xee; length];
    let first = decoder.decode(stored, &mut cluster);
    let mut again = vec![0x77; length];
    assert_eq!(decoder.decode(stored, &mut again), first);
    if let Library::Deflate(inflater) = &mut decoder.0 {
        let mut stepwise = vec![0x55; length];
        let found = inflater.decode_stepwise(stored, &mut stepwise);
        assert_eq!(found.map(drop), first);
        assert!(first.is_err() || stepwise == cluster, "both ways agree");
    }
    let measured = decoder.measure(stored, &mut again);
    assert_eq!(measured.map(drop), first);
    if let Ok(needed) = measured {
        let stream = &stored[..usize::try_from(needed).unwrap()];
        assert_eq!(decoder.decode(stream, &mut again), Ok(()));
    }
    first.map(|()| {
        assert!(again == cluster);
        cluster
    })
}

#[track_caller]
fn gives(compression: CompressionType, stored: &[u8], want: &[u8]) {
    let found = decoded(compression, stored, want.len());
    assert!(found.as_deref() == Ok(want), "{:?}", found.map(drop));
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn streams_of_every_cluster_size_with_anything_behind_them() {
    for bits in 9..=21 {
        let want = content(1 << bits);
        let streams = [
            (DEFLATE, deflate(&want, 6)),
            (ZSTD, sized_frame(&want)),
            (ZSTD, unsized_frame(&want)),
        ];
        for (compression, stream) in streams {
            gives(compression, &stream, &want);
            gives(compression, &joined(&[&stream, &[0; 700]]), &want);
            gives(compression, &joined(&[&stream, &[0xff; 700]]), &want);
            let twice = joined(&[&stream, &stream]);
            gives(compression, &twice, &want);
            let needed = Decoder::new(compression).measure(&twice, &mut vec![0; want.len()]);
            let spared = len_u64(stream.len()) - needed.unwrap();
            assert!(spared < 8, "the end mark of deflate at most");
        }
    }
}

#[test]
fn matches_as_far_back_as_deflate_allows() {
    let mut noise = Vec::new();
    let mut state = 1u32;
    for _ in 0..32_500 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.push(state.to_be_bytes()[0]);
    }
    let want = joined(&[&noise, &noise]);
    let stream = deflate(&want, 9);
    assert!(stream.len() < 34_000, "the second half repeats the first");
    gives(DEFLATE, &stream, &want);
}

/// Stored blocks of `size` bytes, by hand; the last is not marked as such.
fn stored_blocks(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    for block in bytes.chunks(size) {
        let length = u16::try_from(block.len()).unwrap();
        stream.push(0);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream
}

#[test]
fn streams_may_be_longer_than_their_cluster() {
    let want = content(4096);
    let stream = stored_blocks(&want, 7);
    assert!(stream.len() > 6000);
    gives(DEFLATE, &stream, &want);
    let frames: Vec<u8> = want.chunks(8).flat_map(unsized_frame).collect();
    assert!(frames.len() > 8192);
    gives(ZSTD, &frames, &want);
}

#[test]
fn deflate_beyond_the_cluster_is_ignored() {
    let long = content(5000);
    for stream in [deflate(&long, 6), stored_blocks(&long, 300)] {
        gives(DEFLATE, &stream, &long[..4096]);
        // Nor is it missed where it is cut off.
        gives(DEFLATE, &stream[..stream.len() - 30], &long[..4096]);
    }
}

#[test]
fn frames_follow_each_other_and_may_be_skippable() {
    let want = content(4096);
    let (left, right) = want.split_at(1500);
    let skipped = b"\x50\x2a\x4d\x18\x05\0\0\0hello";
    gives(
        ZSTD,
        &joined(&[&unsized_frame(left), &sized_frame(right), b"padding"]),
        &want,
    );
    gives(
        ZSTD,
        &joined(&[skipped, &sized_frame(left), skipped, &unsized_frame(right)]),
        &want,
    );
}

#[test]
fn a_frame_that_gives_more_than_the_rest_of_the_cluster_is_refused() {
    let long = content(5000);
    let too_long = Err(StreamFault::TooLong {
        cluster_bytes: 4096,
    });
    assert_eq!(decoded(ZSTD, &sized_frame(&long), 4096), too_long);
    assert_eq!(decoded(ZSTD, &unsized_frame(&long), 4096), too_long);
    let second = joined(&[&sized_frame(&long[..4000]), &sized_frame(&long[4000..])]);
    assert_eq!(decoded(ZSTD, &second, 4096), too_long);
}

#[test]
fn a_window_of_two_gibibytes_is_not_allocated() {
    // Magic, no content size, window descriptor 2^31, one raw last block.
    let mut frame = b"\x28\xb5\x2f\xfd\x00\xa8".to_vec();
    frame.extend(&(512u32 << 3 | 1).to_le_bytes()[..3]);
    frame.extend(content(512));
    gives(ZSTD, &frame, &content(512));
}

#[test]
fn streams_that_end_early() {
    let ends = |after_bytes| {
        Err(StreamFault::Ends {
            after_bytes,
            cluster_bytes: 4096,
        })
    };
    let short = content(4095);
    assert_eq!(decoded(DEFLATE, &deflate(&short, 6), 4096), ends(4095));
    assert_eq!(
        decoded(DEFLATE, &stored_blocks(&short, 99), 4096),
        ends(4095)
    );
    assert_eq!(decoded(DEFLATE, &[], 4096), ends(0));
    assert_eq!(
        decoded(DEFLATE, &[0, 9, 0, 0xf6, 0xff, 1, 2], 4096),
        ends(2)
    );
    assert_eq!(decoded(ZSTD, &[], 4096), ends(0));
    let padded = joined(&[&unsized_frame(&short), &[0; 300]]);
    assert_eq!(decoded(ZSTD, &padded, 4096), ends(4095));
    let frame = sized_frame(&content(4096));
    assert_eq!(decoded(ZSTD, &frame[..frame.len() - 1], 4096), ends(0));
}

#[test]
fn bytes_that_are_no_stream() {
    let garbage = |after_bytes| Err(StreamFault::Garbage { after_bytes });
    assert_eq!(decoded(DEFLATE, &[0xff; 512], 4096), garbage(0));
    assert_eq!(decoded(ZSTD, &[0xff; 512], 4096), garbage(0));
    let broken = joined(&[&stored_blocks(&content(1000), 100), &[0xff; 100]]);
    assert_eq!(decoded(DEFLATE, &broken, 4096), garbage(1000));
    let mut checked = unsized_frame(&content(4096));
    *checked.last_mut().unwrap() ^= 1;
    assert_eq!(decoded(ZSTD, &checked, 4096), garbage(0));
    let second = joined(&[&unsized_frame(&content(1000)), &checked]);
    assert_eq!(decoded(ZSTD, &second, 5096), garbage(1000));
}

proptest! {
    /// An independent decoder agrees wherever bytes without meaning decode.
    #[test]
    fn any_bytes_give_an_error_or_what_they_say(
        bytes in prop::collection::vec(any::<u8>(), 0..1024), zstd: bool,
    ) {
        if zstd {
            let mut stored = sized_frame(&content(300));
            stored.extend(&bytes);
            prop_assert!(decoded(ZSTD, &bytes, 512).is_err());
            if let Ok(cluster) = decoded(ZSTD, &stored, 512) {
                prop_assert_eq!(&cluster[..300], content(300));
            }
        } else if let Ok(cluster) = decoded(DEFLATE, &bytes, 512) {
            let mut reader = flate2::read::DeflateDecoder::new(&bytes[..]);
            let mut want = vec![0; 512];
            std::io::Read::read_exact(&mut reader, &mut want).unwrap();
            prop_assert_eq!(cluster, want);
        }
    }

    #[test]
    fn one_changed_byte_does_no_harm(
        at: prop::sample::Index, flip in 1u8.., frame: bool, length in 600usize..9000,
    ) {
        let (compression, mut stored) = if frame {
            (ZSTD, unsized_frame(&content(length)))
        } else {
            (DEFLATE, deflate(&content(length), 6))
        };
        let at = at.index(stored.len());
        stored[at] ^= flip;
        let found = decoded(compression, &stored, length);
        // The checksum of the frame says so; its header has some spare bits.
        prop_assert!(!frame || found.is_err() || found == Ok(content(length)));
    }
}
