//! Failures as JSON, for programs: one object in one line on standard error.

use serde::Serialize;

use super::kind::Kind;
use crate::output::SCHEMA;
use crate::text::harmless;

#[derive(Debug, Serialize)]
pub(super) struct ErrorReport {
    pub(super) schema: u32,
    pub(super) error: ErrorFields,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorFields {
    pub(super) kind: Kind,
    /// As people see it, the hint included.
    pub(super) message: String,
    /// The file that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    pub(super) exit_code: u8,
}

impl ErrorReport {
    pub(super) fn to_json(&self) -> String {
        // Strings and numbers can always be written.
        harmless(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// Returns the failure of a command line that makes no sense as JSON, as `message` says up
/// to its first empty line.
pub(crate) fn usage(message: &str, exit_code: u8) -> String {
    let lines = message.lines().map(str::trim);
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let message = lines.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    ErrorReport {
        schema: SCHEMA,
        error: ErrorFields {
            kind: Kind::Usage,
            message: message.to_owned(),
            path: None,
            hint: None,
            exit_code,
        },
    }
    .to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clap_says_becomes_one_line() {
        let message = "error: the following is missing:\n  <A>\n  <B>\n\nUsage: x";
        assert_eq!(
            usage(message, 2),
            r#"{"schema":1,"error":{"kind":"usage","message":"the following is missing: <A> <B>","exit_code":2}}"#
        );
    }
}
