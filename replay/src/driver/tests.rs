use mycnet_consensus::limits::SET_ITEMS_MAX;

use super::*;
use crate::answers::{Place, Task, Time};

mod builds;

/// Tasks by how many of the workers answer them: all but the last worker say "yes".
fn answers(panels: &[usize]) -> Answers {
    let workers = panels.iter().copied().max().unwrap_or(0);
    let answer = |worker| if worker + 1 == workers { "no" } else { "yes" };
    let tasks = panels.iter().enumerate().map(|(index, &panel)| Task {
        name: format!("task {index}"),
        gold: None,
        answers: (0..panel)
            .map(|worker| (worker, answer(worker).to_owned()))
            .collect(),
        places: Vec::new(),
    });
    Answers {
        tasks: tasks.collect(),
        workers: (0..workers).map(|worker| format!("w{worker}")).collect(),
        ..Answers::default()
    }
}

fn args(seed: u64, delivery_seed: u64, tasks_per_seal: u16) -> Args {
    Args {
        seed,
        delivery_seed,
        tasks_per_seal,
        ..Args::default()
    }
}

fn replay(answers: &Answers, args: &Args) -> Replayed {
    run(answers, args, &ProgressBar::hidden()).unwrap()
}

#[test]
fn delivery_never_changes_what_replicas_hold() {
    let answers = answers(&[5, 4, 3, 5, 4]);
    let first = replay(&answers, &args(1, 0, 2));
    for replica in &first.replicas {
        let held = (replica.state_digest, replica.documents_digest);
        let primary = &first.replicas[0];
        assert_eq!(held, (primary.state_digest, primary.documents_digest));
        // Two seals for each of the groups of 2, 2 and 1.
        assert_eq!(replica.height, 6);
    }
    for delivery_seed in 1..8 {
        let again = replay(&answers, &args(1, delivery_seed, 2));
        assert_eq!(again.replicas, first.replicas, "{delivery_seed}");
        assert_eq!(again.decisions, first.decisions, "{delivery_seed}");
        assert_eq!(again.members, first.members, "{delivery_seed}");
    }
    let other = replay(&answers, &args(2, 0, 2));
    assert_ne!(other.network, first.network);
    assert_ne!(
        other.replicas[0].state_digest,
        first.replicas[0].state_digest
    );
}

#[test]
fn scores_and_their_reasons_add_up() {
    let answers = answers(&[4, 4, 4]);
    let replayed = replay(&answers, &args(1, 1, 1));
    let yes = Decision::Decided("yes".to_owned());
    assert_eq!(replayed.decisions, vec![yes; 3]);
    assert_eq!(replayed.members.len(), AUTHORITIES + 4);
    for member in &replayed.members {
        let change: i64 = member.reasons.iter().map(|reason| reason.change_ppm).sum();
        // In panels, trust moves for equivocation alone.
        assert_eq!((member.trust_ppm, change), (500_000, 0), "{member:?}");
        let reasons = member.reasons.iter();
        let change: i64 = reasons.map(|reason| reason.skill_change_ppm).sum();
        assert_eq!(i64::from(member.skill_ppm), 500_000 + change, "{member:?}");
        let reasons: Vec<(&str, u64)> = member
            .reasons
            .iter()
            .map(|reason| (reason.reason.as_str(), reason.times))
            .collect();
        let expected: &[(&str, u64)] = match member.name.as_str() {
            "w3" => &[("claim_dissent", 3)],
            name if name.starts_with('w') => &[("coherent", 3)],
            _ => &[],
        };
        assert_eq!(reasons, expected, "{}", member.name);
    }
}

#[test]
fn one_or_two_workers_decide_and_score_nobody() {
    let answers = answers(&[2, 3, 1]);
    let replayed = replay(&answers, &args(1, 1, 16));
    let yes = Decision::Decided("yes".to_owned());
    assert_eq!(replayed.decisions, vec![yes; 3]);
    assert_eq!(replayed.replicas[0].height, 2);
    let scored = replayed.members.iter().flat_map(|member| &member.reasons);
    let times: u64 = scored.map(|reason| reason.times).sum();
    assert_eq!(times, 3, "each of the three workers once");
}

/// Two against two of equal weight are no plurality.
#[test]
fn a_tie_is_no_quorum() {
    let mut answers = answers(&[4]);
    answers.tasks[0].answers[2].1 = "no".to_owned();
    let replayed = replay(&answers, &args(1, 1, 16));
    assert_eq!(replayed.decisions, [Decision::NoQuorum]);
}

