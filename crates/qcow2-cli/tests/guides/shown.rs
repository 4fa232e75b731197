//! Whether a page shows what was printed.

/// What stands for any text, and alone in a line for any lines.
const ANYTHING: &str = "…";

/// Whether the lines that a page shows are those that were printed.
pub(super) fn is_shown(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == ANYTHING => {
            (0..=printed.len()).any(|skipped| is_shown(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| is_line(first, line) && is_shown(rest, others)),
    }
}

/// Whether a page shows `line` as `shown`.
fn is_line(shown: &str, line: &str) -> bool {
    let Some((first, rest)) = shown.split_once(ANYTHING) else {
        return shown == line;
    };
    let Some(mut line) = line.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest
        .rsplit_once(ANYTHING)
        .map_or((None, rest), |(m, l)| (Some(m), l));
    for piece in middle.into_iter().flat_map(|middle| middle.split(ANYTHING)) {
        let Some((_, after)) = line.split_once(piece) else {
            return false;
        };
        line = after;
    }
    line.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_compared() {
        for (shown, printed, is_same) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "b", false),
            ("a", "a|b", false),
            ("a|b", "a", false),
            ("a…", "abc", true),
            ("a…c", "abc", true),
            ("a…c", "ac", true),
            ("a…c", "abcd", false),
            ("a…b…c…d", "a1b2c3d", true),
            ("a…b…c…d", "a1c2b3d", false),
            ("a…a", "a", false),
            ("…|b", "a|b", true),
            ("…|b", "b", true),
            ("a|…", "a|b|c", true),
            ("a|…|c", "a|b|d", false),
            ("a|…|c|…|e", "a|c|d|c|e", true),
        ] {
            let lines = |text: &'static str| text.split('|').filter(|line| !line.is_empty());
            let shown_lines: Vec<_> = lines(shown).map(str::to_owned).collect();
            let printed_lines: Vec<_> = lines(printed).collect();
            assert_eq!(
                is_shown(&shown_lines, &printed_lines),
                is_same,
                "{shown} {printed}"
            );
        }
    }
}
