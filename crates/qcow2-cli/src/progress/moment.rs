//! How far a stage has come, as a line.

use std::fmt::{self, Display};
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::output::SCHEMA;
use crate::text::Bytes;

/// A stage must run so long before its rate says anything.
const RATE_AFTER: Duration = Duration::from_millis(100);

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Human,
    Json,
}

/// How far a stage has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) stage: &'static str,
    pub(super) done_bytes: u64,
    pub(super) total_bytes: u64,
    /// Since the stage began.
    pub(super) elapsed: Duration,
}

impl Moment {
    /// Prints it as a line on standard error. The job does not depend on it.
    pub(super) fn print(&self, form: Form) {
        let line = match form {
            Form::Human => self.to_string(),
            Form::Json => self.json(),
        };
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    }

    /// Bytes in a second, if enough of them were done to tell.
    fn rate(&self) -> Option<u64> {
        if self.elapsed < RATE_AFTER {
            return None;
        }
        let bytes = u128::from(self.done_bytes).saturating_mul(1000);
        let rate = bytes.checked_div(self.elapsed.as_millis())?;
        Some(u64::try_from(rate).unwrap_or(u64::MAX)).filter(|rate| *rate > 0)
    }

    /// Seconds that the rest takes at this rate.
    fn seconds_left(&self) -> Option<u64> {
        let left = self.total_bytes.saturating_sub(self.done_bytes);
        Some(left.div_ceil(self.rate()?))
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Line {
            schema: u32,
            progress: Fields,
        }
        #[derive(Serialize)]
        struct Fields {
            stage: &'static str,
            done_bytes: u64,
            total_bytes: u64,
            bytes_per_second: Option<u64>,
            seconds_left: Option<u64>,
        }
        let line = Line {
            schema: SCHEMA,
            progress: Fields {
                stage: self.stage,
                done_bytes: self.done_bytes,
                total_bytes: self.total_bytes,
                bytes_per_second: self.rate(),
                seconds_left: self.seconds_left(),
            },
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stage,
            done_bytes,
            total_bytes,
            ..
        } = self;
        let percent = done_bytes.saturating_mul(100) / (*total_bytes).max(1);
        write!(
            f,
            "{stage} {percent} % ({done_bytes} of {total_bytes} bytes)"
        )?;
        if let (Some(rate), Some(left)) = (self.rate(), self.seconds_left()) {
            write!(f, ", {}/s, {left} s left", Bytes(rate))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(done_bytes: u64, total_bytes: u64, milliseconds: u64) -> Moment {
        Moment {
            stage: "packing",
            done_bytes,
            total_bytes,
            elapsed: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn a_line_has_the_rate_and_the_time_left() {
        let half = moment(1 << 30, 2 << 30, 2000);
        assert_eq!(
            half.to_string(),
            "packing 50 % (1073741824 of 2147483648 bytes), 512 MiB/s, 2 s left"
        );
        assert_eq!(
            half.json(),
            r#"{"schema":1,"progress":{"stage":"packing","done_bytes":1073741824,"total_bytes":2147483648,"bytes_per_second":536870912,"seconds_left":2}}"#
        );
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(
            moment(5, 10, 99).to_string(),
            "packing 50 % (5 of 10 bytes)"
        );
        assert_eq!(moment(0, 0, 5000).to_string(), "packing 0 % (0 of 0 bytes)");
        assert!(
            moment(0, 10, 5000)
                .json()
                .ends_with("\"bytes_per_second\":null,\"seconds_left\":null}}")
        );
        assert_eq!(moment(u64::MAX, u64::MAX, 1000).seconds_left(), Some(0));
    }
}