/// Builders (rows) and what each found for each artifact (columns).
fn built(results: &[&[&str]]) -> Answers {
    let tasks = (0..results[0].len()).map(|artifact| Task {
        name: format!("artifact {artifact}"),
        gold: None,
        answers: (results.iter().enumerate())
            .map(|(builder, results)| (builder, results[artifact].to_owned()))
            .collect(),
        places: (0..results.len() as u64)
            .map(|builder| Place {
                line: 2 + builder * results[0].len() as u64 + artifact as u64,
                time: Some(Time {
                    ms: 1000 + 60_000 * builder,
                    text: builder.to_string().into(),
                }),
            })
            .collect(),
    });
    Answers {
        tasks: tasks.collect(),
        workers: (0..results.len())
            .map(|builder| format!("b{builder}"))
            .collect(),
        ..Answers::default()
    }
}

fn in_sets(in_order: bool) -> Args {
    Args {
        set: Some(512),
        in_order,
        share: "majority".parse().unwrap(),
        ..args(1, 1, 8)
    }
}

/// A result that nobody gets twice says nothing about anybody: the items beside it alone move skill.
#[test]
fn what_is_not_deterministic_gets_no_verdict_and_costs_nobody_anything() {
    let answers = built(&[
        &["1", "a", "1", "v"],
        &["1", "b", "1", "v"],
        &["1", "c", "1", "w"],
        &["1", "d", "2", "w"],
    ]);
    let replayed = replay(&answers, &in_sets(true));
    let decided = |answer: &str| Decision::Decided(answer.to_owned());
    let expected = [
        decided("1"),
        Decision::NoQuorum,
        decided("1"),
        Decision::NoQuorum,
    ];
    assert_eq!(replayed.decisions, expected);
    let cost = replayed.cost;
    assert_eq!((cost.sets, cost.single_claims, cost.largest_set), (1, 0, 4));
    // A proposal, and a commit and a reveal of each.
    assert_eq!(cost.sealed_records, 9);
    assert_eq!(replayed.replicas[0].height, 2);
    // The same without the items that nobody agreed on, at half of their share.
    let skill = |name: &str| {
        let mut members = replayed.members.iter();
        members
            .find(|member| member.name == name)
            .unwrap()
            .skill_ppm
    };
    assert_eq!(skill("b0"), 505_000, "two of four right");
    assert_eq!(skill("b3"), 496_218, "one of four right, and one wrong");
    let timeline = replayed.timeline.unwrap();
    let fallen: Vec<&str> = timeline
        .falls
        .iter()
        .map(|fall| fall.name.as_str())
        .collect();
    assert_eq!(fallen, ["b3"]);
    let scattered = built(&[&["a", "e"], &["b", "f"], &["c", "g"], &["d", "h"]]);
    let replayed = replay(&scattered, &in_sets(true));
    assert_eq!(replayed.decisions, [Decision::NoQuorum, Decision::NoQuorum]);
    for member in &replayed.members {
        assert_eq!(member.skill_ppm, 500_000, "{}", member.name);
    }
}

#[test]
fn seals_follow_the_time_of_the_file() {
    let answers = built(&[&["1", "1"], &["1", "1"], &["2", "1"]]);
    let replayed = replay(&answers, &in_sets(true));
    let timeline = replayed.timeline.unwrap();
    assert_eq!(timeline.moments.len(), 1);
    let moment = &timeline.moments[0];
    // The last answer of the three builders.
    assert_eq!((moment.height, moment.place.line), (2, 7));
    assert_eq!(timeline.decided, [Some(0), Some(0)]);
    let fall = &timeline.falls[0];
    assert_eq!((fall.name.as_str(), &fall.fell), ("b2", moment));
    assert_eq!(fall.recovered, None);
    assert_eq!(replay(&answers, &in_sets(false)).timeline, None);
}

/// A set holds the largest answers that its items can have, from more workers than one seal has room for.
#[test]
fn a_set_may_take_several_seals() {
    let items = SET_ITEMS_MAX;
    let tasks = (0..items).map(|index| Task {
        name: format!("{index:0192}"),
        gold: None,
        answers: (0..140)
            .map(|worker| (worker, format!("{index:064}")))
            .collect(),
        places: Vec::new(),
    });
    let answers = Answers {
        tasks: tasks.collect(),
        workers: (0..140).map(|worker| format!("w{worker}")).collect(),
        ..Answers::default()
    };
    let replayed = replay(&answers, &in_sets(false));
    let decided = replayed.decisions.iter();
    let decided = decided.filter(|decision| matches!(decision, Decision::Decided(_)));
    assert_eq!(decided.count(), items);
    assert_eq!((replayed.cost.sets, replayed.cost.largest_set), (1, 512));
    assert!(replayed.replicas[0].height > 2);
    assert!(replayed.cost.sealed_bytes > 140 * 512 * 64);
}
