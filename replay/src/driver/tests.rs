use super::*;

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

#[test]
fn groups_fit_a_seal() {
    let sizes = |panels: &[usize], tasks_per_seal| -> Vec<usize> {
        let groups = groups(&answers(panels), &args(1, 1, tasks_per_seal));
        groups.iter().map(Vec::len).collect()
    };
    assert_eq!(sizes(&[3; 5], 2), [2, 2, 1]);
    assert_eq!(sizes(&[3, 2, 3, 1], 64), [4]);
    assert!(sizes(&[], 64).is_empty());
    // 1,001 records each, and a seal takes 10,000.
    assert_eq!(sizes(&[1000; 20], 64), [9, 9, 2]);
}

#[test]
fn the_seed_and_the_names_alone_order_the_tasks() {
    let tasks_of = |names: &mut dyn Iterator<Item = usize>| Answers {
        tasks: names
            .map(|name| Task {
                name: name.to_string(),
                gold: None,
                answers: Vec::new(),
            })
            .collect(),
        ..Answers::default()
    };
    let answers = tasks_of(&mut (0..200));
    let order = shuffled(&answers, 1);
    assert_eq!(order, shuffled(&answers, 1));
    assert_ne!(order, shuffled(&answers, 2));
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..200).collect::<Vec<_>>());
    assert_ne!(order, sorted);
    let names = |answers: &Answers| -> Vec<String> {
        let order = shuffled(answers, 7).into_iter();
        order.map(|i| answers.tasks[i].name.clone()).collect()
    };
    assert_eq!(
        names(&tasks_of(&mut (0..50))),
        names(&tasks_of(&mut (0..50).rev()))
    );
}
