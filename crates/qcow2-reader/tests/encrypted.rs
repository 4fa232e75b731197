//! Passphrases and LUKS headers that are wrong. What is right is among the recipes
//! that the program's tests run.
//!
//! Needs `qemu-img`. Without it the tests are skipped, unless the variable `CI` is
//! `true`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use qcow2_reader::{Error, Image, ImageError, LuksFault, OpenOptions, Secret};
use tempfile::TempDir;

const OBJECT: [&str; 2] = ["--object", "secret,id=s0,data=pass word"];

/// An image that QEMU made to be encrypted with these options.
fn image(options: &str) -> Option<Vec<u8>> {
    let img = fixtures::require("qemu-img")?;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("image");
    let options = format!("encrypt.key-secret=s0,{options}");
    let create = [
        "create", "-q", OBJECT[0], OBJECT[1], "-f", "qcow2", "-o", &options,
    ];
    img.ok(|command| command.args(create).arg(&path).arg("2M"))
        .unwrap();
    Some(fs::read(&path).unwrap())
}

fn options(secret: Option<&str>) -> OpenOptions {
    let mut options = OpenOptions::default();
    options.secret = secret.map(|secret| Secret::new(secret.into()));
    options
}

#[test]
fn a_passphrase_is_not_printed() {
    assert!(!format!("{:?}", options(Some("pass word"))).contains("pass"));
}

fn assert_no_secret(bytes: Vec<u8>) {
    let error = Image::open(bytes, &options(None)).unwrap_err();
    assert!(
        matches!(error, Error::Image(ImageError::NoSecret { .. })),
        "{error}"
    );
}

#[test]
fn an_image_without_its_passphrase_is_told() {
    if let Some(bytes) = image("encrypt.format=aes") {
        assert_no_secret(bytes);
    }
}

#[test]
fn luks_headers_and_passphrases_that_are_wrong_are_told() {
    let Some(bytes) = image("encrypt.format=luks,encrypt.iter-time=10") else {
        return;
    };
    assert_no_secret(bytes.clone());
    let at = bytes
        .windows(6)
        .position(|window| window == b"LUKS\xba\xbe")
        .unwrap();
    let fault = |offset: usize, patch: &[u8], secret: &str| {
        let mut bytes = bytes.clone();
        bytes[at + offset..at + offset + patch.len()].copy_from_slice(patch);
        match Image::open(bytes, &options(Some(secret))) {
            Err(Error::Image(ImageError::Luks { source, .. })) => source,
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
    assert!(
        matches!(error, Error::Image(ImageError::TableTruncated { .. })),
        "{error}"
    );
}
