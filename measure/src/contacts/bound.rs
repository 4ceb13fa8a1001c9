//! The first bound: a lower bound for the time to an outcome, from the trace alone, without production code.
//!
//! After the proposal has spread it takes five diffusions among a quorum: commits, the proposal of the seal that freezes
//! them, prevotes, precommits, and reveals. In the bound all nodes vote at once, the proposer is always right
//! (the first node that holds a quorum of commits proposes, and all accept its proposal), a freeze takes any quorum
//! of commits without a grace, and no other operations are in the way. Nothing that follows the
//! rules can be faster:
//!
//! - a freezing seal lists a quorum of commits, so its proposer held them;
//! - a prevote for it takes its proposal, a precommit a quorum of prevotes, and its certificate a quorum of precommits;
//! - a reveal takes the certificate, and a tally takes enough reveals to be certain whatever other commits were frozen.
//!
//! It is a bound for each operation and each node, whoever leads, and taking contacts out of a trace never makes it earlier.
//! What it leaves out, the [second bound](super::second) adds.

use super::plan::Planned;
use super::reach::{Arrival, Reach, earlier, nth};
use mycnet_consensus::internals::operation::{Ballot, Class};

/// When each stage can be reached at the earliest, seconds since the trace began; `None`: not within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// A quorum of the nodes knows the proposal.
    pub spread: Arrival,
    /// Some node holds a quorum of commits.
    pub commits: Arrival,
    /// A quorum of the nodes knows the proposal of the freezing seal.
    pub proposal: Arrival,
    /// A quorum of the nodes holds a quorum of prevotes.
    pub prevotes: Arrival,
    /// Some node holds the certificate of the freezing seal.
    pub certificate: Arrival,
    /// By node: when it can tally.
    pub tallied: Vec<Arrival>,
}

/// The smallest number of `nodes` equal nodes that weighs more than two thirds.
pub(super) fn quorum(nodes: usize) -> usize {
    nodes * 2 / 3 + 1
}

/// The bound for one operation among equal nodes.
#[must_use]
pub fn bound(reach: &Reach, planned: &Planned) -> Bound {
    let nodes = planned.ballots.len();
    let quorum = quorum(nodes);
    let mut starts = vec![None; nodes];
    starts[planned.by] = Some(planned.at_s);

    let committed = reach.spread(&starts);
    let may_propose = reach.gather(&committed, quorum);
    let prevoted = reach.spread(&may_propose);
    let precommitted = reach.gather(&prevoted, quorum);
    // A node that has the certificate passes it on as a whole.
    let revealed = reach.spread(&reach.gather(&precommitted, quorum));
    let reveals = reach.from_each(&revealed);
    let tallied = (0..nodes).map(|node| {
        let arrivals = reveals.iter().map(|to| to[node]).enumerate();
        tallied(planned, quorum, arrivals)
    });
    Bound {
        spread: nth(committed.iter().copied(), quorum),
        commits: may_propose.iter().copied().fold(None, earlier),
        proposal: nth(prevoted.iter().copied(), quorum),
        prevotes: nth(precommitted.iter().copied(), quorum),
        certificate: revealed.iter().copied().fold(None, earlier),
        tallied: tallied.collect(),
    }
}

/// When the reveals that arrive, each with its author, decide if `frozen` commits were frozen, or more.
pub(super) fn tallied(
    planned: &Planned,
    frozen: usize,
    arrivals: impl Iterator<Item = (usize, Arrival)>,
) -> Arrival {
    let mut arrived: Vec<(u64, &Ballot)> = arrivals
        .filter_map(|(author, at)| Some((at?, &planned.ballots[author])))
        .collect();
    arrived.sort_by_key(|(at, _)| *at);
    let decisive = (1..=arrived.len()).find(|count| {
        let ballots: Vec<&Ballot> = arrived[..*count]
            .iter()
            .map(|(_, ballot)| *ballot)
            .collect();
        let missing = frozen.saturating_sub(*count);
        decides(planned.class, planned.ballots.len(), &ballots, missing)
    })?;
    Some(arrived[decisive - 1].0)
}

