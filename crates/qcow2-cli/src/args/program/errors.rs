//! The form of errors, which must be known before the command line is parsed.

use std::ffi::{OsStr, OsString};

/// The option that says so.
const OPTION: &str = "--errors";

/// Whether the command line `words` wants errors as JSON. A word that is the value of another
/// option may be taken for this one, to no harm but the form of errors.
pub(crate) fn are_json(words: &[OsString]) -> bool {
    value_of(words, OPTION).is_some_and(|value| value == "json")
}

/// The value of the last option `name` in `words`, which ends with the first `--`.
fn value_of<'w>(words: &'w [OsString], name: &str) -> Option<&'w OsStr> {
    let options = words.iter().take_while(|word| *word != "--");
    let options: Vec<_> = options.collect();
    let mut found = None;
    for (at, word) in options.iter().enumerate() {
        if **word == name {
            found = options
                .get(at.saturating_add(1))
                .map(|word| word.as_os_str());
        } else if let Some((option, value)) = word.to_str().and_then(|word| word.split_once('='))
            && option == name
        {
            found = Some(OsStr::new(value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_errors_is_known_before_all_is_parsed() {
        let is_json = |line: &str| {
            let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
            are_json(&words)
        };
        assert!(is_json("qcow2 --errors json info x"));
        assert!(is_json("qcow2 info --errors=json --no-such-option"));
        assert!(is_json("qcow2 info --errors human --errors json x"));
        assert!(!is_json("qcow2 info --output json x"));
        assert!(!is_json("qcow2 info --errors human x"));
        assert!(!is_json("qcow2 info -- --errors json"));
        assert!(!is_json("qcow2 info --errors"));
    }
}
