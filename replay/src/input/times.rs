//! A column of times: numbers or dates, from which the seals take their time.
//!
//! Seal time never goes back. Where a line's time is earlier than that of the line before, as in a file of several parts that each
//! count from their own beginning, the time begins anew: it goes on from where it was.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::answers::Time;

/// The first time, and the step to the first one after a new beginning.
const STEP_MS: i64 = 1000;

/// The latest time: 100,000 years. Nobody's records are longer, and no sum overflows.
const TIME_MS_MAX: i64 = 100_000 * 366 * 24 * 60 * 60 * 1000;

/// Numbers from here are milliseconds: as seconds they would be in the year 5138.
const SECONDS_END: i64 = 100_000_000_000;

/// The unit of times that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Minutes,
    /// Seconds, or milliseconds where the number is too large for them.
    Seconds,
}

/// The times of a file, line by line.
#[derive(Debug)]
pub(super) struct Times {
    unit: Unit,
    /// The last time as in the file, and where it is in seal time.
    last: Option<(i64, i64)>,
    restarts: Vec<u64>,
}

impl Times {
    /// Times below a header. It tells their unit.
    pub(super) fn of(header: &str) -> Self {
        let is_minutes = header.to_lowercase().contains("minute");
        Self {
            unit: if is_minutes {
                Unit::Minutes
            } else {
                Unit::Seconds
            },
            last: None,
            restarts: Vec::new(),
        }
    }

    /// The time of the next line.
    ///
    /// # Errors
    ///
    /// A text for people: it is no time, or too late.
    pub(super) fn next(&mut self, line: u64, text: &str) -> Result<Time, String> {
        let read = milliseconds(text, self.unit).ok_or_else(|| {
            format!(
                "the time is {text:?}: expected a number of seconds, of milliseconds or (in a column whose name says so) of \
                 minutes, or a date such as 2024-06-30, 2024-06-30 18:05:00 or 2024-06-30T18:05:00Z"
            )
        })?;
        let ms = match self.last {
            None => Some(STEP_MS),
            Some((before, at)) if read >= before => {
                read.checked_sub(before).and_then(|gap| at.checked_add(gap))
            }
            Some((_, at)) => {
                self.restarts.push(line);
                at.checked_add(STEP_MS)
            }
        };
        let too_late = || {
            format!(
                "the time is {text:?}, and with it the file spans more than 100,000 years: is it the right column? --columns \
                 names another, or none"
            )
        };
        let ms = ms.filter(|ms| *ms <= TIME_MS_MAX).ok_or_else(too_late)?;
        self.last = Some((read, ms));
        Ok(Time {
            ms: ms.unsigned_abs(),
            text: text.into(),
        })
    }

    /// The lines at which the time began anew.
    pub(super) fn into_restarts(self) -> Vec<u64> {
        self.restarts
    }
}

/// A time in milliseconds from a beginning that all times of its form share.
fn milliseconds(text: &str, unit: Unit) -> Option<i64> {
    if let Some(number) = number(text) {
        let (whole, thousandths) = number;
        return match unit {
            Unit::Minutes => whole.checked_mul(60_000)?.checked_add(60 * thousandths),
            Unit::Seconds if whole >= SECONDS_END => Some(whole),
            Unit::Seconds => whole.checked_mul(1000)?.checked_add(thousandths),
        };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    // Without a time zone: all lines of a file have the same one.
    let time: DateTime = text.parse().ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(time.as_millisecond())
}

/// A decimal number that is not negative: the whole part, and the first three decimals.
fn number(text: &str) -> Option<(i64, i64)> {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || decimals.is_empty() || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let thousandths: String = decimals.chars().chain("00".chars()).take(3).collect();
    Some((whole.parse().ok()?, thousandths.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_are_times() {
        let (seconds, minutes) = (Unit::Seconds, Unit::Minutes);
        for (text, unit, expected) in [
            ("0", seconds, Some(0)),
            ("12", seconds, Some(12_000)),
            ("12.5", seconds, Some(12_500)),
            ("12.0009", seconds, Some(12_000)),
            ("12.05", minutes, Some(723_000)),
            ("1719770700", seconds, Some(1_719_770_700_000)),
            ("1719770700123", seconds, Some(1_719_770_700_123)),
            ("2024-06-30", seconds, Some(1_719_705_600_000)),
            ("2024-06-30", minutes, Some(1_719_705_600_000)),
            ("2024-06-30 18:05", seconds, Some(1_719_770_700_000)),
            ("2024-06-30 18:05:00.123", seconds, Some(1_719_770_700_123)),
            ("2024-06-30T18:05:00Z", seconds, Some(1_719_770_700_000)),
            (
                "2024-06-30T20:05:00+02:00",
                seconds,
                Some(1_719_770_700_000),
            ),
            ("9223372036854775807", minutes, None),
            ("99999999999999999999", seconds, None),
            ("-1", seconds, None),
            ("1.", seconds, None),
            (".5", seconds, None),
            ("1e3", seconds, None),
            ("2024-02-30", seconds, None),
            ("yesterday", seconds, None),
            ("", seconds, None),
        ] {
            assert_eq!(milliseconds(text, unit), expected, "{text:?} {unit:?}");
        }
    }

    #[test]
    fn time_never_goes_back() {
        let mut times = Times::of("Minute");
        let lines = ["5", "5", "7", "0", "1", "2024-01-01", "3"];
        let read = (2..).zip(lines);
        let read = read.map(|(line, text)| times.next(line, text).map(|time| time.ms));
        let read: Vec<u64> = read.collect::<Result<_, _>>().unwrap();
        assert_eq!(read[..5], [1000, 1000, 121_000, 122_000, 182_000]);
        assert_eq!(read[6], read[5] + 1000);
        assert_eq!(times.into_restarts(), [5, 8]);
    }

    #[test]
    fn what_is_no_time_or_too_late_is_refused() {
        let mut times = Times::of("time");
        times.next(2, "1").unwrap();
        for (text, why) in [
            ("soon", "the time is \"soon\": expected a number of seconds"),
            ("9223372036854775807", "more than 100,000 years"),
        ] {
            let error = times.next(3, text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        // Each beginning costs a step, so many of them end too.
        times.last = Some((1, TIME_MS_MAX));
        assert!(times.next(3, "0").unwrap_err().contains("100,000 years"));
    }
}
