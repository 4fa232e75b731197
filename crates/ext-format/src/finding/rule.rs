//! What a field of the superblock may hold.

use std::fmt;

/// A feature word that may have no unknown bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeatureWord {
    /// `s_feature_compat`, bytes 0x5c..0x60.
    Compat,
    /// `s_feature_incompat`, bytes 0x60..0x64.
    Incompat,
    /// `s_feature_ro_compat`, bytes 0x64..0x68.
    RoCompat,
}

impl fmt::Display for FeatureWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compat => "s_feature_compat",
            Self::Incompat => "s_feature_incompat",
            Self::RoCompat => "s_feature_ro_compat",
        })
    }
}

/// The values a field may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// One value.
    Exactly(u64),
    /// All from `min` to `max`.
    Range {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// The powers of two from `min` to `max`.
    PowerOfTwo {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

impl Allowed {
    /// All from `min` to `max`.
    #[must_use]
    pub const fn range(min: u64, max: u64) -> Self {
        Self::Range { min, max }
    }

    /// Whether `value` is one of them.
    #[must_use]
    pub const fn contains(self, value: u64) -> bool {
        match self {
            Self::Exactly(only) => value == only,
            Self::Range { min, max } => min <= value && value <= max,
            Self::PowerOfTwo { min, max } => {
                min <= value && value <= max && value.is_power_of_two()
            }
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(only) => write!(f, "{only}"),
            Self::Range { min, max } => write!(f, "{min} to {max}"),
            Self::PowerOfTwo { min, max } => write!(f, "a power of two from {min} to {max}"),
        }
    }
}
