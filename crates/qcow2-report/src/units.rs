//! Numbers for people.

/// A number of bytes, such as `2.94 GiB`: as the program prints it elsewhere.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = number.checked_ilog2().unwrap_or(0) / 10;
    let name = UNITS.get(usize::try_from(unit).unwrap_or(0)).unwrap_or(&"");
    let bits = unit.saturating_mul(10);
    let whole = number >> bits;
    if unit == 0 || whole >= 100 {
        return format!("{whole} {name}");
    }
    let hundredths = (u128::from(number).saturating_mul(100) >> bits) % 100;
    match (hundredths / 10, hundredths % 10) {
        (0, 0) => format!("{whole} {name}"),
        (tenths, 0) => format!("{whole}.{tenths} {name}"),
        (tenths, rest) => format!("{whole}.{tenths}{rest} {name}"),
    }
}

/// `part` of `whole` in percent, such as `36.8 %`; below a tenth and above none it says so.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let tenths = per_mille(part, whole);
    if tenths == 0 && part > 0 {
        return "< 0.1 %".to_owned();
    }
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// `part` of `whole` in tenths of a percent, at most 1000.
pub(crate) fn per_mille(part: u64, whole: u64) -> u64 {
    let scaled = u128::from(part).saturating_mul(1000);
    let tenths = scaled.checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(tenths).unwrap_or(u64::MAX).min(1000)
}

/// A number with its thousands apart, such as `16 777 216`: the spaces are narrow and do
/// not break.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3_113_851_289), "2.89 GiB");
        assert_eq!(bytes(u64::MAX), "15.99 EiB");
        assert_eq!(percent(0, 0), "0.0 %");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(1, 1 << 40), "< 0.1 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1\u{202f}234");
        assert_eq!(grouped(123_456), "123\u{202f}456");
    }
}
