use qcow2_codec::DeflateWindow;

use super::*;
use crate::error::ErrorKind;

fn zlib(level: u8) -> Compression {
    Compression::Zlib {
        level,
        window: DeflateWindow::Kib32,
    }
}

#[test]
fn what_no_image_can_have_is_refused() {
    let zstd = |level| Compression::Zstd { level };
    for compression in [zlib(0), zlib(13), zstd(0), zstd(23)] {
        let want = Unrepresentable::CompressionLevel {
            name: compression.name(),
            level: compression.level(),
            levels: compression.levels(),
        };
        assert_eq!(want.kind(), ErrorKind::Invalid);
        assert_eq!(check(&compression, Version::V3), Err(want));
    }
    let error = check(&zstd(23), Version::V3).unwrap_err();
    assert_eq!(
        error.to_string(),
        "zstd has no level 23 here; 1 to 22 are allowed"
    );

    assert_eq!(check(&zlib(1), Version::V2), Ok(()));
    let error = check(&zstd(3), Version::V2).unwrap_err();
    assert_eq!(error, Unrepresentable::CompressionType { name: "zstd" });
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "zstd compression needs version 3 of the format (compat 1.1); version 2 (compat 0.10) has \
         zlib only"
    );
}
