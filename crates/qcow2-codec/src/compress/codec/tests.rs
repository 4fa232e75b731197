use super::*;
use flate2::{Decompress, FlushDecompress};
use proptest::prelude::*;

fn zlib(level: u8, window: DeflateWindow) -> Compression {
    Compression::Zlib { level, window }
}

/// Every level of every codec.
fn all() -> impl Iterator<Item = Compression> {
    let windows = [DeflateWindow::Kib32, DeflateWindow::Kib4];
    let zlib = windows.into_iter().flat_map(|window| {
        zlib(1, window)
            .levels()
            .map(move |level| zlib(level, window))
    });
    zlib.chain((1..=22).map(|level| Compression::Zstd { level }))
}

/// What `stream` holds, and that nothing is behind its end.
fn decode(compression: &Compression, stream: &[u8], length: usize) -> Vec<u8> {
    let Compression::Zlib { window, .. } = compression else {
        let frame = zstd::zstd_safe::get_frame_content_size(stream).unwrap();
        assert_eq!(frame, u64::try_from(length).ok(), "the frame's own length");
        return zstd::bulk::decompress(stream, length).unwrap();
    };
    let window_bits = match window {
        DeflateWindow::Kib32 => 15,
        DeflateWindow::Kib4 => 12,
    };
    let mut inflater = Decompress::new_with_window_bits(false, window_bits);
    let mut cluster = vec![0; length];
    // Small pieces, so that the inflater has its window alone to look back in.
    while inflater.total_out() < u64::try_from(length).unwrap() {
        let (read, written) = (inflater.total_in(), inflater.total_out());
        let (read, written) = (
            usize::try_from(read).unwrap(),
            usize::try_from(written).unwrap(),
        );
        let piece = written..length.min(written + 512);
        inflater
            .decompress(&stream[read..], &mut cluster[piece], FlushDecompress::None)
            .unwrap();
    }
    let read = usize::try_from(inflater.total_in()).unwrap();
    let status = inflater
        .decompress(&stream[read..], &mut [], FlushDecompress::Finish)
        .unwrap();
    assert_eq!(status, Status::StreamEnd);
    assert_eq!(inflater.total_in(), u64::try_from(stream.len()).unwrap());
    cluster
}

/// Bytes that repeat nowhere near.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

/// Words that come again and again, some of them far away, between noise.
fn text(length: usize, seed: u32) -> Vec<u8> {
    let choices = noise(length, seed);
    let words: Vec<_> = noise(4096, 7).chunks(16).map(<[u8]>::to_vec).collect();
    let mut text: Vec<u8> = choices
        .iter()
        .flat_map(|&choice| {
            let word = &words[usize::from(choice)];
            word[..usize::from(choice % 13) + 3].iter().copied()
        })
        .take(length)
        .collect();
    text[length / 3..length / 2].copy_from_slice(&choices[length / 3..length / 2]);
    text
}

fn stream(compressor: &mut Compressor, cluster: &[u8]) -> Option<Vec<u8>> {
    let mut stream = vec![0; cluster.len() - 1];
    let length = compressor.compress(cluster, &mut stream).unwrap();
    length.map(|length| stream[..length].to_vec())
}

#[test]
fn a_stream_depends_on_its_cluster_alone() {
    let length = 1 << 16;
    let clusters = [
        text(length, 1),
        noise(length, 2),
        vec![5; length],
        text(length, 3),
        text(length, 1),
    ];
    for compression in all() {
        let mut used = Compressor::new(&compression);
        for (index, cluster) in clusters.iter().enumerate() {
            let stream_used = stream(&mut used, cluster);
            let stream_new = stream(&mut Compressor::new(&compression), cluster);
            assert!(
                stream_used == stream_new,
                "{compression:?}, cluster {index}"
            );
            assert_eq!(stream_used.is_none(), index == 1, "{compression:?}");
        }
    }
}

#[test]
fn every_level_and_cluster_size_can_be_read_back() {
    for compression in all() {
        let mut compressor = Compressor::new(&compression);
        for length in [512, 4096, 1 << 16] {
            let mut half = text(length, 9);
            half[..length / 2].fill(0x33);
            for cluster in [half, vec![0xee; length]] {
                let stream = stream(&mut compressor, &cluster).unwrap();
                let decoded = decode(&compression, &stream, length);
                assert!(decoded == cluster, "{compression:?} {length}");
            }
        }
    }
    for compression in [
        zlib(1, DeflateWindow::Kib32),
        zlib(6, DeflateWindow::Kib4),
        Compression::Zstd { level: 3 },
    ] {
        let cluster = text(2 << 20, 4);
        let stream = stream(&mut Compressor::new(&compression), &cluster).unwrap();
        assert!(decode(&compression, &stream, 2 << 20) == cluster);
    }
}

#[test]
fn a_larger_window_sees_more() {
    // The second half repeats the first, 20,000 bytes back.
    let cluster = noise(20_000, 1).repeat(2);
    let length = |window| {
        let stream = stream(&mut Compressor::new(&zlib(6, window)), &cluster);
        stream.map(|stream| stream.len())
    };
    assert!(length(DeflateWindow::Kib32).unwrap() < 21_000);
    assert_eq!(length(DeflateWindow::Kib4), None);
}

proptest! {
    #[test]
    fn used_contexts_change_nothing(
        seeds in prop::collection::vec(any::<u32>(), 1..6),
        bits in 9u32..=15,
        index in 0usize..64,
    ) {
        let all: Vec<_> = all().collect();
        let compression = all[index % all.len()];
        let mut compressor = Compressor::new(&compression);
        for seed in seeds {
            let cluster = text(1 << bits, seed);
            let used = stream(&mut compressor, &cluster);
            let new = stream(&mut Compressor::new(&compression), &cluster);
            prop_assert_eq!(&used, &new);
            if let Some(stream) = used {
                prop_assert!(decode(&compression, &stream, cluster.len()) == cluster);
            }
        }
    }
}
