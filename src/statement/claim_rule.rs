//! The rule by which the electors of a claim come to a result ([P5]).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::rejection::Rejection;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// How much of the revealed weight a result needs, and how many electors.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// Parts per million of the weight that was not an abstention: the result needs more. 500,000..=999,999, or 0 for a plurality:
    /// more than every other result.
    pub share_ppm: u32,
    /// The number of electors with weight that have to reveal the result, at least 1.
    pub electors: u32,
}

impl ClaimRule {
    /// The largest share; all of the weight could not be exceeded.
    pub const SHARE_PPM_MAX: u32 = 999_999;

    /// More weight than every other result.
    pub const PLURALITY: Self = Self {
        share_ppm: 0,
        electors: 1,
    };

    /// More than half of the weight.
    pub const MAJORITY: Self = Self {
        share_ppm: 500_000,
        electors: 1,
    };

    /// Judges the rule by itself.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] for a share or number out of range.
    pub fn check(self) -> Result<(), Rejection> {
        if self.share_ppm != 0 && !(500_000..=Self::SHARE_PPM_MAX).contains(&self.share_ppm) {
            return Err(Rejection::Malformed(
                "the share of a claim is neither 0 (plurality) nor in 500,000..=999,999",
            ));
        }
        if self.electors == 0 {
            return Err(Rejection::Malformed(
                "a claim needs at least one elector that agrees",
            ));
        }
        Ok(())
    }
}

/// The majority.
impl Default for ClaimRule {
    fn default() -> Self {
        Self::MAJORITY
    }
}

impl fmt::Display for ClaimRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.share_ppm {
            0 => f.write_str("plurality")?,
            500_000 => f.write_str("majority")?,
            share => write!(f, "more than {}.{:04} %", share / 10_000, share % 10_000)?,
        }
        if self.electors > 1 {
            write!(f, ", at least {} electors", self.electors)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_below_a_half_and_nobody_are_refused() {
        for (share_ppm, electors, is_valid) in [
            (0, 1, true),
            (1, 1, false),
            (499_999, 1, false),
            (500_000, 3, true),
            (999_999, 1, true),
            (1_000_000, 1, false),
            (0, 0, false),
        ] {
            let rule = ClaimRule {
                share_ppm,
                electors,
            };
            assert_eq!(rule.check().is_ok(), is_valid, "{rule:?}");
        }
    }

    #[test]
    fn people_read_the_rule() {
        let rule = ClaimRule {
            share_ppm: 666_667,
            electors: 3,
        };
        assert_eq!(rule.to_string(), "more than 66.6667 %, at least 3 electors");
        assert_eq!(ClaimRule::PLURALITY.to_string(), "plurality");
    }
}
