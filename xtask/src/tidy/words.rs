//! What no file of the project may say.

use super::finding::{File, Finding};

/// Marks of unfinished work, split so that this file holds none.
const MARKS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

/// Folders of some machine, split likewise.
const PLACES: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
];

/// Finds unfinished work and paths of a machine.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for mark in MARKS.iter().filter(|mark| holds_word(line, mark)) {
                findings.push(file.finding(index + 1, format!("`{mark}` is unfinished work")));
            }
            for place in PLACES.iter().filter(|place| holds_path(line, place)) {
                findings.push(file.finding(index + 1, format!("`{place}` is a path of a machine")));
            }
        }
    }
    findings
}

fn holds_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let behind = &line[at + word.len()..];
        !line[..at].ends_with(part) && (word.ends_with('(') || !behind.starts_with(part))
    })
}

/// Whether `line` holds an absolute path that starts with `place`.
fn holds_path(line: &str, place: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "_-.}/*".contains(c);
    let starts = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    line.match_indices(place)
        .any(|(at, _)| !line[..at].ends_with(part) && line[at + place.len()..].starts_with(starts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let file = File {
            path: "a".into(),
            text: text.into(),
        };
        check(&[file]).len()
    }

    #[test]
    fn marks_are_words() {
        let mark = MARKS[0];
        assert_eq!(count(&format!("a\n// {mark}: b")), 1);
        assert_eq!(count(&format!("{mark}S and MY_{mark}")), 0);
        assert_eq!(count(&format!("    {}x);", MARKS[2])), 1);
    }

    #[test]
    fn paths_are_absolute() {
        let place = PLACES[0];
        assert_eq!(count(&format!("in {place}me")), 1);
        assert_eq!(count(&format!("`{place}me`")), 1);
        assert_eq!(count(&format!("https://example.org{place}me")), 0);
        assert_eq!(count(&format!("$DIR{place}me")), 0);
        assert_eq!(count(&format!("the folder {place}")), 0);
    }
}
