//! The arithmetic that moves the scores of one member. The ledger calls [`TrustState::apply`] for every event of a
//! seal, in one place (`Work::score` in `ledger/work.rs`).

use super::{Change, Marks, Participation, ParticipationRecord, Reason, Standing, TrustState};
use crate::base::limits::{CHANCES, TRUST_MAX_PPM};
use crate::statement::line::Chances;
use crate::statement::operation::Class;
use crate::statement::params::Params;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Whether `last` was less than one window before `time_ms`: then what counts once per window does not count
/// again ([W2]).
pub(crate) fn is_within(last: Option<u64>, time_ms: u64, window_ms: u64) -> bool {
    last.is_some_and(|last| time_ms.saturating_sub(last) < window_ms)
}

impl TrustState {
    /// The state of a founding member that joins at this seal time: `Active`.
    pub fn founder(params: &Params, joined_ms: u64) -> Self {
        Self::starting(
            params,
            params.founder_trust_ppm,
            Standing::Active,
            joined_ms,
        )
    }

    /// The state of a member admitted at this seal time: on `Probation`.
    pub fn admitted(params: &Params, joined_ms: u64) -> Self {
        Self::starting(
            params,
            params.admitted_trust_ppm,
            Standing::Probation,
            joined_ms,
        )
    }

    fn starting(params: &Params, trust_ppm: u32, standing: Standing, joined_ms: u64) -> Self {
        Self {
            trust_ppm: trust_ppm.min(TRUST_MAX_PPM),
            skill_ppm: params.start_skill_ppm.min(TRUST_MAX_PPM),
            standing,
            row: 0,
            chances: Chances::default(),
            seen_ms: joined_ms,
            row_ms: None,
            reveal_ms: None,
            withheld_ms: None,
            skill_withheld_ms: None,
            absence_ms: None,
            objection_ms: None,
        }
    }

    /// How faithfully the member does its part, in parts per million.
    pub fn trust_ppm(&self) -> u32 {
        self.trust_ppm
    }

    /// How often its answers to claims were right, in parts per million.
    pub fn skill_ppm(&self) -> u32 {
        self.skill_ppm
    }

    /// The standing.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Coherent outcomes in a row, at most one per commit window.
    pub fn row(&self) -> u32 {
        self.row
    }

    /// The number of missed chances among the last 100.
    pub fn missed_chances(&self) -> u32 {
        self.chances.missed()
    }

    /// Whether a record of the member was sealed less than one window before this time, or it joined in it.
    pub fn is_seen(&self, time_ms: u64, window_ms: u64) -> bool {
        is_within(Some(self.seen_ms), time_ms, window_ms)
    }

    /// The time at which [`Self::is_seen`] ends, unless another record is sealed.
    pub fn unseen_from_ms(&self, window_ms: u64) -> u64 {
        self.seen_ms.saturating_add(window_ms)
    }

    /// Whether the member has a vote in critical operations, authority and sealing.
    pub fn has_vote(&self) -> bool {
        self.standing == Standing::Active
    }

    /// The weight in claims: the skill, but at least the floor ([T6]); 0 on probation and for the banned.
    pub fn claim_weight(&self, params: &Params) -> u64 {
        match self.standing {
            Standing::Active | Standing::Suspended => {
                u64::from(self.skill_ppm.max(params.skill_floor_ppm))
            }
            Standing::Probation | Standing::Banned => 0,
        }
    }

    /// Applies one event, then the rules for the standing. `params` are those of the record's operation.
    ///
    /// Returns the change of a score or the standing, if there is one; changes of row, chances and times alone are none.
    /// The state of a `Banned` member never changes.
    pub fn apply(&mut self, params: &Params, record: &ParticipationRecord) -> Option<Change> {
        if self.standing == Standing::Banned {
            return None;
        }
        let before = *self;
        let reason = match record.event {
            Participation::Seen => {
                self.seen_ms = record.time_ms;
                return None;
            }
            Participation::Revealed => {
                self.reveal_ms = Some(record.time_ms);
                return None;
            }
            Participation::Equivocation => {
                (self.trust_ppm, self.skill_ppm, self.row) = (0, 0, 0);
                self.standing = Standing::Banned;
                return Some(before.change_to(self, Reason::Equivocation));
            }
            Participation::FormerKeyEquivocation => {
                // Never a gain: a suspended member could otherwise prove its own equivocation.
                self.trust_ppm = self.trust_ppm.min(params.admitted_trust_ppm);
                self.skill_ppm = self.skill_ppm.min(params.start_skill_ppm);
                self.standing = Standing::Probation;
                self.row = 0;
                Reason::FormerKey
            }
            Participation::Modified { delta_ppm } => {
                self.modify(params, delta_ppm);
                Reason::Modified
            }
            Participation::Judged => Reason::Neutral,
            Participation::Overruled => {
                self.overrule(params, record.time_ms);
                Reason::Overruled
            }
            event => self.close(params, record, event),
        };
        self.judge_standing(params);
        let is_changed = (before.trust_ppm, before.skill_ppm, before.standing)
            != (self.trust_ppm, self.skill_ppm, self.standing);
        is_changed.then(|| before.change_to(self, reason))
    }

