//! Encrypted images that QEMU made, and damaged LUKS headers.
//!
//! Needs `qemu-img` and `qemu-io`. Without them the tests are skipped, unless the
//! variable `CI` is `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use blockio::{MemoryDisk, ReadAt};
use qcow2_reader::{Error, Image, LuksFault, OpenOptions, Secret, UnpackOptions};
use tempfile::TempDir;

const OBJECT: [&str; 2] = ["--object", "secret,id=s0,data=pass word"];
const SIZE: usize = 2 << 20;

/// An image that QEMU encrypted with these options, and its disk.
fn image(options: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (img, io) = (
        fixtures::require("qemu-img")?,
        fixtures::require("qemu-io")?,
    );
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    let options = format!("encrypt.key-secret=s0,{options}");
    let create = [
        "create", "-q", OBJECT[0], OBJECT[1], "-f", "qcow2", "-o", &options,
    ];
    img.ok(|command| command.args(create).arg(&path).arg("2M"))
        .unwrap();
    let mut disk = vec![0; SIZE];
    let opts = format!(
        "driver=qcow2,encrypt.key-secret=s0,file.filename={}",
        path.display()
    );
    for (start, length, byte) in [(0, 100, 1), (1000, 3, 2), (2040, 8, 3), (50, 6, 0)] {
        let command = if byte == 0 {
            format!("write -z {start}k {length}k")
        } else {
            format!("write -P {byte} {start}k {length}k")
        };
        io.ok(|tool| {
            tool.args(OBJECT)
                .args(["--image-opts", "-c", &command, &opts])
        })
        .unwrap();
        disk[start << 10..(start + length) << 10].fill(byte);
    }
    // `convert` refuses to compress and to encrypt. Others do both, and what is
    // compressed is not encrypted then.
    io.ok(|tool| {
        let compress = "write -c -P 4 1024k 64k";
        tool.args(OBJECT)
            .args(["--image-opts", "-c", compress, &opts])
    })
    .unwrap();
    disk[1024 << 10..1088 << 10].fill(4);
    Some((fs::read(&path).unwrap(), disk))
}

fn options(secret: Option<&str>) -> OpenOptions {
    OpenOptions {
        secret: secret.map(|secret| Secret::new(secret.into())),
        ..OpenOptions::default()
    }
}

#[test]
fn what_qemu_encrypted_is_read() {
    for format in [
        "encrypt.format=aes",
        "encrypt.format=aes,compat=0.10,cluster_size=4k",
        "encrypt.format=luks,encrypt.iter-time=10",
        "encrypt.format=luks,encrypt.iter-time=10,extended_l2=on,cluster_size=16k",
        "encrypt.format=luks,encrypt.iter-time=10,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256,encrypt.hash-alg=sha512",
        "encrypt.format=luks,encrypt.iter-time=10,encrypt.cipher-alg=aes-256,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=plain,encrypt.hash-alg=sha1",
    ] {
        let Some((bytes, disk)) = image(format) else {
            return;
        };
        let opened = Image::open(bytes.clone(), &options(Some("pass word"))).unwrap();
        opened.check_references().unwrap();
        let target = MemoryDisk::default();
        opened.unpack(&target, &UnpackOptions::default()).unwrap();
        assert!(target.into_bytes() == disk, "{format}");
        let mut random = fixtures::SplitMix::new(5);
        for _ in 0..200 {
            let start = random.below(2 << 20);
            let length = random.below(3000).min((2 << 20) - start);
            let mut part = vec![0xee; usize::try_from(length).unwrap()];
            opened.read_at(start, &mut part).unwrap();
            let start = usize::try_from(start).unwrap();
            assert!(part == disk[start..start + part.len()], "{format} {start}");
        }
        assert!(!format!("{:?}", options(Some("pass word"))).contains("pass"));

        let error = Image::open(bytes, &options(None)).unwrap_err();
        assert!(matches!(error, Error::NoSecret { .. }), "{error}");
    }
}

#[test]
fn luks_headers_and_passphrases_that_are_wrong_are_told() {
    let Some((bytes, _)) = image("encrypt.format=luks,encrypt.iter-time=10") else {
        return;
    };
    let at = bytes
        .windows(6)
        .position(|window| window == b"LUKS\xba\xbe")
        .unwrap();
    let fault = |offset: usize, patch: &[u8], secret: &str| {
        let mut bytes = bytes.clone();
        bytes[at + offset..at + offset + patch.len()].copy_from_slice(patch);
        match Image::open(bytes, &options(Some(secret))) {
            Err(Error::Luks { source, .. }) => source,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(0, b"L", "wrong"), LuksFault::WrongSecret);
    assert_eq!(fault(112, &[0xff; 20], "pass word"), LuksFault::WrongSecret);
    assert_eq!(fault(0, b"l", "pass word"), LuksFault::Magic);
    assert_eq!(
        fault(6, &[0, 2], "pass word"),
        LuksFault::Version { found: 2 }
    );
    for (offset, patch, field) in [
        (8, &b"twofish\0"[..], "cipher-name"),
        (40, b"ctr-plain64\0", "cipher-mode"),
        (72, b"md5\0", "hash-spec"),
        (108, &[0, 0, 0, 17], "cipher-mode"),
    ] {
        let found = fault(offset, patch, "pass word");
        assert!(
            matches!(&found, LuksFault::Unsupported { field: named, .. } if *named == field),
            "{found}"
        );
    }
    for (offset, field) in [
        (108, "key-bytes"),
        (164, "mk-digest-iter"),
        (208 + 4, "iterations"),
        (208 + 44, "stripes"),
    ] {
        for patch in [[0; 4], [0xff; 4]] {
            let found = fault(offset, &patch, "pass word");
            assert!(
                matches!(&found, LuksFault::Limit { field: named, .. } if *named == field),
                "{found}"
            );
        }
    }
    // The split key lies behind the end.
    let mut far = bytes.clone();
    far[at + 208 + 40] = 0xff;
    let error = Image::open(far, &options(Some("pass word"))).unwrap_err();
    assert!(matches!(error, Error::TableTruncated { .. }), "{error}");
}
