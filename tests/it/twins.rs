//! Agreement on seals under attack, in the manner of Twins (Bano et al., arXiv 2004.10617): two nodes hold the same key, follow
//! the rules and know nothing of each other. Together they sign twice, forget locks and contradict themselves in every way,
//! and no attack has to be written.
//!
//! Every run is a function of its seed, which a failure prints. `MYCNET_SCHEDULES=1500 cargo test --test it twins` runs more
//! schedules than the 150 per row that are run by default.

mod network;
mod order;
pub mod random;

use std::sync::OnceLock;

use network::{Flaw, Outcome, Setting};

/// A setting and the outcomes of its schedules, which the tests share.
struct Row {
    setting: Setting,
    outcomes: OnceLock<Vec<Outcome>>,
}

/// Fewer than a third have twins: nothing may go wrong.
static SAFE: [Row; 3] = [
    Row::new(4, 0, Flaw::None),
    Row::new(4, 1, Flaw::None),
    Row::new(7, 2, Flaw::None),
];

/// A third or more have twins: forks are possible, and blame must name their makers.
static UNSAFE: [Row; 3] = [
    Row::new(4, 2, Flaw::None),
    Row::new(7, 3, Flaw::None),
    Row::new(7, 4, Flaw::None),
];

/// No member has a twin, but members that restart have lost their journal and go on signing.
static FORGETFUL: Row = Row::new(4, 0, Flaw::LostJournals);

/// Half of the members never say anything.
static MUTE: Row = Row::new(4, 0, Flaw::Mute(2));

fn schedules() -> u64 {
    let chosen = std::env::var("MYCNET_SCHEDULES").ok();
    chosen.map_or(150, |text| {
        text.parse().expect("MYCNET_SCHEDULES is a number")
    })
}

impl Row {
    const fn new(members: usize, twinned: usize, flaw: Flaw) -> Self {
        Self {
            setting: Setting {
                members,
                twinned,
                flaw,
            },
            outcomes: OnceLock::new(),
        }
    }

    fn outcomes(&self) -> &[Outcome] {
        self.outcomes.get_or_init(|| {
            let run = |seed| network::run(self.setting, seed);
            (0..schedules()).map(run).collect()
        })
    }

    fn count(&self, has: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes()
            .iter()
            .filter(|outcome| has(outcome))
            .count()
    }

    /// Fails with the first seeds of outcomes that have the property.
    fn never(&self, what: &str, has: impl Fn(&Outcome) -> bool) {
        let found = self.outcomes().iter().filter(|outcome| has(outcome));
        let seeds: Vec<_> = found.map(|outcome| outcome.seed).take(5).collect();
        assert!(
            seeds.is_empty(),
            "{what}: {:?}, seeds {seeds:?}",
            self.setting
        );
    }
}

#[test]
fn s_agree() {
    for row in &SAFE {
        row.never("two seals were decided", Outcome::forked);
        row.never("a decision was taken back", |outcome| outcome.reverted);
        row.never("a certificate did not verify", |outcome| {
            outcome.bad_certificate
        });
    }
}

#[test]
fn s_agree_fires_when_a_third_are_twinned() {
    for row in &UNSAFE {
        let forks = row.count(Outcome::forked);
        assert!(
            forks > 0,
            "the schedules are too tame to fork {:?}",
            row.setting
        );
    }
}

#[test]
fn s_live() {
    for row in &SAFE {
        row.never("some never decided", |outcome| outcome.undecided > 0);
    }
}

#[test]
fn s_live_fires_without_a_quorum_that_speaks() {
    MUTE.never("a third and more were mute", |outcome| {
        outcome.undecided < 4
    });
}

#[test]
fn s_blame() {
    for row in SAFE.iter().chain(&UNSAFE) {
        row.never(
            "a fork named no third of the weight",
            Outcome::forked_unexplained,
        );
        row.never("an honest node was named", |outcome| {
            outcome.honest_named > 0
        });
        row.never("a precommit had no proof of lock", |outcome| {
            outcome.unfounded
        });
        row.never("a certificate did not verify", |outcome| {
            outcome.bad_certificate
        });
    }
}

#[test]
fn s_blame_fires_when_honest_nodes_break_the_rules() {
    FORGETFUL.never(
        "a fork named no third of the weight",
        Outcome::forked_unexplained,
    );
    assert!(FORGETFUL.count(|outcome| outcome.honest_named > 0) > 0);
    assert!(FORGETFUL.count(|outcome| outcome.amnesiacs > 0) > 0);
}

/// The outcomes that the other tests judge, as a table: `cargo test --test it twins::table -- --nocapture`.
#[test]
fn table() {
    println!(
        "members/twinned | schedules | forks | of them, more than a third named | across rounds | honest named | undecided | rounds"
    );
    for row in SAFE.iter().chain(&UNSAFE).chain([&FORGETFUL, &MUTE]) {
        let Setting {
            members,
            twinned,
            flaw,
        } = row.setting;
        let flaw = if flaw == Flaw::None {
            String::new()
        } else {
            format!(" {flaw:?}")
        };
        println!(
            "{members}/{twinned}{flaw} | {} | {} | {} | {} | {} | {} | {}",
            row.outcomes().len(),
            row.count(Outcome::forked),
            row.count(|outcome| outcome.forked() && !outcome.forked_unexplained()),
            row.count(|outcome| outcome.forked() && outcome.amnesiacs > 0),
            row.count(|outcome| outcome.honest_named > 0),
            row.count(|outcome| outcome.undecided > 0),
            row.outcomes()
                .iter()
                .map(|outcome| outcome.rounds)
                .max()
                .unwrap_or(0),
        );
    }
}
