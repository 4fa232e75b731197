//! `qcow2 digest`, against ovirt-imageio and sha256sum.

use fixtures::Qemu;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bench::Bench;

/// Runs of one byte on a disk: offset, byte, length.
type Runs<'a> = &'a [(usize, u8, usize)];

/// Disks, and the digests that ovirt-imageio 2.5.1 computes of them: BLAKE2b of blocks of
/// 4 MiB, and SHA-256 of blocks of 1 MiB.
const DISKS: [(usize, Runs<'_>, &str, &str); 5] = [
    (
        0,
        &[],
        "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ),
    (
        1,
        &[],
        "fb9d7a94488e55b34e09bf0ae97ad41bac3947c02809d988264d6303ce8a351f",
        "1406e05881e299367766d313e26c05564ec91bf721d31726bd6e46e60689539a",
    ),
    (
        4 << 20,
        &[(0, 7, 4 << 20)],
        "ac822d5f649c3469eba45de0c511811acd6c8860d75c72456eeac7474db86535",
        "a643c52555e2cdf62bfbfccc61ca40fbcc68eaf9d95ca4421596d424bad5552f",
    ),
    (
        (10 << 20) + 1000,
        &[(5, 1, 1), ((4 << 20) - 1, 2, 2), (10 << 20, 3, 999)],
        "eb5f9effd36627456542520f95b81c760fa85cd0f74cdff83de5d87032afb0cc",
        "c5ad0a688a17bd3742c1cd5de6fc2753d379b8b720d73f9acefbbbac7bbb0ae1",
    ),
    (
        64 << 20,
        &[(20 << 20, 9, 65_536)],
        "b58e6670cfe379393e92817675f79247393b89eea4f9074b663d583b821f8291",
        "b223b07b68bae966207f77bf4c04b74bc5970fd6cb9fce05a7f37cc0b9ae24ef",
    ),
];

fn disk(size: usize, runs: Runs<'_>) -> Vec<u8> {
    let mut disk = vec![0; size];
    for &(at, byte, length) in runs {
        disk[at..at + length].fill(byte);
    }
    disk
}

/// The digest in what `digest` prints.
fn digest(bench: &Bench, arguments: &str) -> String {
    let line = bench.ok(&format!("digest {arguments}"));
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn digests_are_those_of_ovirt() {
    let bench = Bench::new();
    for (size, runs, blake2b, sha256) in DISKS {
        bench.write("disk.img", disk(size, runs));
        assert_eq!(
            bench.ok("digest disk.img"),
            format!("{blake2b}  disk.img\n")
        );
        let options = "--algorithm sha256 --block-size 1M --threads 3";
        assert_eq!(digest(&bench, &format!("{options} disk.img")), sha256);
    }
}

#[test]
fn the_digest_is_that_of_the_content_whatever_holds_it() {
    if Qemu::require().is_none() {
        return;
    }
    let bench = Bench::new();
    let (size, runs, want, _) = DISKS[4];
    let bytes = disk(size, runs);
    bench.write("disk.img", &bytes);
    bench.qemu_img("convert -f raw -O qcow2 -o cluster_size=512 disk.img a.qcow2");
    bench.qemu_img("convert -f raw -c -O qcow2 -o cluster_size=2M disk.img b.qcow2");
    bench.qemu_img("create -q -f qcow2 -o cluster_size=16k,extended_l2=on c.qcow2 64M");
    bench.qemu_io("write -P 9 20M 32k", "c.qcow2");
    bench.qemu_io("write -P 1 40M 5000k", "c.qcow2");
    bench.qemu_img("create -q -f qcow2 -b c.qcow2 -F qcow2 d.qcow2");
    bench.qemu_io("write -P 9 20512k 32k", "d.qcow2");
    bench.qemu_io("write -z 40M 5000k", "d.qcow2");
    bench.qemu_img("snapshot -c s d.qcow2");
    bench.qemu_io("write -P 3 0 512", "d.qcow2");
    for source in [
        "disk.img",
        "a.qcow2",
        "b.qcow2",
        "--references beside --snapshot s d.qcow2",
    ] {
        assert_eq!(digest(&bench, source), want, "{source}");
    }
    assert_ne!(digest(&bench, "--references beside d.qcow2"), want);
    let whole: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for source in ["disk.img", "b.qcow2"] {
        assert_eq!(
            digest(&bench, &format!("--whole {source}")),
            whole,
            "{source}"
        );
    }
}

#[test]
fn json_has_the_keys_of_ovirt() {
    let bench = Bench::new();
    bench.write("disk.img", [0]);
    let said = |options: &str| -> Value {
        let json = bench.ok(&format!("digest --output json {options} disk.img"));
        serde_json::from_str(&json).unwrap()
    };
    let blocks = said("");
    assert_eq!(blocks["algorithm"], "blake2b");
    assert_eq!(blocks["block_size"], 4 << 20);
    assert_eq!(blocks["checksum"], DISKS[1].2);
    assert_eq!(
        (&blocks["schema"], &blocks["disk_bytes"]),
        (&1.into(), &1.into())
    );
    let whole = said("--whole");
    assert_eq!(
        (&whole["construction"], &whole["algorithm"]),
        (&"whole".into(), &"sha256".into())
    );
    assert_eq!(whole["block_size"], Value::Null);
    bench.fails(
        "digest --whole --algorithm blake2b disk.img",
        2,
        "--whole has no other algorithm than sha256",
    );
    assert_eq!(bench.run("digest --block-size 1K disk.img").code, Some(2));
}
