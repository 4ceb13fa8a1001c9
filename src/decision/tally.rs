//! The tally of one operation ([P5]): the result of the reveals of its frozen commits, at any moment.
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
//! A claim set is decided item by item by the rule of a claim, where a ballot without result is an abstention. It is decided as soon as
//! each of its items is, or has no quorum; it has no quorum if no item is decided.
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
use crate::statement::operation::{Ballot, BallotForm, Class, ConsensusOperation, Outcome};
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

#[cfg(test)]
mod tests;

/// The tally of one frozen operation. A reveal costs a lookup among the *distinct* results; an outcome costs only arithmetic.
///
/// Two tallies of the same reveals are equal, whatever their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    rule: Rule,
    form: BallotForm,
    total: u64,
    unrevealed: u64,
    revealed: u64,
    /// The answers to each question: one, or one for each item of a claim set.
    answers: Vec<Answers>,
}

/// By what the outcome is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Critical,
    Claim(ClaimRule),
}

/// The revealed answers to one question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Answers {
    abstained: u64,
    values: BTreeMap<Arc<Ballot>, Count>,
    leader: Option<Leader>,
    /// The weight of the second value; 0 if there is only one, as an unseen result weighs nothing.
    runner_up_weight: u64,
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
        Self::new(Rule::Critical, BallotForm::Approval, total, frozen)
    }

    /// A tally without reveals of a claim.
    pub fn claim(rule: ClaimRule, total: u64, frozen: u64) -> Self {
        Self::new(Rule::Claim(rule), BallotForm::Result, total, frozen)
    }

    /// A tally without reveals of a claim set of so many items.
    pub fn claim_set(rule: ClaimRule, items: usize, total: u64, frozen: u64) -> Self {
        Self::new(Rule::Claim(rule), BallotForm::Results(items), total, frozen)
    }

    /// A tally without reveals of this operation, which is decided as one of this class.
    pub fn of(class: Class, operation: &ConsensusOperation, total: u64, frozen: u64) -> Self {
        match operation.claim_rule().filter(|_| class == Class::Claim) {
            Some(rule) => Self::new(Rule::Claim(rule), operation.ballot_form(), total, frozen),
            None => Self::critical(total, frozen),
        }
    }

    fn new(rule: Rule, form: BallotForm, total: u64, frozen: u64) -> Self {
        debug_assert!(frozen <= total, "frozen commits are the electorate's");
        let questions = match form {
            BallotForm::Approval | BallotForm::Result => 1,
            BallotForm::Results(items) => items,
        };
        Self {
            rule,
            form,
            total,
            unrevealed: frozen,
            revealed: 0,
            answers: vec![Answers::default(); questions],
        }
    }

    /// Counts the reveal of a frozen commit of this weight (0 for shadow votes), once per frozen commit. A ballot that
    /// does not fit the operation counts as `Abstain` ([P9]). Costs a lookup for each item.
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
        match ballot.counted_as(self.form) {
            Ballot::Results(results) => {
                for (answers, result) in self.answers.iter_mut().zip(results) {
                    match result {
                        Some(result) => answers.add(weight, &Ballot::Result(result.clone())),
                        None => answers.abstained += weight,
                    }
                }
            }
            Ballot::Abstain => {
                for answers in &mut self.answers {
                    answers.abstained += weight;
                }
            }
            ballot => self.answers[0].add(weight, ballot),
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

    /// The revealed values of each question and their counts, by value, without abstentions: of one question, or of each item of a
    /// claim set. An item's values are [`Ballot::Result`]s.
    pub fn values(&self) -> impl Iterator<Item = impl Iterator<Item = (&Ballot, Count)>> {
        let answers = self.answers.iter().map(|answers| answers.values.iter());
        answers.map(|values| values.map(|(ballot, count)| (&**ballot, *count)))
    }

    /// The outcome, if no further reveal can change it. Then it is final.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome_with(self.unrevealed)
    }

    /// The outcome if unrevealed commits are forfeited: the tally with `U = 0` ([P6]). Equal to [`Tally::outcome`] where that
    /// gives one.
    pub fn forfeited(&self) -> Outcome {
        self.outcome_with(0)
            .expect("with nothing left to reveal, what is not decided has no quorum")
    }

    /// The outcome of each item of a claim set, or of the one question, as far as no further reveal can change it.
    pub fn item_outcomes(&self) -> impl Iterator<Item = Option<Outcome>> {
        let answers = self.answers.iter();
        answers.map(|answers| self.outcome_of(answers, self.unrevealed))
    }

    fn outcome_with(&self, unrevealed: u64) -> Option<Outcome> {
        if let BallotForm::Approval | BallotForm::Result = self.form {
            return self.outcome_of(&self.answers[0], unrevealed);
        }
        let results = self.answers.iter().map(|answers| {
            Some(match self.outcome_of(answers, unrevealed)? {
                Outcome::Decided(Ballot::Result(result)) => Some(result),
                _ => None,
            })
        });
        let results = results.collect::<Option<Vec<_>>>()?;
        if results.iter().all(Option::is_none) {
            return Some(Outcome::NoQuorum);
        }
        Some(Outcome::Decided(Ballot::Results(results)))
    }

    fn outcome_of(&self, answers: &Answers, unrevealed: u64) -> Option<Outcome> {
        let leading = answers.leader.as_ref();
        let leading = leading.map_or(Count::default(), |it| it.count);
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
                let counted = self.revealed - answers.abstained;
                let decided = answers.has_share(rule, counted, unrevealed)
                    && leading.electors >= rule.electors
                    && 2 * u128::from(self.revealed) > u128::from(self.total);
                (decided, unrevealed == 0 && !decided)
            }
        };
        match &answers.leader {
            Some(leader) if decided => Some(Outcome::Decided(Ballot::clone(&leader.ballot))),
            _ if hopeless => Some(Outcome::NoQuorum),
            _ => None,
        }
    }
}

impl Answers {
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

    /// Whether the heaviest result has the share that the rule asks for, whatever the unrevealed commits contain. `counted` is the
    /// weight of all reveals for some value.
    fn has_share(&self, rule: ClaimRule, counted: u64, unrevealed: u64) -> bool {
        let weight = self.leader.as_ref().map_or(0, |it| it.count.weight);
        let (weight, unrevealed) = (u128::from(weight), u128::from(unrevealed));
        if rule.share_ppm == 0 {
            return weight > u128::from(self.runner_up_weight) + unrevealed;
        }
        let counted = u128::from(counted) + unrevealed;
        u128::from(TRUST_MAX_PPM) * weight > u128::from(rule.share_ppm) * counted
    }
}
