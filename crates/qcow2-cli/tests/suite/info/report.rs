//! `qcow2 report`: a page whose numbers are those of the other commands.

mod browser;

use fixtures::ext::{self, Filesystem, Kind};
use fixtures::{Qemu, SplitMix};
use serde_json::Value;

use crate::bench::Bench;

/// The numbers in a page.
pub(crate) fn data(html: &str) -> Value {
    let (_, rest) = html.split_once("id=\"data\">").expect("the data");
    let (json, _) = rest.split_once("</script>").expect("the end of the data");
    serde_json::from_str(json).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

/// The bytes of each kind in the legend, after the sums of the cells are found the same.
#[track_caller]
fn kinds(picture: &Value) -> Vec<(String, u64)> {
    let kinds = picture["kinds"].as_array().unwrap();
    let mut sums = vec![0; kinds.len()];
    for cell in picture["cells"].as_array().unwrap() {
        let counts: Vec<_> = cell.as_array().unwrap().iter().map(number).collect();
        for pair in counts.chunks(2) {
            sums[usize::try_from(pair[0]).unwrap()] += pair[1];
        }
    }
    assert_eq!(sums.iter().sum::<u64>(), number(&picture["bytes"]));
    let named = kinds.iter().zip(sums).map(|(kind, sum)| {
        assert_eq!(number(&kind["bytes"]), sum, "{kind}");
        (kind["key"].as_str().unwrap().to_owned(), sum)
    });
    named.filter(|(_, bytes)| *bytes > 0).collect()
}

/// The bytes of the entries of a map that `is` counts.
fn mapped(bench: &Bench, name: &str, is: impl Fn(&Value) -> bool) -> u64 {
    let map: Value = serde_json::from_str(&bench.ok(&format!("map --output json {name}"))).unwrap();
    let entries = map.as_array().unwrap().iter();
    let lengths = entries
        .filter(|entry| is(entry))
        .map(|entry| number(&entry["length"]));
    lengths.sum()
}

/// What `info --layout` says of the disk in an image.
fn layout(bench: &Bench, name: &str) -> Value {
    let info = bench.run(&format!("info --layout --output json {name}"));
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    info["disk"].clone()
}

/// Checks the page of `name` against the other commands, and gives it with its numbers.
#[track_caller]
fn same_as_others(bench: &Bench, name: &str) -> (String, Value) {
    let outcome = bench.run(&format!("report --force --output json {name} -o page.html"));
    assert!(matches!(outcome.code, Some(0 | 3)), "{outcome:?}");
    let said: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let html = String::from_utf8(bench.read("page.html")).unwrap();
    let data = data(&html);
    assert_eq!(data["totals"], said["totals"]);
    assert_eq!(data["findings"], said["findings"]);
    assert_eq!(
        html.len(),
        usize::try_from(number(&said["page_bytes"])).unwrap()
    );
    let totals = &data["totals"];

    let disk = layout(bench, name);
    assert_eq!(totals["used_bytes"], disk["used_bytes"]);
    assert_eq!(totals["free_bytes"], disk["free_bytes"]);
    let stored = mapped(bench, name, |entry| entry["data"] == true);
    assert_eq!(number(&totals["stored_bytes"]), stored);
    let compressed = mapped(bench, name, |entry| entry["compressed"] == true);
    assert_eq!(number(&totals["compressed_bytes"]), compressed);
    let all = mapped(bench, name, |_| true);
    assert_eq!(number(&totals["disk_bytes"]), all);

    let of_disk = kinds(&data["disk"]);
    let sum = |keys: &[&str]| -> u64 {
        let counted = of_disk
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()));
        counted.map(|(_, bytes)| bytes).sum()
    };
    assert_eq!(sum(&["stale", "free"]), number(&totals["free_bytes"]));
    assert_eq!(sum(&["stale"]), number(&totals["stale_bytes"]));
    assert_eq!(sum(&["zero", "free"]), all - stored);
    if !data["file"].is_null() {
        let file_bytes = std::fs::metadata(bench.path(name)).unwrap().len();
        kinds(&data["file"]);
        assert_eq!(number(&data["file"]["bytes"]), file_bytes);
        assert_eq!(number(&totals["file_bytes"]), file_bytes);
    }
    (html, data)
}

/// An ext4 filesystem whose free blocks hold something.
fn filesystem(bench: &Bench) {
    let mut bytes = Filesystem::new(Kind::Ext4).bytes;
    let free = usize::try_from(ext::FREE.start).unwrap()..usize::try_from(ext::FREE.end).unwrap();
    let rest = SplitMix::new(3).bytes(free.len());
    bytes[free].copy_from_slice(&rest);
    bench.write("disk", bytes);
}

#[test]
fn the_numbers_are_those_of_map_and_info() {
    let bench = Bench::new();
    filesystem(&bench);
    let (html, raw) = same_as_others(&bench, "disk");
    assert!(raw["file"].is_null());
    assert!(html.contains("ext4 &quot;assembled&quot;"), "{html}");
    let free = ext::FREE.end - ext::FREE.start;
    assert_eq!(raw["totals"]["free_bytes"], free);
    assert_eq!(raw["totals"]["stale_bytes"], free);

    bench.ok("pack --content all -c zlib --cluster-size 4K disk all.qcow2");
    let (_, all) = same_as_others(&bench, "all.qcow2");
    assert_eq!(all["findings"], 0);
    assert!(number(&all["totals"]["stale_bytes"]) > 0);
    let used = kinds(&all["file"]);
    let names: Vec<_> = used.iter().map(|(key, _)| key.as_str()).collect();
    for name in ["data", "packed", "header", "l1", "l2", "refcounts"] {
        assert!(names.contains(&name), "{name}: {used:?}");
    }
    assert!(!names.contains(&"unused"), "{used:?}");

    bench.ok("pack --cluster-size 4K disk used.qcow2");
    let (_, used) = same_as_others(&bench, "used.qcow2");
    assert_eq!(used["totals"]["free_bytes"], free);
    assert!(number(&used["totals"]["stale_bytes"]) < 8192);
}

