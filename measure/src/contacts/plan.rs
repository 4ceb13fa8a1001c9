//! The proposals over the length of a trace, their authors, and the votes of all nodes.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::trace::Trace;
use mycnet_consensus::internals::operation::{Ballot, Class};

/// One planned operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// When it is proposed, seconds since the trace began.
    pub at_s: u64,
    /// Who proposes it.
    pub by: usize,
    /// `Critical` or `Claim`.
    pub class: Class,
    /// How each node votes, as soon as it hears of it.
    pub ballots: Vec<Ballot>,
}

/// Operations at random times by random nodes, all from one seed: claims and critical ones in turn if both are asked for. Of
/// each operation most nodes think alike, some do not, and a few abstain.
#[must_use]
pub fn operations(seed: u64, trace: &Trace, count: usize, classes: &[Class]) -> Vec<Planned> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xc0_47ac);
    let mut planned: Vec<Planned> = (0..count)
        .map(|number| {
            let class = classes[number % classes.len()];
            let leaning = rng.random_ratio(3, 4);
            let ballots = (0..trace.nodes()).map(|_| ballot(&mut rng, class, leaning));
            Planned {
                ballots: ballots.collect(),
                at_s: rng.random_range(0..=trace.end_s()),
                by: rng.random_range(0..trace.nodes()),
                class,
            }
        })
        .collect();
    planned.sort_by_key(|planned| planned.at_s);
    planned
}

/// Nine in ten vote like the majority.
fn ballot(rng: &mut ChaCha8Rng, class: Class, leaning: bool) -> Ballot {
    let (likes, is_yes) = match rng.random_range(0..100) {
        0..90 => (true, leaning),
        90..97 => (true, !leaning),
        _ => (false, leaning),
    };
    match class {
        _ if !likes => Ballot::Abstain,
        Class::Claim => Ballot::Result(if is_yes { b"right" } else { b"wrong" }.to_vec()),
        Class::Critical | Class::Standard if is_yes => Ballot::Approve,
        Class::Critical | Class::Standard => Ballot::Reject,
    }
}
