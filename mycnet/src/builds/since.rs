//! Since when: a time before the last seal, a height, or always.

use std::str::FromStr;

use mycnet_consensus::BFTConsensusEngine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::{duration, whole_ms};
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
        // A number alone is a height here.
        if let Ok(height) = text.parse() {
            return Ok(Self::Height(height));
        }
        let time = duration(text).map_err(|_| {
            format!("{text:?}: since when is a time as 24h, 90m or 7d, a height, or all")
        })?;
        Ok(Self::BeforeLastMs(whole_ms(time)))
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
            ("1.5h", Some(BeforeLastMs(5_400_000))),
            ("1w", Some(BeforeLastMs(604_800_000))),
            ("1mo", None),
            ("99999999999999999999", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(text.parse::<Since>().ok(), since, "{text}");
        }
    }
}
