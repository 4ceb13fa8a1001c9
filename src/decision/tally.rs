//! The tally of one operation (P5): the result of the reveals of its frozen commits, at any moment.
//!
//! `W` is the weight of the electorate, `w(v)` that of the reveals for *v*, `U` that of the frozen commits not revealed:
//!
//! | class | `Decided(v)` | `NoQuorum` |
//! |---|---|---|
//! | critical, and standard operations that became a full BFT vote | `3 * w(v) > 2 * W` | `3 * (w(v) + U) <= 2 * W` for both *v* |
//! | claim, by a share | `10^6 * w(v) > share * (R + U)`, and the conditions below | `U = 0` and not decided |
//! | claim, by plurality | `w(v) > w(v') + U` for every other result *v'*, seen or not, and the conditions below | `U = 0` and not decided |
//!
//! `R` is the weight of all reveals for some value, `A` that of abstentions. A claim is decided only if, besides, at least as
//! many electors with weight as its rule asks for revealed *v*, and `2 * (R + A) > W`.
//!
//! An unseen result weighs nothing yet, so plurality contains `w(v) > U`. Abstentions count as revealed, but for no value.
//!
//! *Why an outcome never changes:* a reveal moves weight from `U` to one value, or out of `R + U` if it is an abstention. So
//! `w(v)` and the number of electors never fall, and neither `w(v') + U`, `R + U` nor `U` ever rises: each test above, once true,
//! stays true. So an outcome may be shown before the seal that makes it final, and the order of the reveals does not matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::limits::TRUST_MAX_PPM;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Outcome};
use crate::statement::seal::is_quorum;

#[cfg(test)]
mod tests;

/// The tally of one frozen operation. A reveal costs a lookup among the *distinct* results; an outcome costs only arithmetic.
///
/// Two tallies of the same reveals are equal, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    rule: Rule,
    total: u64,
    unrevealed: u64,
    revealed: u64,
    abstained: u64,
    values: BTreeMap<Arc<Ballot>, Count>,
    leader: Option<Leader>,
    /// The weight of the second value; 0 if there is only one, as an unseen result weighs nothing.
    runner_up_weight: u64,
}

/// By what the outcome is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Critical,
    Claim(ClaimRule),
}

/// The reveals for one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Their weight `w(v)`.
    pub weight: u64,
    /// The number of their authors with weight, `n(v)`.
    pub electors: u32,
}

/// The heaviest value; among equals the smallest, so that the order does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leader {
    ballot: Arc<Ballot>,
    count: Count,
}

impl Tally {
    /// A tally without reveals of a critical operation, or of a standard one that became a full BFT vote. `total` is the weight
    /// of the whole electorate (`W`), `frozen` that of the frozen commits.
    pub fn critical(total: u64, frozen: u64) -> Self {
        Self::new(Rule::Critical, total, frozen)
    }

    /// A tally without reveals of a claim.
    pub fn claim(rule: ClaimRule, total: u64, frozen: u64) -> Self {
        Self::new(Rule::Claim(rule), total, frozen)
    }

    /// A tally without reveals of this operation, which is decided as one of this class.
    pub fn of(class: Class, operation: &ConsensusOperation, total: u64, frozen: u64) -> Self {
        match (class, operation) {
            (Class::Claim, ConsensusOperation::Claim { rule, .. }) => {
                Self::claim(*rule, total, frozen)
            }
            _ => Self::critical(total, frozen),
        }
    }

    fn new(rule: Rule, total: u64, frozen: u64) -> Self {
        debug_assert!(frozen <= total, "frozen commits are the electorate's");
        Self {
            rule,
            total,
            unrevealed: frozen,
            revealed: 0,
            abstained: 0,
            values: BTreeMap::new(),
            leader: None,
            runner_up_weight: 0,
        }
    }