    /// The events of an elector at the close of an operation.
    fn close(
        &mut self,
        params: &Params,
        record: &ParticipationRecord,
        event: Participation,
    ) -> Reason {
        let (support, time_ms) = (record.support, record.time_ms);
        if support.chance && !support.panel {
            let is_missed = matches!(event, Participation::Missed | Participation::Unrevealed);
            self.chances.push(is_missed);
        }
        match event {
            Participation::Coherent(class) => {
                self.agree(params, record, class);
                Reason::Coherent
            }
            Participation::Dissent(class) => self.dissent(params, record, class),
            Participation::Answered(marks) => self.answer(params, record, marks),
            Participation::Withheld(class) => {
                self.withhold(params, record, class);
                Reason::Withheld
            }
            Participation::Missed | Participation::Unrevealed => {
                if event == Participation::Unrevealed && support.seconded && !support.panel {
                    self.row = 0;
                }
                let is_charged = support.chance && !support.panel && self.miss(params, time_ms);
                if is_charged {
                    Reason::Absent
                } else {
                    Reason::Neutral
                }
            }
            _ => Reason::Neutral,
        }
    }

    fn agree(&mut self, params: &Params, record: &ParticipationRecord, class: Class) {
        let support = record.support;
        if class == Class::Claim && support.carried {
            gain(&mut self.skill_ppm, params.skill_gain_ppm);
        }
        if support.panel || !support.seconded {
            return;
        }
        gain(&mut self.trust_ppm, params.coherent_gain_ppm);
        self.advance_row(params, record.time_ms);
    }

    fn advance_row(&mut self, params: &Params, time_ms: u64) {
        if !is_within(self.row_ms, time_ms, params.commit_window_ms) {
            self.row = self.row.saturating_add(1);
            self.row_ms = Some(time_ms);
        }
    }

    fn dissent(&mut self, params: &Params, record: &ParticipationRecord, class: Class) -> Reason {
        let support = record.support;
        if class == Class::Claim && support.carried {
            lose(&mut self.skill_ppm, params.skill_dissent_ppm);
        }
        if support.seconded && !support.panel {
            self.row = 0;
        }
        let costs_trust = support.backed && !support.panel;
        match class {
            Class::Claim => {
                if costs_trust {
                    // Honest answers differ, and claims can be made so that one member's do. So claims alone suspend nobody.
                    let floor = self.trust_ppm.min(params.activate_from_ppm);
                    lose(&mut self.trust_ppm, params.claim_dissent_ppm);
                    self.trust_ppm = self.trust_ppm.max(floor);
                }
                Reason::ClaimDissent
            }
            // A standard operation is scored only if it became a full BFT vote, with the rules of critical operations.
            Class::Critical | Class::Standard => {
                if costs_trust {
                    lose(&mut self.trust_ppm, params.critical_dissent_ppm);
                }
                Reason::CriticalDissent
            }
        }
    }

    /// One event for all answers to a claim set: gains and penalties in proportion to all its items, so that an answer to one of
    /// many earns no whole gain.
    fn answer(&mut self, params: &Params, record: &ParticipationRecord, marks: Marks) -> Reason {
        let Marks {
            items,
            carried,
            seconded,
            backed,
        } = marks;
        let part = |count: u32| (count.min(items), items.max(1));
        gain_part(
            &mut self.skill_ppm,
            params.skill_gain_ppm,
            part(carried.right),
        );
        lose_part(
            &mut self.skill_ppm,
            params.skill_dissent_ppm,
            part(carried.wrong),
        );
        if !record.support.panel {
            gain_part(
                &mut self.trust_ppm,
                params.coherent_gain_ppm,
                part(seconded.right),
            );
            let floor = self.trust_ppm.min(params.activate_from_ppm);
            lose_part(
                &mut self.trust_ppm,
                params.claim_dissent_ppm,
                part(backed.wrong),
            );
            self.trust_ppm = self.trust_ppm.max(floor);
            if seconded.wrong > 0 {
                self.row = 0;
            } else if seconded.right > 0 && 2 * u64::from(seconded.right) >= u64::from(items) {
                self.advance_row(params, record.time_ms);
            }
        }
        let marks = [carried, seconded, backed];
        let (is_right, is_wrong) = (
            marks.iter().any(|it| it.right > 0),
            marks.iter().any(|it| it.wrong > 0),
        );
        match (is_right, is_wrong) {
            (true, true) => Reason::Mixed,
            (false, true) => Reason::ClaimDissent,
            (_, false) => Reason::Coherent,
        }
    }

