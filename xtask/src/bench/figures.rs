//! What the runs of a program come to, and whether that is enough.

use std::time::Duration;

use fixtures::measure::Cost;

/// What must hold between ours and the program it is said of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// Ours is at least so many times as fast.
    Faster(f64),
    /// Ours takes at most so many times as long.
    Within(f64),
    /// The output of ours is not longer.
    NotLonger,
    /// Ours takes at most so long.
    Time(Duration),
    /// Ours takes at most so much memory.
    Memory(u64),
}

/// The runs of one program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) goals: Vec<Goal>,
    pub(super) costs: Vec<Cost>,
    pub(super) length_bytes: u64,
    /// What the output takes of its file system.
    pub(super) stored_bytes: u64,
    /// Why there are no figures.
    pub(super) missing: Option<&'static str>,
}

/// A goal, in words, and whether it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) text: String,
    pub(super) met: bool,
}

impl Series {
    pub(super) fn new(name: &str, goals: &[Goal]) -> Self {
        Self {
            name: name.into(),
            goals: goals.into(),
            costs: Vec::new(),
            length_bytes: 0,
            stored_bytes: 0,
            missing: None,
        }
    }

    /// The median of the times; `None` where there are no figures.
    pub(super) fn time(&self) -> Option<Duration> {
        self.median(|cost| cost.time)
    }

    /// The median of the processors' times.
    pub(super) fn cpu(&self) -> Option<Duration> {
        self.median(|cost| cost.cpu)
    }

    fn median(&self, of: impl Fn(&Cost) -> Duration) -> Option<Duration> {
        if self.missing.is_some() {
            return None;
        }
        let mut values: Vec<_> = self.costs.iter().map(of).collect();
        values.sort();
        let high = values.get(values.len() / 2)?;
        let low = values.get(values.len().saturating_sub(1) / 2)?;
        Some((*low + *high) / 2)
    }

    /// The shortest and the longest time.
    pub(super) fn spread(&self) -> Option<(Duration, Duration)> {
        let times = || self.costs.iter().map(|cost| cost.time);
        Some((times().min()?, times().max()?))
    }

    /// The most memory of all runs.
    pub(super) fn peak_bytes(&self) -> u64 {
        let peaks = self.costs.iter().map(|cost| cost.peak_bytes);
        peaks.max().unwrap_or_default()
    }

    /// How many times as long as `ours` this takes.
    pub(super) fn ratio(&self, ours: &Self) -> Option<f64> {
        let (time, ours) = (self.time()?, ours.time()?);
        (!ours.is_zero()).then(|| time.div_duration_f64(ours))
    }

    /// The last run, for a line of progress.
    pub(super) fn last(&self) -> String {
        let time = self.costs.last().map(|cost| cost.time).unwrap_or_default();
        format!("{}: {} s", self.name, seconds(time))
    }

    /// Whether each goal is met by `ours`; goals without figures are left out.
    pub(super) fn verdicts(&self, ours: &Self) -> Vec<Verdict> {
        let goals = self.goals.iter();
        goals.filter_map(|goal| goal.verdict(self, ours)).collect()
    }
}

impl Goal {
    fn verdict(self, series: &Series, ours: &Series) -> Option<Verdict> {
        let time = series.time()?;
        let ratio = series.ratio(ours)?;
        let (met, text) = match self {
            Self::Faster(least) => (ratio >= least, format!("{least} times as fast: {ratio:.2}")),
            Self::Within(most) => (
                1.0 / ratio <= most,
                format!("within {most} times its time: {:.2}", 1.0 / ratio),
            ),
            Self::NotLonger => (
                ours.length_bytes <= series.length_bytes,
                format!(
                    "not longer: {} of {} bytes",
                    ours.length_bytes, series.length_bytes
                ),
            ),
            Self::Time(most) => (
                time <= most,
                format!("in {} s: {} s", most.as_secs(), seconds(time)),
            ),
            Self::Memory(most) => (
                series.peak_bytes() <= most,
                format!(
                    "in {:.1} MiB: {:.1} MiB",
                    mib(most),
                    mib(series.peak_bytes())
                ),
            ),
        };
        Some(Verdict { text, met })
    }
}

/// Seconds, finer where they are few.
pub(super) fn seconds(time: Duration) -> String {
    let digits = if time < Duration::from_secs(1) { 3 } else { 2 };
    format!("{:.digits$}", time.as_secs_f64())
}

/// Bytes as MiB with a fraction, which a `Duration` can be divided into exactly
/// enough.
pub(super) fn mib(bytes: u64) -> f64 {
    Duration::from_micros(bytes).div_duration_f64(Duration::from_micros(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(goal: Goal, times: &[u64]) -> Series {
        let cost = |seconds: &u64| Cost {
            time: Duration::from_secs(*seconds),
            cpu: Duration::from_secs(2 * seconds),
            peak_bytes: seconds << 20,
        };
        Series {
            costs: times.iter().map(cost).collect(),
            ..Series::new("a", &[goal])
        }
    }

    #[test]
    fn medians_and_spreads() {
        let odd = series(Goal::NotLonger, &[9, 1, 5]);
        let seconds = Duration::from_secs;
        assert_eq!(odd.time(), Some(seconds(5)));
        assert_eq!(odd.cpu(), Some(seconds(10)));
        assert_eq!(odd.spread(), Some((seconds(1), seconds(9))));
        assert_eq!(odd.peak_bytes(), 9 << 20);
        let even = series(Goal::NotLonger, &[9, 1, 2, 4]);
        assert_eq!(even.time(), Some(seconds(3)));
        assert_eq!(series(Goal::NotLonger, &[]).time(), None);
        let missing = Series {
            missing: Some("not here"),
            ..odd
        };
        assert_eq!(missing.time(), None);
    }

    #[test]
    fn goals_are_met_up_to_their_limits() {
        let ours = series(Goal::NotLonger, &[2]);
        let ours = Series {
            length_bytes: 100,
            ..ours
        };
        for (goal, met, other) in [
            (Goal::Faster(3.0), 6, 5),
            (Goal::Within(2.0), 1, 0),
            (Goal::Time(Duration::from_secs(3)), 3, 4),
            (Goal::Memory(3 << 20), 3, 4),
        ] {
            let verdicts = |seconds| series(goal, &[seconds]).verdicts(&ours);
            assert!(verdicts(met)[0].met, "{goal:?}");
            assert!(!verdicts(other)[0].met, "{goal:?}");
        }
        for (length_bytes, met) in [(99, false), (100, true)] {
            let other = Series {
                length_bytes,
                ..series(Goal::NotLonger, &[1])
            };
            assert_eq!(other.verdicts(&ours)[0].met, met);
        }
        assert_eq!(series(Goal::Faster(1.0), &[]).verdicts(&ours), []);
    }
}
