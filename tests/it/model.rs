//! The agreement decides as the protocol's text does (S1, S2, S3, S8, S11): a small model of one node, written from the text and
//! not from the code, goes through the same random schedules as the production agreement, and both must say the same at every
//! point. Liars are part of the schedules. Afterwards everything is delivered, and every height must be decided, the same way.
//!
//! Every run is a function of its seed, which a failure prints. `MYCNET_SCHEDULES=100000 cargo test --test it model` runs more
//! schedules than the 1,000 per row that are run by default.

mod liars;
mod node;
mod schedule;

use node::Rules;
use schedule::{Ending, Finding, Setting, run};

fn schedules(default: u64) -> u64 {
    let chosen = std::env::var("MYCNET_SCHEDULES").ok();
    chosen.map_or(default, |text| {
        text.parse().expect("MYCNET_SCHEDULES is a number")
    })
}

const ROWS: [(usize, usize); 3] = [(4, 1), (7, 2), (10, 3)];

const ENDINGS: [Ending; 2] = [Ending::Mesh, Ending::Carried];

fn setting((members, liars): (usize, usize), ending: Ending) -> Setting {
    Setting {
        members,
        liars,
        ending,
        rules: Rules::default(),
        drives_production: true,
    }
}

fn hold(row: (usize, usize)) {
    for seed in 0..schedules(1_000) {
        let setting = setting(row, ENDINGS[(seed % 2) as usize]);
        if let Err(finding) = run(setting, seed) {
            panic!("{setting:?}, seed {seed}: {finding}");
        }
    }
}

#[test]
fn four_with_a_liar_agree_with_the_model() {
    hold(ROWS[0]);
}

#[test]
fn seven_with_two_liars_agree_with_the_model() {
    hold(ROWS[1]);
}

#[test]
fn ten_with_three_liars_agree_with_the_model() {
    hold(ROWS[2]);
}

/// The first finding of a kind among schedules of all rows.
fn found(rules: Rules, drives_production: bool, is: impl Fn(&Finding) -> bool) -> Option<u64> {
    (0..3_000).find(|seed| {
        let row = ROWS[(seed % 3) as usize];
        let setting = Setting {
            rules,
            drives_production,
            ..setting(row, ENDINGS[(seed / 3 % 2) as usize])
        };
        run(setting, *seed).is_err_and(|finding| is(&finding))
    })
}

#[test]
fn the_comparison_fires_when_the_model_lacks_a_rule() {
    let all = Rules::default();
    for (rule, rules) in [
        (
            "the lock (L29)",
            Rules {
                has_locks: false,
                ..all
            },
        ),
        (
            "S8's counting for guards",
            Rules {
                counts_beyond: false,
                ..all
            },
        ),
        (
            "S8's counting for L55",
            Rules {
                counts_above: false,
                ..all
            },
        ),
        (
            "S8's in vain",
            Rules {
                vain_counts_above: false,
                ..all
            },
        ),
        (
            "S11's patience near a quorum",
            Rules {
                joins_near_a_quorum: true,
                ..all
            },
        ),
        (
            "S6's nil votes whatever their reason",
            Rules {
                counts_all_nil: false,
                ..all
            },
        ),
        (
            "S11's joining",
            Rules {
                joins: false,
                ..all
            },
        ),
    ] {
        let seed = found(rules, true, |finding| {
            matches!(finding, Finding::Differs(_))
        });
        assert!(seed.is_some(), "the schedules do not notice without {rule}");
    }
}

#[test]
fn safety_and_liveness_fire_in_the_model_alone() {
    let all = Rules::default();
    let no_locks = Rules {
        has_locks: false,
        ..all
    };
    let forked = found(no_locks, false, |finding| {
        matches!(finding, Finding::Forked)
    });
    assert!(forked.is_some(), "the schedules are too tame to fork");
    let no_counting = Rules {
        counts_beyond: false,
        ..all
    };
    let stuck = found(no_counting, false, |finding| {
        matches!(finding, Finding::Stuck(_))
    });
    assert!(stuck.is_some(), "the schedules are too tame to get stuck");
}