    /// Withholding keeps an operation open, so it is charged whatever the outcome, and never less than dissent.
    ///
    /// A member that went offline withholds every commit that was frozen at the time, and is charged once per window. A
    /// member that revealed something in the window chose what to withhold, and is charged for each commit.
    fn withhold(&mut self, params: &Params, record: &ParticipationRecord, class: Class) {
        let (time_ms, window_ms) = (record.time_ms, params.reveal_window_ms);
        let is_silent = !is_within(self.reveal_ms, time_ms, window_ms);
        let is_charged_again =
            |last: Option<u64>| !(is_silent && is_within(last, time_ms, window_ms));
        if class == Class::Claim && is_charged_again(self.skill_withheld_ms) {
            self.skill_withheld_ms = Some(time_ms);
            lose(
                &mut self.skill_ppm,
                params.withheld_ppm.max(params.skill_dissent_ppm),
            );
        }
        if record.support.panel {
            return;
        }
        if record.support.seconded {
            self.row = 0;
        }
        if is_charged_again(self.withheld_ms) {
            self.withheld_ms = Some(time_ms);
            let dissent_ppm = match class {
                Class::Claim => params.claim_dissent_ppm,
                Class::Critical | Class::Standard => params.critical_dissent_ppm,
            };
            lose(&mut self.trust_ppm, params.withheld_ppm.max(dissent_ppm));
        }
    }

    /// Charges absence, if it is due. Returns whether it was.
    fn miss(&mut self, params: &Params, time_ms: u64) -> bool {
        let window_ms = params.commit_window_ms;
        let is_charged = self.chances.missed() > CHANCES / 2
            && !self.is_seen(time_ms, window_ms)
            && !is_within(self.absence_ms, time_ms, window_ms);
        if is_charged {
            self.absence_ms = Some(time_ms);
            lose(&mut self.trust_ppm, params.absent_ppm);
        }
        is_charged
    }

    fn overrule(&mut self, params: &Params, time_ms: u64) {
        if !is_within(self.objection_ms, time_ms, params.objection_window_ms) {
            self.objection_ms = Some(time_ms);
            lose(&mut self.trust_ppm, params.overruled_ppm);
        }
    }

    /// A modification that reaches the threshold needs no row.
    fn modify(&mut self, params: &Params, delta_ppm: i32) {
        let sum = self.trust_ppm.saturating_add_signed(delta_ppm);
        self.trust_ppm = sum.min(TRUST_MAX_PPM);
        if self.trust_ppm >= params.activate_from_ppm {
            self.standing = Standing::Active;
        }
    }

    fn judge_standing(&mut self, params: &Params) {
        match self.standing {
            Standing::Active if self.trust_ppm < params.suspend_below_ppm => {
                self.standing = Standing::Suspended;
            }
            Standing::Probation | Standing::Suspended
                if self.trust_ppm >= params.activate_from_ppm
                    && self.row >= params.activate_row =>
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
            skill_before_ppm: self.skill_ppm,
            skill_after_ppm: after.skill_ppm,
            standing_before: self.standing,
            standing_after: after.standing,
        }
    }
}

/// Adds a share of what is missing to one, rounded down.
fn gain(score_ppm: &mut u32, share_ppm: u32) {
    gain_part(score_ppm, share_ppm, (1, 1));
}

/// Adds the part `count / of` of a share of what is missing to one, rounded down once.
fn gain_part(score_ppm: &mut u32, share_ppm: u32, (count, of): (u32, u32)) {
    let missing = TRUST_MAX_PPM - *score_ppm;
    let whole = u128::from(missing) * u128::from(share_ppm) * u128::from(count);
    let gained = whole / (u128::from(TRUST_MAX_PPM) * u128::from(of));
    *score_ppm = score_ppm.saturating_add(narrow(gained)).min(TRUST_MAX_PPM);
}

/// Takes away a share, rounded up.
fn lose(score_ppm: &mut u32, share_ppm: u32) {
    lose_part(score_ppm, share_ppm, (1, 1));
}

/// Takes away the part `count / of` of a share, rounded up once.
fn lose_part(score_ppm: &mut u32, share_ppm: u32, (count, of): (u32, u32)) {
    let whole = u128::from(*score_ppm) * u128::from(share_ppm) * u128::from(count);
    let lost = whole.div_ceil(u128::from(TRUST_MAX_PPM) * u128::from(of));
    *score_ppm = score_ppm.saturating_sub(narrow(lost));
}

/// Shares above one come only from parameters that were not checked; they are cut off at the largest number.
fn narrow(share: u128) -> u32 {
    u32::try_from(share).unwrap_or(u32::MAX)
}