#[test]
fn partitions_are_counted_as_info_counts_them() {
    let (Some(sgdisk), Some(_)) = (fixtures::require("sgdisk"), Qemu::require()) else {
        return;
    };
    let bench = Bench::new();
    filesystem(&bench);
    let mut disk = vec![0; 4 << 20];
    let part = bench.read("disk");
    disk[1 << 20..(1 << 20) + part.len()].copy_from_slice(&part);
    bench.write("table", disk);
    let evil = "<b>x&\"'";
    let sets = ["-n1:2048:+256K", "-n2:4096:+1M"];
    sgdisk
        .ok(|command| {
            command
                .args(sets)
                .arg(format!("-c1:{evil}"))
                .arg(bench.path("table"))
        })
        .unwrap();
    bench.qemu_img("convert -O qcow2 -o cluster_size=4k table table.qcow2");
    bench.qemu_img("snapshot -c <i>old</i> table.qcow2");
    let (html, _) = same_as_others(&bench, "table.qcow2");
    assert!(!html.contains("<b>x") && !html.contains("<i>old"));
    assert!(html.contains("&lt;b&gt;x&amp;&quot;&#x27;"));
    assert!(html.contains("&lt;i&gt;old&lt;&#x2f;i&gt;"));
    let parts = layout(&bench, "table.qcow2")["layout"]["parts"].clone();
    let parts = parts.as_array().unwrap();
    assert_eq!(parts.len(), 2);
    for part in parts {
        let [used, free] = ["used_bytes", "free_bytes"].map(|key| {
            let kib = number(&part[key]);
            assert!(kib.is_multiple_of(1024));
            match kib >> 10 {
                0 => "0 B".to_owned(),
                1024 => "1 MiB".to_owned(),
                kib => format!("{kib} KiB"),
            }
        });
        let cells = format!("<td class=\"number\">{used}</td><td class=\"number\">{free}</td>");
        assert!(html.contains(&cells), "{cells}: {html}");
    }
}

#[test]
fn snapshots_backing_files_and_damage_are_shown() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    bench.write("disk", SplitMix::new(9).bytes(1 << 20));
    bench.qemu_img("convert -O qcow2 disk base.qcow2");
    bench.qemu_img("snapshot -c one base.qcow2");
    bench.qemu_io("write -P 7 0 128k", "base.qcow2");
    let (html, data) = same_as_others(&bench, "base.qcow2");
    assert!(html.contains(">one</th>"));
    let kept = kinds(&data["file"]);
    assert!(kept.contains(&("snapshots".into(), 128 << 10)), "{kept:?}");
    assert_eq!(data["findings"], 0);

    bench.qemu_img("create -f qcow2 -b base.qcow2 -F qcow2 top.qcow2");
    bench.qemu_io("write -P 8 512k 64k", "top.qcow2");
    let outcome = bench.run("report --references beside top.qcow2 -o top.html --output json");
    let said: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(said["totals"]["stored_bytes"], 1 << 20);
    assert_eq!(said["totals"]["elsewhere_bytes"], (1 << 20) - (64 << 10));

    // The refcount of a data cluster, which is 1, is 0.
    let mut bytes = bench.read("top.qcow2");
    let block = u64::from_be_bytes(bytes[0x10000..0x10008].try_into().unwrap());
    let entry = usize::try_from(block).unwrap() + 2 * (bytes.len() / 65536 - 1);
    bytes[entry..entry + 2].fill(0);
    bench.write("wrong.qcow2", bytes);
    let outcome = bench.run("report --references beside wrong.qcow2 -o wrong.html");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let html = String::from_utf8(bench.read("wrong.html")).unwrap();
    let found = self::data(&html);
    let checked: Value =
        serde_json::from_str(&bench.run("check --output json wrong.qcow2").stdout).unwrap();
    // The refcount, and the flag that says that it is one.
    assert_eq!(checked["findings"].as_array().unwrap().len(), 2);
    assert_eq!(found["findings"], 2);
    assert!(html.contains("but its refcount is 0"));
}

#[test]
fn the_page_appears_whole_or_not_at_all() {
    let bench = Bench::new();
    filesystem(&bench);
    bench.ok("pack disk image.qcow2");
    bench.ok("report image.qcow2 -o page.html");
    let page = bench.read("page.html");
    bench.fails(
        "report image.qcow2 -o page.html",
        1,
        "page.html already exists; --force overwrites it",
    );
    bench.ok("report --force image.qcow2 -o page.html");
    assert_eq!(bench.read("page.html"), page);
    assert_eq!(bench.ok("report image.qcow2 -o -").into_bytes(), page);
    let outcome = bench.run("report --force image.qcow2 -o image.qcow2");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");

    // The L1 entry names an L2 table past the end of the file.
    let mut bytes = bench.read("image.qcow2");
    let l1 = u64::from_be_bytes(bytes[40..48].try_into().unwrap());
    let l1 = usize::try_from(l1).unwrap();
    bytes[l1..l1 + 8].copy_from_slice(&0x8000_0001_0000_0000u64.to_be_bytes());
    bench.write("damaged.qcow2", bytes);
    let outcome = bench.run("report damaged.qcow2 -o damaged.html");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("L2 table"), "{outcome:?}");
    let names = bench.names();
    assert_eq!(names, ["damaged.qcow2", "disk", "image.qcow2", "page.html"]);
}
