use super::*;
use crate::error::ErrorKind;

const ZLIB_4K: Compression = Compression::Zlib {
    level: 6,
    window: DeflateWindow::Kib4,
};

fn zlib(level: u8) -> Compression {
    Compression::Zlib {
        level,
        window: DeflateWindow::Kib32,
    }
}

#[test]
fn the_default_levels_exist() {
    for compression in [
        zlib(Compression::ZLIB_LEVEL_DEFAULT),
        Compression::Zlib {
            level: Compression::ZLIB_LEVEL_DEFAULT,
            window: DeflateWindow::Kib4,
        },
        Compression::Zstd {
            level: Compression::ZSTD_LEVEL_DEFAULT,
        },
    ] {
        assert_eq!(compression.check(Version::V3), Ok(()));
    }
}

#[test]
fn what_no_image_can_have_is_refused() {
    let zstd = |level| Compression::Zstd { level };
    let most = if cfg!(feature = "libdeflate") { 12 } else { 9 };
    for (compression, levels) in [
        (zlib(0), 1..=most),
        (zlib(13), 1..=most),
        (zstd(23), 1..=22),
    ] {
        let want = Unrepresentable::CompressionLevel {
            name: compression.name(),
            level: compression.level(),
            levels,
        };
        assert_eq!(want.kind(), ErrorKind::Invalid);
        assert_eq!(compression.check(Version::V3), Err(want));
    }
    assert_eq!(ZLIB_4K.levels(), 1..=9);
    let error = zstd(23).check(Version::V3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "zstd has no level 23 here; 1 to 22 are allowed"
    );

    assert_eq!(zlib(1).check(Version::V2), Ok(()));
    let error = zstd(3).check(Version::V2).unwrap_err();
    assert_eq!(error, Unrepresentable::CompressionType { name: "zstd" });
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "zstd compression needs version 3 of the format (compat 1.1); version 2 (compat 0.10) has \
         zlib only"
    );
}

#[test]
fn codecs_are_named_with_their_versions() {
    let deflate = if cfg!(feature = "libdeflate") {
        "libdeflate 1.26 level 1"
    } else {
        "zlib-rs 0.6.8 level 1"
    };
    assert_eq!(zlib(1).codec(), deflate);
    assert_eq!(ZLIB_4K.codec(), "zlib-rs 0.6.8 level 6, 4 KiB window");
    assert_eq!(Compression::Zstd { level: 9 }.codec(), "zstd 1.5.7 level 9");

    let lock = include_str!("../../../../Cargo.lock");
    for (name, version) in [
        ("libdeflate-sys", "1.26."),
        ("zlib-rs", "0.6.8"),
        ("zstd-sys", "2.1.3+zstd.1.5.7"),
    ] {
        let package = format!("name = \"{name}\"\nversion = \"{version}");
        assert!(lock.contains(&package), "{name} is not {version} any more");
    }
}
