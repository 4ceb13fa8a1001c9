//! The parameters of a network: part of its genesis, changeable by `NetworkConfiguration` with `config_type`
//! `param.NAME`. An operation keeps the parameters it was opened under.

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, STATE_PART};
use crate::base::limits::TRUST_MAX_PPM;
use crate::base::rejection::Rejection;

/// A year: no window is longer, so that sums of times stay far below 2^53.
const WINDOW_MS_MAX: u64 = 366 * 24 * 3600 * 1000;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $max:expr;)*) => {
        /// All parameters. Shares are in parts per million (`_ppm`, 0..=1,000,000), times in milliseconds (`_ms`).
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Params {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Default for Params {
            /// The values of DESIGN sections 6 and 13, profile `default`.
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Params {
            /// The names that `param.NAME` takes.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// The largest value of a parameter on its own; `None` for an unknown name.
            pub fn max_of(name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(u64::from($max)),)*
                    _ => None,
                }
            }

            /// Reads a change: a parameter's name and its new value as decimal digits.
            ///
            /// # Errors
            ///
            /// [`Rejection::Malformed`] for an unknown name and for a value that is no number or out of range.
            pub fn parse_change(name: &str, value: &[u8]) -> Result<u64, Rejection> {
                let number: u64 = std::str::from_utf8(value)
                    .ok()
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                    .and_then(|text| text.parse().ok())
                    .ok_or(Rejection::Malformed("a parameter's value is not a number in decimal digits"))?;
                let max = Self::max_of(name)
                    .ok_or(Rejection::Malformed("no parameter has this name"))?;
                if number > max {
                    return Err(Rejection::Malformed("a parameter's value is out of range"));
                }
                Ok(number)
            }

            /// A copy with one parameter changed.
            ///
            /// # Errors
            ///
            /// As [`Params::parse_change`], and [`Rejection::Malformed`] if the changed parameters are not valid
            /// together ([`Params::check`]).
            pub fn with_change(&self, name: &str, value: &[u8]) -> Result<Self, Rejection> {
                let number = Self::parse_change(name, value)?;
                let mut changed = self.clone();
                match name {
                    $(stringify!($name) => {
                        changed.$name = <$type>::try_from(number)
                            .map_err(|_| Rejection::Malformed("a parameter's value is out of range"))?;
                    })*
                    _ => return Err(Rejection::Malformed("no parameter has this name")),
                }
                changed.check()?;
                Ok(changed)
            }

            fn in_range(&self) -> bool {
                $(u64::from(self.$name) <= u64::from($max))&&*
            }
        }
    };
}

params! {
    /// Gain for a coherent vote, as a share of the distance to full trust.
    coherent_gain_ppm: u32 = 20_000, TRUST_MAX_PPM;
    /// Loss for dissent on a claim, as a share of the trust.
    claim_dissent_ppm: u32 = 50_000, TRUST_MAX_PPM;
    /// Loss for dissent on a critical vote, as a share of the trust.
    critical_dissent_ppm: u32 = 10_000, TRUST_MAX_PPM;
    /// Loss for a frozen commit that is not revealed, as a share of the trust.
    withheld_ppm: u32 = 80_000, TRUST_MAX_PPM;
    /// Loss for absence, as a share of the trust.
    absent_ppm: u32 = 20_000, TRUST_MAX_PPM;
    /// Trust of founding members, and of nodes that a separate [`crate::members::trust::TrustScoring`] has never seen.
    founder_trust_ppm: u32 = 500_000, TRUST_MAX_PPM;
    /// Trust of admitted members.
    admitted_trust_ppm: u32 = 200_000, TRUST_MAX_PPM;
    /// `Active` members with less trust become `Suspended`.
    suspend_below_ppm: u32 = 300_000, TRUST_MAX_PPM;
    /// `Probation` and `Suspended` members become `Active` from this trust on, with enough coherent votes in a row.
    activate_from_ppm: u32 = 400_000, TRUST_MAX_PPM;
    /// Coherent votes in a row that are needed to become `Active`.
    activate_streak: u32 = 10, 1_000_000_u32;
    /// How far a seal's time may be ahead of a sealer's clock.
    drift_ms: u64 = 10 * SECOND_MS, WINDOW_MS_MAX;
    /// After this time the commits of a claim are frozen even if some electors have not committed. Also the second step
    /// of the windows of claims and of spore authority.
    claim_grace_ms: u64 = MINUTE_MS, WINDOW_MS_MAX;
    /// The same for critical operations.
    critical_grace_ms: u64 = HOUR_MS, WINDOW_MS_MAX;
    /// How long an operation waits for commits.
    commit_window_ms: u64 = DAY_MS, WINDOW_MS_MAX;
    /// How long an operation waits for reveals.
    reveal_window_ms: u64 = DAY_MS, WINDOW_MS_MAX;
    /// How long an operation waits for the Primary's directive.
    primary_window_ms: u64 = 10 * MINUTE_MS, WINDOW_MS_MAX;
    /// How long a Seed may object to a directive.
    objection_window_ms: u64 = 10 * MINUTE_MS, WINDOW_MS_MAX;
    /// How long an operation waits for the Seeds' resolutions.
    resolution_window_ms: u64 = HOUR_MS, WINDOW_MS_MAX;
    /// The longest time that a host waits in a step of the agreement on a seal. Hosts adapt and mostly wait less.
    step_patience_ms: u64 = 20 * SECOND_MS, WINDOW_MS_MAX;
}

