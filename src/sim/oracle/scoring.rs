//! Trust when an operation closes (T3).

use super::log::Case;
use super::roster::{Member, Standing};
use super::vote::counts_as;
use super::window::time_of;
use super::{Entry, Oracle};
use crate::base::digest::NodeId;
use crate::statement::operation::{Ballot, Class, Outcome};
use crate::statement::params::Params;
use crate::statement::record::Statement;

const FULL_PPM: u64 = 1_000_000;

/// `share` of `of` in parts per million, rounded up.
fn share_rounded_up(share_ppm: u32, of: u32) -> u32 {
    let product = u64::from(share_ppm) * u64::from(of);
    u32::try_from(product.div_ceil(FULL_PPM)).expect("a share of trust is no more than the trust")
}

/// `share` of `of` in parts per million, rounded down.
fn share_rounded_down(share_ppm: u32, of: u32) -> u32 {
    let product = u64::from(share_ppm) * u64::from(of);
    u32::try_from(product / FULL_PPM).expect("a share of trust is no more than the trust")
}

/// An elector's conduct, as far as it is scored.
struct Deed<'a> {
    frozen: bool,
    revealed: Option<&'a Ballot>,
}

impl Oracle {
    /// Scores the electors of an operation that closed at the last seal; an operation that never froze scores no elector.
    pub(super) fn score(&mut self, case: &Case) {
        let (Some(electors), Some((frozen_at, commits))) =
            (&case.course.electors, &case.course.frozen)
        else {
            return;
        };
        for elector in electors.keys() {
            let last_reveal_ms = self.last_reveal_ms(*elector);
            let frozen_ms = time_of(&self.moments, *frozen_at);
            let now_ms = self.now().time_ms;
            let height = self.height();
            let Some(member) = self.roster.get_mut(elector) else {
                continue;
            };
            if member.standing == Standing::Banned {
                continue;
            }
            let before = member.trust;
            let deed = Deed {
                frozen: commits.contains_key(elector),
                revealed: case.course.revealed.get(elector),
            };
            let reason = match deed {
                Deed {
                    frozen: true,
                    revealed: Some(ballot),
                } => member.revealed(case, ballot),
                Deed {
                    frozen: true,
                    revealed: None,
                } => {
                    let silent = last_reveal_ms.is_none_or(|last| last <= frozen_ms);
                    member.withheld(case, silent, frozen_ms, now_ms)
                }
                Deed { frozen: false, .. } => member.missed_it(case, now_ms),
            };
            member.restand(&case.params);
            self.entries.push(Entry {
                height,
                operation: Some(case.id),
                node: *elector,
                reason,
                before,
                after: member.trust,
            });
        }
    }

    /// The time of the last seal that lists a reveal by `node`, for any operation.
    fn last_reveal_ms(&self, node: NodeId) -> Option<u64> {
        self.log
            .iter()
            .rev()
            .find(|record| record.by == node && matches!(record.what, Statement::Reveal { .. }))
            .map(|record| time_of(&self.moments, record.height))
    }
}

impl Member {
    fn revealed(&mut self, case: &Case, ballot: &Ballot) -> &'static str {
        if !case.scored {
            return "unscored";
        }
        self.chances.push(false);
        let ballot = counts_as(ballot, case.class);
        let Some(Outcome::Decided(decided)) = case.course.outcome() else {
            return "neutral";
        };
        if ballot == Ballot::Abstain {
            return "neutral";
        }
        if ballot == *decided {
            self.trust += share_rounded_down(case.params.coherent_gain_ppm, 1_000_000 - self.trust);
            self.streak += 1;
            return "coherent";
        }
        self.streak = 0;
        let (share_ppm, reason) = dissent(case.class, &case.params);
        self.trust -= share_rounded_up(share_ppm, self.trust);
        reason
    }

    /// Charges once per reveal window if the member revealed nothing in it (`silent`).
    fn withheld(&mut self, case: &Case, silent: bool, frozen_ms: u64, now_ms: u64) -> &'static str {
        if case.scored {
            self.chances.push(false);
        }
        self.streak = 0;
        let charged_since = self.charged_ms.iter().any(|charged| *charged > frozen_ms);
        if silent && charged_since {
            return "withheld_uncharged";
        }
        self.charged_ms.push(now_ms);
        self.trust -= share_rounded_up(case.params.withheld_ppm, self.trust);
        "withheld"
    }

    /// No fine until more than half of the last 100 chances were missed; then at most one per commit window.
    fn missed_it(&mut self, case: &Case, now_ms: u64) -> &'static str {
        if !case.scored {
            return "unscored";
        }
        self.chances.push(true);
        let fined_lately = self
            .fined_ms
            .iter()
            .any(|fined| now_ms - fined < case.params.commit_window_ms);
        if self.missed() <= 50 || fined_lately {
            return "missed";
        }
        self.fined_ms.push(now_ms);
        self.trust -= share_rounded_up(case.params.absent_ppm, self.trust);
        "absent"
    }
}

fn dissent(class: Class, params: &Params) -> (u32, &'static str) {
    match class {
        Class::Claim => (params.claim_dissent_ppm, "dissent_claim"),
        Class::Critical | Class::Standard => (params.critical_dissent_ppm, "dissent_critical"),
    }
}
