//! The parameters of a network: part of its genesis, changeable by `NetworkConfiguration` with `config_type`
//! `param.NAME`. An operation keeps the parameters it was opened under ([P7]). [B3] has the bounds, [B4] the profiles.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, STATE_PART};
use crate::base::limits::{MEMBERS_MAX, TRUST_MAX_PPM};
use crate::base::rejection::Rejection;
use crate::statement::claim_rule::ClaimRule;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// No window is longer, in milliseconds: a network that was given too long a window can still be mended within a month.
const WINDOW_MS_MAX: u64 = 31 * DAY_MS;

/// The largest penalty: half of a score.
const PENALTY_PPM_MAX: u32 = 500_000;

/// Trust thresholds and starting trust stay within these bounds, so that both sides of every threshold can be reached.
const THRESHOLD_PPM: RangeInclusive<u32> = 50_000..=900_000;

#[allow(clippy::cast_possible_truncation, reason = "1,024")]
const MEMBERS_MAX_U32: u32 = MEMBERS_MAX as u32;

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $range:expr;)*) => {
        /// All parameters. Shares are in parts per million (`_ppm`, 0..=1,000,000), times in milliseconds (`_ms`).
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct Params {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Default for Params {
            /// The profile `default`.
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Params {
            /// The names that `param.NAME` takes.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// The least and the largest value of a parameter on its own; `None` for an unknown name.
            pub fn range_of(name: &str) -> Option<(u64, u64)> {
                match name {
                    $(stringify!($name) => Some(Self::bounds::<$type>($range)),)*
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
                let (least, most) = Self::range_of(name)
                    .ok_or(Rejection::Malformed("no parameter has this name"))?;
                if number < least || number > most {
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

            fn bounds<T: Copy + Into<u64>>(range: RangeInclusive<T>) -> (u64, u64) {
                ((*range.start()).into(), (*range.end()).into())
            }

            fn in_range(&self) -> bool {
                $(RangeInclusive::<$type>::contains(&$range, &self.$name))&&*
            }
        }
    };
}

params! {
    /// Gain in trust for a coherent vote, as a share of the distance to full trust.
    coherent_gain_ppm: u32 = 20_000, 1..=200_000;
    /// Gain in skill for a coherent answer to a claim, as a share of the distance to full skill.
    skill_gain_ppm: u32 = 20_000, 1..=200_000;
    /// Loss of trust for dissent on a claim, as a share of the trust. Claims alone suspend nobody, so this is small.
    claim_dissent_ppm: u32 = 10_000, 0..=10_000;
    /// Loss of skill for dissent on a claim, as a share of the skill.
    skill_dissent_ppm: u32 = 50_000, 0..=PENALTY_PPM_MAX;
    /// Loss of trust for dissent on a critical vote, as a share of the trust.
    critical_dissent_ppm: u32 = 10_000, 0..=PENALTY_PPM_MAX;
    /// Loss of trust for an objection that was overruled, as a share of the trust.
    overruled_ppm: u32 = 10_000, 0..=PENALTY_PPM_MAX;
    /// Loss for a frozen commit that is not revealed, as a share of the trust and, for a claim, of the skill. It is never less
    /// than the loss for being wrong.
    withheld_ppm: u32 = 80_000, 0..=PENALTY_PPM_MAX;
    /// Loss of trust for absence, as a share of the trust.
    absent_ppm: u32 = 20_000, 0..=PENALTY_PPM_MAX;
    /// Trust of founding members, and of nodes that a separate [`crate::members::trust::TrustScoring`] has never seen.
    founder_trust_ppm: u32 = 500_000, THRESHOLD_PPM;
    /// Trust of admitted members.
    admitted_trust_ppm: u32 = 200_000, 0..=*THRESHOLD_PPM.end();
    /// `Active` members with less trust become `Suspended`.
    suspend_below_ppm: u32 = 300_000, THRESHOLD_PPM;
    /// `Probation` and `Suspended` members become `Active` from this trust on, with a long enough row.
    activate_from_ppm: u32 = 400_000, THRESHOLD_PPM;
    /// The row of coherent outcomes that is needed to become `Active`.
    activate_row: u32 = 10, 1..=100;
    /// Skill of founding and of admitted members.
    start_skill_ppm: u32 = 500_000, 0..=TRUST_MAX_PPM;
    /// The least weight in claims of a member that has weight in them.
    skill_floor_ppm: u32 = 500_000, 0..=TRUST_MAX_PPM;
    /// The share of a claim whose proposer names none: 0 stands for plurality, 500,000 for majority.
    claim_share_ppm: u32 = 500_000, 0..=ClaimRule::SHARE_PPM_MAX;
    /// The electors that have to agree on a claim whose proposer names no number.
    claim_electors: u32 = 1, 1..=MEMBERS_MAX_U32;
    /// How far a seal's time may be ahead of a sealer's clock.
    drift_ms: u64 = 10 * SECOND_MS, 1..=WINDOW_MS_MAX;
    /// After this time the commits of a claim are frozen even if some electors have not committed. Also the second step
    /// of the windows of claims and of spore authority (of a shorter window: as long as the window).
    claim_grace_ms: u64 = MINUTE_MS, 1..=WINDOW_MS_MAX;
    /// The same for critical operations.
    critical_grace_ms: u64 = HOUR_MS, 1..=WINDOW_MS_MAX;
    /// How long an operation waits for commits.
    commit_window_ms: u64 = DAY_MS, 1..=WINDOW_MS_MAX;
    /// How long an operation waits for reveals.
    reveal_window_ms: u64 = DAY_MS, 1..=WINDOW_MS_MAX;
    /// How long an operation waits for the Primary's directive.
    primary_window_ms: u64 = HOUR_MS, 1..=WINDOW_MS_MAX;
    /// How long a Seed may object to a directive.
    objection_window_ms: u64 = DAY_MS, 1..=WINDOW_MS_MAX;
    /// How long an operation waits for the Seeds' resolutions.
    resolution_window_ms: u64 = DAY_MS, 1..=WINDOW_MS_MAX;
    /// The longest time that a host waits in a step of the agreement on a seal. Hosts adapt and mostly wait less.
    step_patience_ms: u64 = 20 * SECOND_MS, 1..=WINDOW_MS_MAX;
}

impl Params {
    /// For tests and demonstrations on one machine: windows of seconds.
    pub fn dev() -> Self {
        Self {
            activate_row: 2,
            drift_ms: 500,
            claim_grace_ms: 2 * SECOND_MS,
            critical_grace_ms: 2 * SECOND_MS,
            commit_window_ms: 15 * SECOND_MS,
            reveal_window_ms: 15 * SECOND_MS,
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
            objection_window_ms: 2 * DAY_MS,
            resolution_window_ms: 4 * DAY_MS,
            step_patience_ms: 20 * MINUTE_MS,
            ..Self::default()
        }
    }

    /// For independent rebuilders: time to build. A result counts if three give it and they weigh more than two thirds, so
    /// that a build that is not the same everywhere gets no verdict.
    pub fn builds() -> Self {
        Self {
            claim_share_ppm: 666_667,
            claim_electors: 3,
            claim_grace_ms: 3 * DAY_MS,
            commit_window_ms: 7 * DAY_MS,
            reveal_window_ms: 3 * DAY_MS,
            ..Self::default()
        }
    }

    /// BLAKE3 of the canonical parameters.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(STATE_PART.hash(&codec::encode(self)))
    }

    /// The rule of a claim whose proposer names none.
    pub fn claim_rule(&self) -> ClaimRule {
        ClaimRule {
            share_ppm: self.claim_share_ppm,
            electors: self.claim_electors,
        }
    }

    /// Checks the parameters together, so that no approved change can end a network: ranges; thresholds of trust in order; every
    /// window at least `4 * drift_ms`; every grace at least the step patience and at most its windows.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] names the rule.
    pub fn check(&self) -> Result<(), Rejection> {
        if !self.in_range() {
            return Err(Rejection::Malformed("a parameter is out of range"));
        }
        if self.suspend_below_ppm >= self.activate_from_ppm
            || self.activate_from_ppm > self.founder_trust_ppm
        {
            return Err(Rejection::Malformed(
                "the trust thresholds are not in the order suspend < activate <= founder",
            ));
        }
        self.claim_rule().check()?;
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
        if windows.iter().any(|window| *window < four_drifts) {
            return Err(Rejection::Malformed("a window is shorter than four drifts"));
        }
        let graces = [self.claim_grace_ms, self.critical_grace_ms];
        let shortest = self.commit_window_ms.min(self.reveal_window_ms);
        if graces.iter().any(|grace| *grace < self.step_patience_ms) {
            return Err(Rejection::Malformed(
                "a commit grace is shorter than the step patience",
            ));
        }
        if graces.iter().any(|grace| *grace > shortest) {
            return Err(Rejection::Malformed(
                "a commit grace is longer than the commit or the reveal window",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules: B4.
    #[test]
    fn the_profiles_are_valid() {
        for params in [
            Params::default(),
            Params::dev(),
            Params::field(),
            Params::builds(),
        ] {
            assert_eq!(params.check(), Ok(()));
        }
    }

    /// Rules: B3.
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
            ("reveal_window_ms", b"0"),
            ("commit_window_ms", b"59999"),
            ("suspend_below_ppm", b"1000000"),
            ("suspend_below_ppm", b"400000"),
            ("activate_from_ppm", b"500001"),
            ("claim_dissent_ppm", b"10001"),
            ("coherent_gain_ppm", b"0"),
            ("claim_share_ppm", b"499999"),
        ] {
            assert!(params.with_change(name, value).is_err(), "{name}");
        }
    }
}
