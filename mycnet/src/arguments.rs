//! Arguments that several commands take.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{Span, SpanRelativeTo};
use mycnet_consensus::limits::PAYLOAD_BYTES_MAX;
use mycnet_consensus::{MemberName, Spore};
use serde::de::DeserializeOwned;

use crate::files::read_file;

/// Digits that an abbreviated id has at least: with fewer, other ids would soon begin alike.
const DIGITS_MIN: usize = 8;

/// An id, or its first digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdPrefix(pub(crate) String);

impl FromStr for IdPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(DIGITS_MIN..=64).contains(&text.len()) {
            return Err(format!(
                "an id has 64 hexadecimal digits; its first {DIGITS_MIN} or more are enough if no other known id begins with them"
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A member or another node: its name, its id, or the first digits of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRef(pub(crate) String);

impl NodeRef {
    /// The digits, if these can be those of an id.
    pub(crate) fn digits(text: &str) -> Option<String> {
        text.parse().ok().map(|IdPrefix(digits)| digits)
    }
}

impl FromStr for NodeRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if Self::digits(text).is_some() || MemberName::new(text).is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a node is given by its name (1 to 32 of a-z, 0-9 and -) or by its id, of which {DIGITS_MIN} digits or more are \
             enough"
        ))
    }
}

/// A payload: text as it stands, `@FILE`, or `hex:DIGITS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload(String);

impl FromStr for Payload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text_or_hex(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl Payload {
    pub(crate) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(path) = self.0.strip_prefix('@') {
            return read_file(Path::new(path), PAYLOAD_BYTES_MAX);
        }
        text_or_hex(&self.0).map_err(anyhow::Error::msg)
    }
}

/// The bytes of a text as it stands, or of `hex:DIGITS`.
pub(crate) fn text_or_hex(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix("hex:") {
        Some(digits) => hex::decode(digits).map_err(|error| format!("hex:…: {error}")),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// A role.
pub(crate) fn role(text: &str) -> Result<Spore, String> {
    match text {
        "primary" => Ok(Spore::Primary),
        "seed" => Ok(Spore::Seed),
        "latent" => Ok(Spore::Latent),
        _ => Err("a role is primary, seed or latent".to_owned()),
    }
}

/// A member's name.
pub(crate) fn member_name(text: &str) -> Result<MemberName, String> {
    let why = "a member's name has 1 to 32 characters, each of a-z, 0-9 or -";
    MemberName::new(text).map_err(|_| format!("{text:?}: {why}"))
}

/// A reason, which must not be blank.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a reason says why, for the others".to_owned());
    }
    Ok(text.to_owned())
}

/// A length of time as people write it: `90s`, `2h`, `1d 12h`, or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let bad =
        |_| format!("{text:?}: a length of time is 90s, 15m, 2h, 1d, 1w, or a number of seconds");
    // A span has at most 19,998 years, so that no sum of times overflows.
    let span: Span = text.parse().map_err(bad)?;
    // Months and years have no length of their own.
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
    Duration::try_from(length.map_err(bad)?)
        .map_err(|_| format!("{text:?}: a length of time is not below zero"))
}

/// The milliseconds of a length of time that [`duration`] gave.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A parser of the variants of an enum, by their names in JSON.
pub(crate) fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| serde_json::from_value(name.into()))
}

/// Waiting for the outcome.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Waiting {
    /// Wait until the operation is closed, and print its outcome
    #[arg(long, global = true)]
    pub(crate) wait: bool,

    /// Limit the wait: 90s, 2h, 1d, or seconds; the exit code is 4 if it ends before the decision
    #[arg(long, global = true, value_name = "TIME", requires = "wait", value_parser = duration)]
    timeout: Option<Duration>,

    /// Sign although this directory seems to be a copy and no node runs in it
    #[arg(long, global = true)]
    pub(crate) from_copy: bool,
}

impl Waiting {
    /// How long to wait, in milliseconds, if the user said so.
    pub(crate) fn timeout_ms(self) -> Option<u64> {
        // Thirty years are longer than any wait, and far from any overflow.
        let most = Duration::from_secs(1 << 30);
        self.timeout.map(|timeout| whole_ms(timeout.min(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_can_be_abbreviated_but_not_to_nothing() {
        let parse = str::parse::<IdPrefix>;
        assert!(parse("0123456").is_err());
        assert!(parse("01234567").is_ok());
        assert!(parse("0123456g").is_err());
        assert!(parse(&"0".repeat(65)).is_err());
        assert_eq!(parse("ABCDEF01").unwrap().0, "abcdef01");
    }

    #[test]
    fn nodes_are_given_by_name_or_by_digits() {
        let parse = str::parse::<NodeRef>;
        for good in ["ada", "4f9c12ab", "4F9C12AB", &"0".repeat(64), "ada-2"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Ada", "4F9C", "a b", &"0".repeat(65)] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(NodeRef::digits("4F9C12AB").as_deref(), Some("4f9c12ab"));
        assert_eq!(NodeRef::digits("4f9c12a"), None);
    }

    #[test]
    fn lengths_of_time_are_numbers_with_units_or_seconds() {
        for (text, ms) in [
            ("0", 0),
            ("90", 90_000),
            ("90s", 90_000),
            ("250ms", 250),
            ("15m", 15 * 60_000),
            ("1.5h", 90 * 60_000),
            ("2h", 2 * 3_600_000),
            ("1h30m", 90 * 60_000),
            ("1d", 86_400_000),
            ("1d 12h", 36 * 3_600_000),
            ("2 days", 2 * 86_400_000),
            ("1w", 7 * 86_400_000),
            ("P1DT1H", 25 * 3_600_000),
            ("4294967295", 4_294_967_295_000),
        ] {
            assert_eq!(duration(text).map(whole_ms), Ok(ms), "{text}");
        }
        for (texts, said) in [
            (
                &[
                    "",
                    "h",
                    "1x",
                    "1.5",
                    "1h and more",
                    "1mo",
                    "2 years",
                    "6000000w",
                ][..],
                "is 90s, 15m",
            ),
            (&["4294967296", "99999999999999999999"], "is 90s, 15m"),
            (&["-1h", "1d ago"], "not below zero"),
        ] {
            for text in texts {
                let error = duration(text).unwrap_err();
                assert!(error.contains(said), "{text}: {error}");
            }
        }
    }

    #[test]
    fn payloads_are_text_or_digits() {
        let bytes = |text: &str| text.parse::<Payload>().unwrap().bytes().unwrap();
        assert_eq!(bytes("42"), b"42");
        assert_eq!(bytes("hex:002a"), [0, 42]);
        assert!("hex:0".parse::<Payload>().is_err());
    }
}
