//! The score of one member and the arithmetic that moves it. The ledger calls [`TrustState::apply`] for every scored event of a
//! seal, in one place (`Work::score` in `ledger/work.rs`).

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::chances::Chances;
use super::{Change, Participation, ParticipationRecord, Reason, Standing};
use crate::base::limits::{CHANCES, TRUST_MAX_PPM};
use crate::statement::operation::Class;
use crate::statement::params::Params;

/// The score of one member, with the parts of its past that rules need. Part of the sealed state: its encoding is canonical.
///
/// The trust always stays in `0..=1_000_000`, and is 0 if the standing is `Banned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustState {
    #[serde(deserialize_with = "bounded_ppm")]
    trust_ppm: u32,
    standing: Standing,
    /// Coherent votes since the last dissent or withholding.
    streak: u32,
    chances: Chances,
    /// Seal time of its last sealed reveal, in any operation.
    last_reveal_ms: Option<u64>,
    /// Seal time of the last charge for withholding.
    last_withheld_ms: Option<u64>,
    /// Seal time of the last charge for absence.
    last_absence_ms: Option<u64>,
}

fn bounded_ppm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let ppm = u32::deserialize(deserializer)?;
    if ppm > TRUST_MAX_PPM {
        return Err(D::Error::custom("trust beyond one"));
    }
    Ok(ppm)
}

impl TrustState {
    /// The state of a founding member: `Active`.
    pub fn founder(params: &Params) -> Self {
        Self::starting(params.founder_trust_ppm, Standing::Active)
    }

    /// The state of an admitted member: on `Probation`.
    pub fn admitted(params: &Params) -> Self {
        Self::starting(params.admitted_trust_ppm, Standing::Probation)
    }

    fn starting(trust_ppm: u32, standing: Standing) -> Self {
        Self {
            trust_ppm: trust_ppm.min(TRUST_MAX_PPM),
            standing,
            streak: 0,
            chances: Chances::default(),
            last_reveal_ms: None,
            last_withheld_ms: None,
            last_absence_ms: None,
        }
    }

    /// The trust in parts per million.
    pub fn trust_ppm(&self) -> u32 {
        self.trust_ppm
    }

    /// The standing.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Coherent votes in a row.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// The number of missed chances among the last 100.
    pub fn missed_chances(&self) -> u32 {
        self.chances.missed()
    }

    /// The weight in claims: the trust of `Active` and `Suspended` members.
    pub fn claim_weight(&self) -> u64 {
        match self.standing {
            Standing::Active | Standing::Suspended => u64::from(self.trust_ppm),
            Standing::Probation | Standing::Banned => 0,
        }
    }

    /// The weight in critical votes, sealing and authority: the trust of `Active` members.
    pub fn critical_weight(&self) -> u64 {
        match self.standing {
            Standing::Active => u64::from(self.trust_ppm),
            Standing::Probation | Standing::Suspended | Standing::Banned => 0,
        }
    }

    /// Applies one line of the table, then the rules for the standing. `params` are those of the record's operation.
    ///
    /// Returns the change of trust or standing, if there is one; changes of streak, chances and times alone are none.
    /// The state of a `Banned` member never changes. A sealed reveal ([`Participation::Revealed`]) only notes its time.
    pub fn apply(&mut self, params: &Params, record: &ParticipationRecord) -> Option<Change> {
        if self.standing == Standing::Banned {
            return None;
        }
        let before = *self;
        let reason = match record.event {
            Participation::Revealed => {
                self.last_reveal_ms = Some(record.time_ms);
                return None;
            }
            Participation::Equivocation => {
                self.trust_ppm = 0;
                self.streak = 0;
                self.standing = Standing::Banned;
                return Some(before.change_to(self, Reason::Equivocation));
            }
            Participation::Modified { delta_ppm } => {
                self.trust_ppm = self
                    .trust_ppm
                    .saturating_add_signed(delta_ppm)
                    .min(TRUST_MAX_PPM);
                Reason::Modified
            }
            Participation::Withheld { frozen_ms } => {
                self.withhold(params, record, frozen_ms);
                Reason::Withheld
            }
            _ if !record.scored => Reason::Neutral,
            Participation::Coherent => {
                self.agree(params);
                Reason::Coherent
            }
            Participation::Dissent(class) => {
                let (ppm, reason) = dissent(params, class);
                self.chances.push(false);
                self.streak = 0;
                self.lose(ppm);
                reason
            }
            Participation::Neutral => {
                self.chances.push(false);
                Reason::Neutral
            }
            Participation::Missed if self.miss(params, record.time_ms) => Reason::Absent,
            Participation::Missed => Reason::Neutral,
        };
        self.judge_standing(params);
        let changed = before.trust_ppm != self.trust_ppm || before.standing != self.standing;
        changed.then(|| before.change_to(self, reason))
    }

