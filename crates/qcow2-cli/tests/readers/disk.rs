//! The disk that is packed: all that makes readers differ, in a few MiB.

use fixtures::SplitMix;

const KIB: usize = 1 << 10;

/// Parts of the disk, of 64 KiB each, and a piece of one.
const PARTS: usize = 200;

/// No multiple of any cluster size but 512 bytes.
const TAIL: usize = 2 * KIB + 512;

/// The disk: zeros, noise, text, noise that repeats after 20 KiB, and runs of one
/// byte take turns, so that each size of clusters has clusters of each kind, and
/// streams that end at even and at odd offsets.
pub(super) fn bytes() -> Vec<u8> {
    let mut random = SplitMix::new(11);
    let mut disk = Vec::with_capacity(PARTS * 64 * KIB + TAIL);
    for part in 0..PARTS {
        // A hole longer than the largest cluster, which begins inside of one.
        let kind = if (70..120).contains(&part) {
            0
        } else {
            part % 7
        };
        match kind {
            0 => disk.resize(disk.len() + 64 * KIB, 0),
            1 => disk.extend(random.bytes(64 * KIB)),
            2 | 5 => text(&mut disk, &mut random),
            3 | 6 => {
                let noise = random.bytes(20 * KIB);
                disk.extend(noise.iter().cycle().take(64 * KIB));
            }
            _ => runs(&mut disk, &mut random),
        }
    }
    disk.extend(random.bytes(TAIL));
    disk
}

/// 64 KiB of words.
fn text(disk: &mut Vec<u8>, random: &mut SplitMix) {
    let end = disk.len() + 64 * KIB;
    while disk.len() < end {
        let line = format!(
            "block {} is at {:x}\n",
            random.below(5000),
            random.next_u64()
        );
        disk.extend(line.bytes());
    }
    disk.truncate(end);
}

/// 64 KiB of runs of one byte, some of them zeros, between single bytes.
fn runs(disk: &mut Vec<u8>, random: &mut SplitMix) {
    let end = disk.len() + 64 * KIB;
    while disk.len() < end {
        let byte = random.bytes(2);
        let length = 1 + usize::try_from(random.below(3000)).unwrap_or(0);
        disk.resize(disk.len() + length, byte[0] & 0xf);
        disk.push(byte[1]);
    }
    disk.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_the_same_every_time() {
        let disk = bytes();
        assert_eq!(disk.len(), PARTS * 64 * KIB + TAIL);
        assert!(disk == bytes());
        assert!(
            disk[70 * 64 * KIB..120 * 64 * KIB]
                .iter()
                .all(|byte| *byte == 0)
        );
    }
}