impl Params {
    /// For tests and demonstrations on one machine: windows of seconds.
    pub fn dev() -> Self {
        Self {
            drift_ms: 500,
            claim_grace_ms: 2 * SECOND_MS,
            critical_grace_ms: 2 * SECOND_MS,
            commit_window_ms: 60 * SECOND_MS,
            reveal_window_ms: 60 * SECOND_MS,
            primary_window_ms: 5 * SECOND_MS,
            objection_window_ms: 5 * SECOND_MS,
            resolution_window_ms: 5 * SECOND_MS,
            step_patience_ms: SECOND_MS,
            ..Self::default()
        }
    }

    /// For people who meet now and then: windows of days.
    pub fn field() -> Self {
        Self {
            drift_ms: 10 * MINUTE_MS,
            claim_grace_ms: HOUR_MS,
            critical_grace_ms: DAY_MS,
            commit_window_ms: 7 * DAY_MS,
            reveal_window_ms: 7 * DAY_MS,
            primary_window_ms: DAY_MS,
            objection_window_ms: DAY_MS,
            resolution_window_ms: 2 * DAY_MS,
            step_patience_ms: 20 * MINUTE_MS,
            ..Self::default()
        }
    }

    /// BLAKE3 of the canonical parameters.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(STATE_PART.hash(&codec::encode(self)))
    }

    /// Checks the parameters together: ranges; every window that is not zero is at least `4 * drift_ms`; graces are
    /// longer than the step patience (DESIGN section 4, windows).
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] names the rule.
    pub fn check(&self) -> Result<(), Rejection> {
        if !self.in_range() {
            return Err(Rejection::Malformed("a parameter is out of range"));
        }
        let windows = [
            self.claim_grace_ms,
            self.critical_grace_ms,
            self.commit_window_ms,
            self.reveal_window_ms,
            self.primary_window_ms,
            self.objection_window_ms,
            self.resolution_window_ms,
        ];
        let four_drifts = 4 * self.drift_ms;
        if windows
            .iter()
            .any(|window| *window > 0 && *window < four_drifts)
        {
            return Err(Rejection::Malformed(
                "a window is neither zero nor at least four drifts long",
            ));
        }
        if self.claim_grace_ms.min(self.critical_grace_ms) <= self.step_patience_ms {
            return Err(Rejection::Malformed(
                "a commit grace is not longer than the step patience",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_are_valid() {
        for params in [Params::default(), Params::dev(), Params::field()] {
            assert_eq!(params.check(), Ok(()));
        }
    }

    #[test]
    fn a_change_is_judged_with_the_whole() {
        let params = Params::default();
        let changed = params.with_change("absent_ppm", b"0").unwrap();
        assert_eq!(changed.absent_ppm, 0);
        for (name, value) in [
            ("absent_ppm", &b"1000001"[..]),
            ("absent_ppm", b"-1"),
            ("absent_ppm", b"+1"),
            ("absent_ppm", b""),
            ("nothing", b"1"),
            ("drift_ms", b"20000"),
            ("claim_grace_ms", b"10000"),
        ] {
            assert!(params.with_change(name, value).is_err(), "{name}");
        }
    }
}