    /// Bans the member for equivocation: trust and streak 0, for ever. Returns the change, unless it was banned before.
    pub fn ban(&mut self) -> Option<Change> {
        self.apply_alone(&Params::default(), Participation::Equivocation)
    }

    /// Adds to the trust, within its range, and applies the rules for the standing. A `Banned` member does not change.
    pub fn modify(&mut self, params: &Params, delta_ppm: i32) -> Option<Change> {
        self.apply_alone(params, Participation::Modified { delta_ppm })
    }

    /// Applies an event that needs no time.
    fn apply_alone(&mut self, params: &Params, event: Participation) -> Option<Change> {
        let record = ParticipationRecord {
            height: 0,
            time_ms: 0,
            operation: None,
            scored: true,
            event,
        };
        self.apply(params, &record)
    }

    fn agree(&mut self, params: &Params) {
        self.chances.push(false);
        self.streak = self.streak.saturating_add(1);
        let missing = TRUST_MAX_PPM - self.trust_ppm;
        let gain = share_floor(missing, params.coherent_gain_ppm);
        self.trust_ppm = self.trust_ppm.saturating_add(gain).min(TRUST_MAX_PPM);
    }

    /// Withholding is charged even in unscored operations, because it keeps an operation open.
    fn withhold(&mut self, params: &Params, record: &ParticipationRecord, frozen_ms: u64) {
        self.streak = 0;
        if record.scored {
            self.chances.push(false);
        }
        // A member that went offline withholds every commit that was frozen at the time, and is charged once. A member
        // that revealed something in the window chose what to withhold, and is charged for each commit.
        let silent = self.last_reveal_ms.is_none_or(|last| last <= frozen_ms);
        let charged_in_window = self.last_withheld_ms.is_some_and(|last| last > frozen_ms);
        if !(silent && charged_in_window) {
            self.last_withheld_ms = Some(record.time_ms);
            self.lose(params.withheld_ppm);
        }
    }

    /// Counts a missed chance. Returns whether the absence is charged.
    fn miss(&mut self, params: &Params, time_ms: u64) -> bool {
        self.chances.push(true);
        let too_often = self.chances.missed() > CHANCES / 2;
        let due = self
            .last_absence_ms
            .is_none_or(|last| time_ms.saturating_sub(last) >= params.commit_window_ms);
        let charged = too_often && due;
        if charged {
            self.last_absence_ms = Some(time_ms);
            self.lose(params.absent_ppm);
        }
        charged
    }

    fn lose(&mut self, ppm: u32) {
        let loss = share_ceil(self.trust_ppm, ppm);
        self.trust_ppm = self.trust_ppm.saturating_sub(loss);
    }

    fn judge_standing(&mut self, params: &Params) {
        match self.standing {
            Standing::Active if self.trust_ppm < params.suspend_below_ppm => {
                self.standing = Standing::Suspended;
            }
            Standing::Probation | Standing::Suspended
                if self.trust_ppm >= params.activate_from_ppm
                    && self.streak >= params.activate_row =>
            {
                self.standing = Standing::Active;
            }
            _ => {}
        }
    }

    fn change_to(&self, after: &Self, reason: Reason) -> Change {
        Change {
            reason,
            before_ppm: self.trust_ppm,
            after_ppm: after.trust_ppm,
            standing_before: self.standing,
            standing_after: after.standing,
        }
    }
}

/// A standard operation is scored only if it became a full BFT vote, with the rules of critical operations.
fn dissent(params: &Params, class: Class) -> (u32, Reason) {
    match class {
        Class::Claim => (params.claim_dissent_ppm, Reason::ClaimDissent),
        Class::Critical | Class::Standard => (params.critical_dissent_ppm, Reason::CriticalDissent),
    }
}

/// `floor(of * ppm / 1_000_000)`: gains are rounded down.
fn share_floor(of: u32, ppm: u32) -> u32 {
    narrow(u64::from(of) * u64::from(ppm) / u64::from(TRUST_MAX_PPM))
}

/// `ceil(of * ppm / 1_000_000)`: penalties are rounded up.
fn share_ceil(of: u32, ppm: u32) -> u32 {
    narrow((u64::from(of) * u64::from(ppm)).div_ceil(u64::from(TRUST_MAX_PPM)))
}

/// Shares above one come only from parameters that were not checked; they are cut off at the largest number.
fn narrow(share: u64) -> u32 {
    u32::try_from(share).unwrap_or(u32::MAX)
}
