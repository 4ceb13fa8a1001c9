//! The tally of one operation (P5): the result of the reveals of its frozen commits, at any moment.
//!
//! `W` is the weight of the electorate, `w(v)` that of the reveals for *v*, `U` that of the frozen commits not revealed:
//!
//! | class | `Decided(v)` | `NoQuorum` |
//! |---|---|---|
//! | critical, and standard operations that became a full BFT vote | `3 * w(v) > 2 * W` | `3 * (w(v) + U) <= 2 * W` for both *v* |
//! | claim | `w(v) > w(v') + U` for every other result *v'*, seen or not, and `2 * (all reveals) > W` | `U = 0` and not decided |
//!
//! An unseen result weighs nothing yet, so the claim's rule contains `w(v) > U`. Abstentions count as revealed, but for no
//! value.
//!
//! *Why an outcome never changes:* a reveal moves weight from `U` to one value. `w(v)` never falls, and neither `w(v') + U` nor
//! `U` ever rises: each test above, once true, stays true. So an outcome may be shown before the seal that makes it final, and
//! the order of the reveals does not matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::statement::operation::{Ballot, Class, Outcome};
use crate::statement::seal::is_quorum;

#[cfg(test)]
mod tests;

/// The tally of one frozen operation. A reveal costs a lookup among the *distinct* results; an outcome costs only arithmetic.
///
/// Two tallies of the same reveals are equal, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    class: Class,
    total: u64,
    unrevealed: u64,
    revealed: u64,
    weights: BTreeMap<Arc<Ballot>, u64>,
    leader: Option<Leader>,
    /// The weight of the second value; 0 if there is only one, as an unseen result weighs nothing.
    runner_up_weight: u64,
}

/// The heaviest value; among equals the smallest, so that the order does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leader {
    ballot: Arc<Ballot>,
    weight: u64,
}

impl Tally {
    /// A tally without reveals. `total` is the weight of the whole electorate (`W`), `frozen` that of the frozen commits.
    pub fn new(class: Class, total: u64, frozen: u64) -> Self {
        debug_assert!(frozen <= total, "frozen commits are the electorate's");
        Self {
            class,
            total,
            unrevealed: frozen,
            revealed: 0,
            weights: BTreeMap::new(),
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
        let ballot = ballot.counted_for(self.class);
        if *ballot != Ballot::Abstain {
            self.add(weight, ballot);
        }
    }

    fn add(&mut self, weight: u64, ballot: &Ballot) {
        // The map's own key is shared with the leader: results can be 32 KiB long.
        let key = match self.weights.get_key_value(ballot) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::new(ballot.clone()),
        };
        let sum = self.weights.entry(Arc::clone(&key)).or_insert(0);
        *sum += weight;
        let sum = *sum;
        match &mut self.leader {
            Some(leader) if leader.ballot == key => leader.weight = sum,
            Some(leader)
                if sum < leader.weight || (sum == leader.weight && leader.ballot < key) =>
            {
                self.runner_up_weight = self.runner_up_weight.max(sum);
            }
            // Only the new leader can weigh more than the former one.
            Some(leader) => {
                self.runner_up_weight = leader.weight;
                *leader = Leader {
                    ballot: key,
                    weight: sum,
                };
            }
            None => {
                self.leader = Some(Leader {
                    ballot: key,
                    weight: sum,
                });
            }
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

    /// The revealed values and their weights `w(v)`, by value, without abstentions.
    pub fn weights(&self) -> impl Iterator<Item = (&Ballot, u64)> {
        self.weights
            .iter()
            .map(|(ballot, weight)| (&**ballot, *weight))
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
        let leader_weight = self.leader.as_ref().map_or(0, |leader| leader.weight);
        let reach = u128::from(leader_weight) + u128::from(unrevealed);
        let (decided, hopeless) = match self.class {
            // The leader is the heavier of `Approve` and `Reject`: if it cannot reach a quorum, the other cannot either.
            Class::Critical | Class::Standard => (
                is_quorum(leader_weight, self.total),
                3 * reach <= 2 * u128::from(self.total),
            ),
            Class::Claim => {
                let rival = u128::from(self.runner_up_weight) + u128::from(unrevealed);
                let decided = u128::from(leader_weight) > rival
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
}
