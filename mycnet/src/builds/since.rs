//! Since when: a time before the last seal, a height, or always.

use std::str::FromStr;

use mycnet_consensus::BFTConsensusEngine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Since {
    /// So many milliseconds before the last seal.
    BeforeLastMs(u64),
    Height(u64),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::Height(0));
        }
        let bad = || format!("{text:?}: since when is a time as 24h, 90m or 7d, a height, or all");
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = text.strip_suffix(unit).and_then(|it| it.parse().ok());
        let number: u64 = number.ok_or_else(bad)?;
        let unit_ms = match unit {
            "" => return Ok(Self::Height(number)),
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        number
            .checked_mul(unit_ms)
            .map(Self::BeforeLastMs)
            .ok_or_else(bad)
    }
}

impl Since {
    /// The first height.
    pub(crate) fn height(self, engine: &BFTConsensusEngine) -> Result<u64, Failure> {
        Ok(match self {
            Self::Height(height) => height,
            Self::BeforeLastMs(ms) => {
                let last = engine.last_seal();
                engine.first_height_from(last.time_ms.saturating_sub(ms))?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Since::{self, BeforeLastMs, Height};

    #[test]
    fn times_and_heights_are_told_apart() {
        for (text, since) in [
            ("24h", Some(BeforeLastMs(86_400_000))),
            ("90m", Some(BeforeLastMs(5_400_000))),
            ("7d", Some(BeforeLastMs(604_800_000))),
            ("0h", Some(BeforeLastMs(0))),
            ("12", Some(Height(12))),
            ("all", Some(Height(0))),
            ("", None),
            ("h", None),
            ("-1h", None),
            ("1.5h", None),
            ("1w", None),
            ("99999999999999999999", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(text.parse::<Since>().ok(), since, "{text}");
        }
    }
}
