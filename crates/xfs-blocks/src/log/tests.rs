//! Development aid.

use super::*;
use crate::superblock::Superblock;

#[test]
#[ignore]
fn dev() {
    let path = std::env::var("XL_IMAGE").unwrap();
    let out = std::env::var("XL_OUT").ok();
    let disk = hostdisk::Disk::open(std::path::Path::new(&path)).unwrap();
    let mut sector = vec![0; 32768];
    disk.read_at(0, &mut sector).unwrap();
    let sb = Superblock::new(&sector, disk.size()).unwrap();
    let start = std::time::Instant::now();
    let state = examine(&disk, &sb.log).unwrap();
    let took = start.elapsed();
    match state {
        LogState::Clean => println!("CLEAN {took:?}"),
        LogState::Unclear(fault) => println!("UNCLEAR {fault} {took:?}"),
        LogState::Dirty(replay) => {
            println!(
                "DIRTY transactions {} only_sb {} sectors {} touched {} ({} B) intents {} {:?} {took:?}",
                replay.transactions,
                replay.is_only_superblock,
                replay.sectors.len(),
                replay.touched.len(),
                replay.touched.iter().map(|r| r.end - r.start).sum::<u64>(),
                replay.open_intents,
                replay.intended
            );
            if let Some(out) = out {
                use std::os::unix::fs::FileExt;
                let file = std::fs::OpenOptions::new().write(true).open(out).unwrap();
                for (at, bytes) in replay.sectors.all() {
                    file.write_all_at(bytes, at).unwrap();
                }
            }
        }
    }
}
