use super::*;

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
        assert!(compression.levels().contains(&compression.level()));
    }
}

#[test]
fn levels_are_those_of_the_library() {
    let most = if cfg!(feature = "libdeflate") { 12 } else { 9 };
    assert_eq!(zlib(0).levels(), 1..=most);
    assert_eq!(ZLIB_4K.levels(), 1..=9);
    assert_eq!(Compression::Zstd { level: 23 }.levels(), 1..=22);
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
