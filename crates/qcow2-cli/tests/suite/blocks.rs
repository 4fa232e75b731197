//! `qcow2 blocks`: what is in use, as ranges.

mod punch;

use fixtures::ext::{self, Filesystem, Kind};
use fixtures::{E2fs, SplitMix};
use serde_json::Value;

use crate::bench::Bench;

/// Start, length and kind of each range in a list, which tiles the disk and
/// adds up to its totals.
#[track_caller]
fn ranges(json: &str) -> Vec<(u64, u64, String)> {
    let list: Value = serde_json::from_str(json).unwrap();
    let mut end = 0;
    let mut ranges = Vec::<(u64, u64, String)>::new();
    for range in list["ranges"].as_array().unwrap() {
        let number = |key: &str| range[key].as_u64().unwrap();
        let (start, length) = (number("start"), number("length"));
        assert_eq!(start, end, "{json}");
        assert!(length > 0, "{json}");
        end = start + length;
        ranges.push((start, length, range["kind"].as_str().unwrap().into()));
    }
    assert_eq!(list["disk_bytes"].as_u64(), Some(end), "{json}");
    for kind in ["data", "zero", "unused"] {
        let of_kind = ranges.iter().filter(|range| range.2 == kind);
        let sum: u64 = of_kind.map(|range| range.1).sum();
        assert_eq!(list["totals"][kind].as_u64(), Some(sum), "{kind}: {json}");
    }
    ranges
}

#[test]
fn the_ranges_are_those_of_the_filesystem() {
    let bench = Bench::new();
    bench.write("disk", Filesystem::new(Kind::Ext4).bytes);
    let found = ranges(&bench.ok("blocks --output json disk"));
    let (free, never_used) = (ext::FREE, ext::NEVER_USED);
    let want = [
        (0, never_used.start, "data"),
        (never_used.start, 1024, "zero"),
        (never_used.end, free.start - never_used.end, "data"),
        (free.start, free.end - free.start, "unused"),
    ];
    assert_eq!(
        found,
        want.map(|(start, length, kind)| (start, length, kind.to_owned()))
    );
    let all = ranges(&bench.ok("blocks --content all --output json disk"));
    assert_eq!(all, [(0, ext::DISK_BYTES, "data".into())]);
}

#[test]
fn the_forms_for_people_and_for_bmaptool() {
    let bench = Bench::new();
    bench.write("disk", Filesystem::new(Kind::Ext4).bytes);
    // 14 blocks of 1 KiB end inside the fourth block of 4 KiB.
    let bmap = "<?xml version=\"1.0\" ?>\n\
        <bmap version=\"1.1\">\n\
        <ImageSize> 262144 </ImageSize>\n\
        <BlockSize> 4096 </BlockSize>\n\
        <BlocksCount> 64 </BlocksCount>\n\
        <MappedBlocksCount> 4 </MappedBlocksCount>\n\
        <BlockMap>\n\
        <Range> 0-3 </Range>\n\
        </BlockMap>\n\
        </bmap>\n";
    assert_eq!(bench.ok("blocks --output bmap disk"), bmap);
    let human = "source   disk: 256 KiB, ext4 \"assembled\" of 256 blocks of 1 KiB\n\
        totals   data 13 KiB, zero 1 KiB, unused 242 KiB\n\
        \n               start               length  kind\n\
        \x20                  0                 8192  data\n\
        \x20               8192                 1024  zero\n\
        \x20               9216                 5120  data\n\
        \x20              14336               247808  unused\n";
    assert_eq!(bench.ok("blocks disk"), human);

    // A length that is no multiple of a block.
    bench.write("other", SplitMix::new(1).bytes(5000));
    let one = bench.run("blocks --output bmap other").stdout;
    for line in [
        "<ImageSize> 5000 <",
        "<BlocksCount> 2 <",
        "<Range> 0-1 </Range>",
    ] {
        assert!(one.contains(line), "{one}");
    }
}

#[test]
fn every_content_of_a_real_filesystem_tiles_the_disk() {
    let Some(e2fs) = E2fs::require() else { return };
    let bench = Bench::new();
    let options = ["-t", "ext4", "-b", "1024"];
    e2fs.make(&bench.path("disk"), 16 << 20, &options).unwrap();
    bench.write("content", SplitMix::new(2).bytes(300 << 10));
    let write = format!("write {} file", bench.path("content").display());
    e2fs.debugfs(&bench.path("disk"), &[write]).unwrap();

    let sum = |options: &str| -> u64 {
        let list = bench.ok(&format!("blocks --output json {options} disk"));
        let in_use = ranges(&list);
        let in_use = in_use.iter().filter(|range| range.2 != "unused");
        in_use.map(|range| range.1).sum()
    };
    let usage = e2fs.usage(&bench.path("disk")).unwrap().unwrap();
    let used = sum("");
    assert_eq!(used, (16 << 20) - usage.free_bytes());
    // The journal has 1024 blocks, of which the first is no body.
    assert_eq!(sum("--drop journal"), used - 1023 * 1024);
    assert_eq!(sum("--drop unwritten"), used);
    let metadata = sum("--content metadata");
    assert!(metadata <= used - (300 << 10), "{metadata} of {used}");
    assert!(metadata >= 1024 * 1024, "{metadata}");
    assert_eq!(
        bench.run("blocks --content ext missing").code,
        Some(1),
        "no such disk"
    );
}
