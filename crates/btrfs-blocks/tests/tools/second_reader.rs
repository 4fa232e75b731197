//! What `btrfs inspect-internal dump-tree` says is used, block for block.

use std::path::Path;

use blockio::{ExtentKind, ReadAt};
use btrfs_blocks::Filesystem;
use fixtures::Tool;

use crate::disk::{Image, extents};

/// A chunk: where it is in the filesystem, its length, and its places on the disk.
struct Chunk {
    start: u64,
    length: u64,
    places: Vec<u64>,
}

fn dump(btrfs: &Tool, image: &Path, tree: &str) -> String {
    let arguments = ["inspect-internal", "dump-tree", "-t", tree];
    btrfs
        .ok(|command| command.args(arguments).arg(image))
        .unwrap()
}

/// The numbers of a key that ends a word such as `key (256 CHUNK_ITEM 1048576)`.
fn key<'a>(line: &'a str, kind: &str) -> Option<(u64, u64)> {
    let inside = line.split_once("key (")?.1.split_once(')')?.0;
    let words: Vec<&'a str> = inside.split(' ').collect();
    match words[..] {
        [_, found, end] if found == kind => {
            let start = words[0].parse().unwrap_or(0);
            Some((start, end.parse().ok()?))
        }
        _ => None,
    }
}

fn after(line: &str, word: &str) -> Option<u64> {
    let rest = line.split_once(word)?.1.trim_start();
    rest.split_whitespace().next()?.parse().ok()
}

fn chunks(btrfs: &Tool, image: &Path) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let text = dump(btrfs, image, "chunk");
    for line in text.lines() {
        if let Some((_, start)) = key(line, "CHUNK_ITEM") {
            chunks.push(Chunk {
                start,
                length: 0,
                places: Vec::new(),
            });
        }
        let Some(chunk) = chunks.last_mut() else {
            continue;
        };
        if let (0, Some(length)) = (chunk.length, after(line, "length ")) {
            chunk.length = length;
        }
        if line.trim_start().starts_with("stripe ") {
            chunk.places.extend(after(line, "offset "));
        }
    }
    chunks
}

/// Sorts and joins runs.
fn joined(mut runs: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    runs.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (start, end) in runs {
        match all.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => all.push((start, end)),
        }
    }
    all
}

/// Holds `filesystem`, whose chunks have one stripe or copies, against the dump of its trees.
pub(crate) fn compare(btrfs: &Tool, image: &Path, filesystem: &Filesystem<Image>) {
    let (info, size) = (filesystem.info(), filesystem.disk().size());
    let mut used = vec![(0, 1 << 20), (info.bytes, size)];
    for place in [64 << 10, 64 << 20, 256 << 30] {
        used.push((place, (place + (64 << 10)).min(size)));
    }
    let chunks = chunks(btrfs, image);
    assert!(chunks.len() > 1);
    for line in dump(btrfs, image, "extent").lines() {
        let extent = key(line, "EXTENT_ITEM").or_else(|| {
            let (start, _) = key(line, "METADATA_ITEM")?;
            Some((start, u64::from(info.node_bytes)))
        });
        let Some((start, length)) = extent else {
            continue;
        };
        let holds = |chunk: &&Chunk| (chunk.start..chunk.start + chunk.length).contains(&start);
        let chunk = chunks.iter().find(holds).unwrap();
        for place in &chunk.places {
            let at = place + (start - chunk.start);
            used.push((at, at + length));
        }
    }
    used.retain(|run| run.0 < run.1);
    let ours = extents(filesystem);
    let ours = ours.iter().filter(|run| run.kind == ExtentKind::Data);
    let ours: Vec<_> = ours.map(|run| (run.start, run.end())).collect();
    assert_eq!(ours, joined(used), "{}", image.display());
}