/// P5 for equal weights, with so many frozen commits not yet revealed.
fn decides(class: Class, nodes: usize, ballots: &[&Ballot], missing: usize) -> bool {
    let votes_for = |wanted: &Ballot| ballots.iter().filter(|ballot| **ballot == wanted).count();
    if class == Class::Claim {
        let results: Vec<usize> = ballots
            .iter()
            .filter(|ballot| matches!(ballot, Ballot::Result(_)))
            .map(|ballot| votes_for(ballot))
            .collect();
        let best = results.iter().max().copied().unwrap_or(0);
        let others = results.iter().filter(|votes| **votes != best).max();
        let is_tied = results.iter().filter(|votes| **votes == best).count() > best;
        let rival = if is_tied {
            best
        } else {
            others.copied().unwrap_or(0)
        };
        let is_decided = best > rival + missing && 2 * ballots.len() > nodes;
        return is_decided || missing == 0;
    }
    let votes = [votes_for(&Ballot::Approve), votes_for(&Ballot::Reject)];
    let is_decided = votes.iter().any(|votes| 3 * votes > 2 * nodes);
    is_decided || votes.iter().all(|votes| 3 * (votes + missing) <= 2 * nodes)
}

#[cfg(test)]
mod tests {
    use super::super::reach::{first, last};
    use super::super::trace::{Contact, Trace};
    use super::*;

    fn planned(class: Class, nodes: usize) -> Planned {
        let ballot = match class {
            Class::Claim => Ballot::Result(vec![1]),
            _ => Ballot::Approve,
        };
        Planned {
            at_s: 5,
            by: 0,
            class,
            ballots: vec![ballot; nodes],
        }
    }

    #[test]
    fn a_chain_of_meetings_takes_five_diffusions() {
        // Three of three are a quorum; a carrier goes to and fro between the other two, ten seconds each way.
        let contacts: Vec<Contact> = (0..20)
            .map(|leg| Contact {
                from_s: 10 * leg,
                to_s: 10 * leg,
                nodes: if leg % 2 == 0 { (0, 1) } else { (1, 2) },
            })
            .collect();
        let trace = Trace::from_contacts(3, &contacts);
        let reach = Reach::new(&trace);
        let bound = bound(&reach, &planned(Class::Critical, 3));
        // 1 hears of it at 20, 2 at 30 and commits: all three commits are there, and 1 is there too. 0 hears the seal's
        // proposal at 40, the prevotes of 1 and 2 with it. Its own come to 2 at 50, and with them the precommits of 0 and 1,
        // which 2 completes: the reveals of 1 and 2 come at once, the certificate to 0 at 60, its reveal to 1 at once.
        let at = |bound: &Bound| {
            (
                bound.spread,
                bound.commits,
                bound.proposal,
                bound.prevotes,
                bound.certificate,
            )
        };
        assert_eq!(
            at(&bound),
            (Some(30), Some(30), Some(40), Some(50), Some(50))
        );
        assert_eq!(bound.tallied, [Some(60), Some(60), Some(70)]);
        assert_eq!(
            (first(&bound.tallied), last(&bound.tallied)),
            (Some(60), Some(70))
        );
    }

    #[test]
    fn a_claim_needs_no_reveal_that_cannot_change_it() {
        let (yes, no) = (Ballot::Result(vec![1]), Ballot::Result(vec![2]));
        let cases = [
            (
                "five of nine agree, two are missing",
                vec![&yes; 5],
                2,
                true,
            ),
            ("four are no majority", vec![&yes; 4], 3, false),
            (
                "five to one",
                vec![&yes, &yes, &yes, &yes, &yes, &no],
                1,
                true,
            ),
            (
                "three to three",
                vec![&yes, &yes, &yes, &no, &no, &no],
                1,
                false,
            ),
            (
                "a tie of all that are frozen has no result",
                vec![&yes, &no],
                0,
                true,
            ),
        ];
        for (desc, ballots, missing, expected) in cases {
            assert_eq!(
                decides(Class::Claim, 9, &ballots, missing),
                expected,
                "{desc}"
            );
        }
    }

    #[test]
    fn a_critical_vote_ends_when_neither_side_can_win() {
        let (yes, no, none) = (Ballot::Approve, Ballot::Reject, Ballot::Abstain);
        let cases = [
            ("seven of nine", vec![&yes; 7], 0, true),
            ("six and one missing", vec![&yes; 6], 1, false),
            (
                "six and one abstention",
                vec![&yes, &yes, &yes, &yes, &yes, &yes, &none],
                0,
                true,
            ),
            ("one against, five missing", vec![&yes, &no], 5, true),
        ];
        for (desc, ballots, missing, expected) in cases {
            assert_eq!(
                decides(Class::Critical, 9, &ballots, missing),
                expected,
                "{desc}"
            );
        }
    }
}