    /// Counts the reveal of a frozen commit of this weight (0 for shadow votes), once per frozen commit. A ballot that
    /// does not fit the class counts as `Abstain` (P9).
    ///
    /// # Panics
    ///
    /// If more weight is revealed than was frozen: a commit was counted twice, or was not frozen.
    pub fn reveal(&mut self, weight: u64, ballot: &Ballot) {
        self.unrevealed = self
            .unrevealed
            .checked_sub(weight)
            .expect("each frozen commit is revealed once, so reveals weigh no more than them");
        // The sum stays within the frozen weight too.
        self.revealed += weight;
        let class = match self.rule {
            Rule::Critical => Class::Critical,
            Rule::Claim(_) => Class::Claim,
        };
        match ballot.counted_for(class) {
            Ballot::Abstain => self.abstained += weight,
            ballot => self.add(weight, ballot),
        }
    }

    fn add(&mut self, weight: u64, ballot: &Ballot) {
        // The map's own key is shared with the leader: results can be 32 KiB long.
        let key = match self.values.get_key_value(ballot) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::new(ballot.clone()),
        };
        let count = self.values.entry(Arc::clone(&key)).or_default();
        count.weight += weight;
        count.electors += u32::from(weight > 0);
        let count = *count;
        match &mut self.leader {
            Some(leader) if leader.ballot == key => leader.count = count,
            Some(leader)
                if count.weight < leader.count.weight
                    || (count.weight == leader.count.weight && leader.ballot < key) =>
            {
                self.runner_up_weight = self.runner_up_weight.max(count.weight);
            }
            // Only the new leader can weigh more than the former one.
            Some(leader) => {
                self.runner_up_weight = leader.count.weight;
                *leader = Leader { ballot: key, count };
            }
            None => self.leader = Some(Leader { ballot: key, count }),
        }
    }

    /// The weight of the frozen commits that are not revealed (`U`).
    pub fn unrevealed(&self) -> u64 {
        self.unrevealed
    }

    /// The weight of all reveals, abstentions included.
    pub fn revealed(&self) -> u64 {
        self.revealed
    }

    /// The weight of the whole electorate (`W`).
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The revealed values and their counts, by value, without abstentions.
    pub fn values(&self) -> impl Iterator<Item = (&Ballot, Count)> {
        self.values
            .iter()
            .map(|(ballot, count)| (&**ballot, *count))
    }

    /// The outcome, if no further reveal can change it. Then it is final.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome_with(self.unrevealed)
    }

    /// The outcome if unrevealed commits are forfeited: the tally with `U = 0` (P6). Equal to [`Tally::outcome`] where that
    /// gives one.
    pub fn forfeited(&self) -> Outcome {
        self.outcome_with(0)
            .expect("with nothing left to reveal, what is not decided has no quorum")
    }

    fn outcome_with(&self, unrevealed: u64) -> Option<Outcome> {
        let leading = self.leader.as_ref().map_or(Count::default(), |it| it.count);
        let (decided, hopeless) = match self.rule {
            // The leader is the heavier of `Approve` and `Reject`: if it cannot reach a quorum, the other cannot either.
            Rule::Critical => {
                let reach = u128::from(leading.weight) + u128::from(unrevealed);
                (
                    is_quorum(leading.weight, self.total),
                    3 * reach <= 2 * u128::from(self.total),
                )
            }
            Rule::Claim(rule) => {
                let decided = self.has_share(rule, leading.weight, unrevealed)
                    && leading.electors >= rule.electors
                    && 2 * u128::from(self.revealed) > u128::from(self.total);
                (decided, unrevealed == 0 && !decided)
            }
        };
        match &self.leader {
            Some(leader) if decided => Some(Outcome::Decided(Ballot::clone(&leader.ballot))),
            _ if hopeless => Some(Outcome::NoQuorum),
            _ => None,
        }
    }

    /// Whether the heaviest result has the share that the rule asks for, whatever the unrevealed commits contain.
    fn has_share(&self, rule: ClaimRule, weight: u64, unrevealed: u64) -> bool {
        let (weight, unrevealed) = (u128::from(weight), u128::from(unrevealed));
        if rule.share_ppm == 0 {
            return weight > u128::from(self.runner_up_weight) + unrevealed;
        }
        let counted = u128::from(self.revealed - self.abstained) + unrevealed;
        u128::from(TRUST_MAX_PPM) * weight > u128::from(rule.share_ppm) * counted
    }
}
