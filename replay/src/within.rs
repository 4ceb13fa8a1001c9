//! How long a question waits for answers.

use std::str::FromStr;

use jiff::{Span, SpanRelativeTo};

/// The least that seals and times tell apart.
const MS_MIN: u64 = 1000;

/// A wait in milliseconds, at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Within(u64);

impl Within {
    /// In milliseconds.
    pub(crate) fn ms(self) -> u64 {
        self.0
    }
}

impl FromStr for Within {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A span has at most 19,998 years, so that no sum of times overflows.
        let span: Span = (text.parse())
            .map_err(|_| "expected numbers and their units, such as 1d, 36h, 90m or 1d 12h")?;
        // Months and years have no length of their own.
        let duration = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| "expected weeks (w), days (d), hours (h), minutes (m) or seconds (s)")?;
        let ms = u64::try_from(duration.as_millis()).unwrap_or_default();
        if ms < MS_MIN {
            return Err("a wait is at least a second".to_owned());
        }
        Ok(Self(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_units() {
        for (text, ms) in [
            ("1s", 1000),
            ("90m", 90 * 60_000),
            ("36h", 36 * 3_600_000),
            ("1d", 86_400_000),
            ("1d 12h", 36 * 3_600_000),
            ("1.5h", 90 * 60_000),
            ("2 days", 2 * 86_400_000),
            ("1w", 7 * 86_400_000),
            ("P1DT1H", 25 * 3_600_000),
        ] {
            assert_eq!(text.parse(), Ok(Within(ms)), "{text}");
        }
        for (texts, said) in [
            (
                &["", "1", "day", "-", "1x", "1d, and more", "6000000w"][..],
                "expected numbers and their units",
            ),
            (&["1mo", "2 years"], "expected weeks (w), days (d)"),
            (&["0s", "999ms", "-1d", "1d ago"], "at least a second"),
        ] {
            for text in texts {
                let error = text.parse::<Within>().unwrap_err();
                assert!(error.contains(said), "{text}: {error}");
            }
        }
    }
}
