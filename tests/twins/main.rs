//! Agreement on seals under attack, in the manner of Twins (Bano et al., arXiv 2004.10617): some keys are held by two
//! nodes that both follow the rules and know nothing of each other, which makes all the ways to sign twice, to forget a lock
//! and to tell two stories, without writing an attack for each.
//!
//! Every run is a function of its seed, which a failure prints. `MYCNET_SCHEDULES=1500 cargo test --test twins` runs more
//! schedules than the 150 per row that are run by default.

mod network;
mod order;
mod random;

use std::fmt::Write as _;
use std::sync::OnceLock;

use network::{Flaw, Outcome, Setting};

/// Fewer than a third are twinned: nothing may go wrong.
const SAFE: [Setting; 3] = [
    Setting::new(4, 0, Flaw::None),
    Setting::new(4, 1, Flaw::None),
    Setting::new(7, 2, Flaw::None),
];

/// A third or more: forks are possible, and blame must find who made them.
const UNSAFE: [Setting; 3] = [
    Setting::new(4, 2, Flaw::None),
    Setting::new(7, 3, Flaw::None),
    Setting::new(7, 4, Flaw::None),
];

/// Nobody is twinned, but members that restart have lost their journal and sign on all the same.
const FORGETFUL: Setting = Setting::new(4, 0, Flaw::LostJournals);

/// Half of the members never say anything.
const MUTE: Setting = Setting::new(4, 0, Flaw::Mute(2));

fn schedules() -> u64 {
    let chosen = std::env::var("MYCNET_SCHEDULES").ok();
    chosen.map_or(150, |text| {
        text.parse().expect("MYCNET_SCHEDULES is a number")
    })
}

/// The outcomes of a setting's schedules, which the tests share.
fn outcomes(setting: &'static Setting) -> &'static [Outcome] {
    static RUNS: OnceLock<std::sync::Mutex<Vec<(Setting, &'static OnceLock<Vec<Outcome>>)>>> =
        OnceLock::new();
    let cell = {
        let mut runs = RUNS.get_or_init(Default::default).lock().unwrap();
        match runs.iter().find(|(run, _)| run == setting) {
            Some((_, cell)) => *cell,
            None => {
                let cell: &'static OnceLock<_> = Box::leak(Box::default());
                runs.push((*setting, cell));
                cell
            }
        }
    };
    cell.get_or_init(|| {
        (0..schedules())
            .map(|seed| network::run(setting, seed))
            .collect()
    })
}

/// Seeds of the outcomes with a property, as the message of a failure.
fn seeds(
    setting: &Setting,
    outcomes: &[Outcome],
    has: impl Fn(&Outcome) -> bool,
) -> Option<String> {
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| has(outcome)).take(5) {
        write!(text, " {}", outcome.seed).unwrap();
    }
    (!text.is_empty()).then(|| format!("{setting:?}, seeds:{text}"))
}

fn none(setting: &'static Setting, what: &str, has: impl Fn(&Outcome) -> bool) {
    if let Some(seeds) = seeds(setting, outcomes(setting), has) {
        panic!("{what}: {seeds}");
    }
}

#[test]
fn s_agree() {
    for setting in &SAFE {
        none(setting, "two seals were decided", Outcome::forked);
        none(setting, "a decision was taken back", |outcome| {
            outcome.reverted
        });
        none(setting, "a certificate did not verify", |outcome| {
            outcome.bad_certificate
        });
    }
}

#[test]
fn s_agree_fires_when_a_third_are_twinned_or_forget() {
    for setting in UNSAFE.iter().chain([&FORGETFUL]) {
        assert!(
            outcomes(setting).iter().any(Outcome::forked),
            "no schedule of {setting:?} forked, so the schedules are too tame"
        );
    }
}

#[test]
fn s_live() {
    for setting in &SAFE {
        none(setting, "some never decided", |outcome| {
            outcome.undecided > 0
        });
    }
}

#[test]
fn s_live_fires_without_a_quorum_that_speaks() {
    assert!(outcomes(&MUTE).iter().all(|outcome| outcome.undecided == 4));
}

#[test]
fn s_blame() {
    for setting in SAFE.iter().chain(&UNSAFE) {
        none(setting, "a fork named no third of the weight", |outcome| {
            outcome.forked() && !outcome.names_over_third()
        });
        none(setting, "an honest node was named", |outcome| {
            outcome.honest_named > 0
        });
        none(
            setting,
            "someone made a precommit without proof",
            |outcome| outcome.unfounded,
        );
    }
}

#[test]
fn s_blame_fires_when_honest_nodes_break_the_rules() {
    none(
        &FORGETFUL,
        "a fork named no third of the weight",
        |outcome| outcome.forked() && !outcome.names_over_third(),
    );
    let outcomes = outcomes(&FORGETFUL);
    assert!(outcomes.iter().any(|outcome| outcome.honest_named > 0));
    assert!(outcomes.iter().any(|outcome| outcome.amnesiacs > 0));
}

/// One line per setting, for `--nocapture`.
#[test]
fn table() {
    println!(
        "members/twinned  schedules  forks  forks that name more than a third  honest named  undecided"
    );
    for setting in SAFE.iter().chain(&UNSAFE).chain([&FORGETFUL, &MUTE]) {
        let outcomes = outcomes(setting);
        let count =
            |has: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| has(outcome)).count();
        println!(
            "{}/{} {:?}  {}  {}  {}  {}  {}   rounds {}  across {}",
            setting.members,
            setting.twinned,
            setting.flaw,
            outcomes.len(),
            count(&Outcome::forked),
            count(&|outcome| outcome.forked() && outcome.names_over_third()),
            count(&|outcome| outcome.honest_named > 0),
            count(&|outcome| outcome.undecided > 0),
            outcomes
                .iter()
                .map(|outcome| outcome.rounds)
                .max()
                .unwrap_or(0),
            count(&|outcome| outcome.forked() && outcome.amnesiacs > 0),
        );
    }
}
