//! The share of the weight that a claim's result has to exceed, as people write it.

use std::str::FromStr;

use mycnet_consensus::ClaimRule;

/// All of the weight, in parts per million.
const WHOLE_PPM: u128 = 1_000_000;

/// Parts per million, as in [`ClaimRule::share_ppm`]. The plurality unless given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share(u32);

impl Share {
    /// As in [`ClaimRule::share_ppm`].
    pub fn ppm(self) -> u32 {
        self.0
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads `plurality`, `majority`, a fraction or a percentage. It is rounded up to parts per million, so that exactly the
    /// share that was written is not enough: 2/3 becomes 666,667, and exactly two thirds of the weight are not more.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "plurality" => return Ok(Self(ClaimRule::PLURALITY.share_ppm)),
            "majority" => return Ok(Self(ClaimRule::MAJORITY.share_ppm)),
            _ => {}
        }
        let (part, whole) = fraction(text)
            .or_else(|| percentage(text))
            .ok_or("expected plurality, majority, a fraction (2/3) or a percentage (66.7%)")?;
        let ppm = (u128::from(part) * WHOLE_PPM).div_ceil(u128::from(whole));
        match u32::try_from(ppm) {
            Ok(ppm @ 500_000..=ClaimRule::SHARE_PPM_MAX) => Ok(Self(ppm)),
            _ => Err(
                "a share is at least a half and at most 99.9999%, because a result needs more than it"
                    .to_owned(),
            ),
        }
    }
}

/// `PART/WHOLE`.
fn fraction(text: &str) -> Option<(u64, u64)> {
    let (part, whole) = text.split_once('/')?;
    let (part, whole) = (digits(part)?, digits(whole)?);
    (whole > 0).then_some((part, whole))
}

/// `NUMBER%`, with a decimal point or without.
fn percentage(text: &str) -> Option<(u64, u64)> {
    let number = text.strip_suffix('%')?.trim_end();
    let (units, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let units = digits(units)?.checked_mul(scale)?;
    let part = units.checked_add(digits(decimals)?)?;
    Some((part, scale.checked_mul(100)?))
}

/// A number of decimal digits alone.
fn digits(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_or_rounded_up() {
        for (text, ppm) in [
            ("plurality", 0),
            ("majority", 500_000),
            ("1/2", 500_000),
            ("50%", 500_000),
            ("2/3", 666_667),
            ("3/4", 750_000),
            ("66.7%", 667_000),
            ("66.66667 %", 666_667),
            ("99.9999%", 999_999),
        ] {
            assert_eq!(text.parse(), Ok(Share(ppm)), "{text}");
        }
        for (texts, said) in [
            (
                &["1/3", "0/1", "100%", "1/1", "3/2", "9999999/10000000"][..],
                "at least a half",
            ),
            (
                &[
                    "", "most", "2/0", "-2/3", "2/-3", "+2/3", "0.7", "%", ".5%", "50.%", "50,5%",
                ],
                "expected plurality",
            ),
        ] {
            for text in texts {
                let error = text.parse::<Share>().unwrap_err();
                assert!(error.contains(said), "{text}: {error}");
            }
        }
    }

    /// What parts per million cannot say exactly is never easier than what was written.
    #[test]
    fn exactly_the_share_is_not_enough() {
        for (part, whole) in [(2_u64, 3_u64), (3, 5), (4, 7), (5, 9), (6, 7), (341, 512)] {
            let Share(ppm) = format!("{part}/{whole}").parse().unwrap();
            assert!(part * 1_000_000 <= u64::from(ppm) * whole, "{part}/{whole}");
            assert!(
                (part + 1) * 1_000_000 > u64::from(ppm) * whole,
                "{part}/{whole}"
            );
        }
    }
}
