//! Text where there should be numbers: what a block holds that is not what it
//! is taken for.

/// Zeros whatever reads as at least `length_min` bytes of text in `bytes`:
/// UTF-8 without control characters. Returns whether there was any.
pub(super) fn clear_text(bytes: &mut [u8], length_min: usize) -> bool {
    let mut found = Vec::new();
    let mut at = 0usize;
    for chunk in bytes.utf8_chunks() {
        for text in chunk.valid().split_inclusive(char::is_control) {
            let end = at.saturating_add(text.trim_end_matches(char::is_control).len());
            if end.saturating_sub(at) >= length_min {
                found.push(at..end);
            }
            at = at.saturating_add(text.len());
        }
        at = at.saturating_add(chunk.invalid().len());
    }
    for range in &found {
        if let Some(text) = bytes.get_mut(range.clone()) {
            text.fill(0);
        }
    }
    !found.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn clears(bytes: &[u8], want: &[u8]) {
        let mut cleared = bytes.to_vec();
        assert_eq!(clear_text(&mut cleared, 4), bytes != want);
        assert_eq!(cleared, want);
    }

    #[test]
    fn text_goes_and_numbers_stay() {
        clears(b"", b"");
        clears(b"abc\x01\x02\x03", b"abc\x01\x02\x03");
        clears(b"abcd\x01\x02abc\0efgh", b"\0\0\0\0\x01\x02abc\0\0\0\0\0");
        clears(b"\xff\xfeabcd\xff", b"\xff\xfe\0\0\0\0\xff");
        clears("\u{1}äöü\u{1}é".as_bytes(), b"\x01\0\0\0\0\0\0\x01\xc3\xa9");
    }
}
