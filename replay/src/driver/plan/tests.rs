use super::*;
use crate::answers::Time;

fn args(set: Option<u16>, in_order: bool, tasks_per_seal: u16) -> Args {
    Args {
        seed: 1,
        tasks_per_seal,
        set,
        in_order,
        ..Args::default()
    }
}

/// Tasks by how many of the workers answer them.
fn answers(panels: &[usize]) -> Answers {
    let panels: Vec<Vec<usize>> = panels.iter().map(|panel| (0..*panel).collect()).collect();
    given(&panels)
}

/// Tasks by who answers them.
fn given(panels: &[Vec<usize>]) -> Answers {
    let tasks = panels.iter().enumerate().map(|(index, panel)| Task {
        name: format!("task {index:03}"),
        gold: None,
        answers: panel
            .iter()
            .map(|worker| (*worker, "yes".to_owned()))
            .collect(),
        places: Vec::new(),
    });
    Answers {
        tasks: tasks.collect(),
        ..Answers::default()
    }
}

/// Tasks of the same two workers, with the line of each answer, and its time if there is one.
fn placed(tasks: &[[(u64, Option<u64>); 2]]) -> Answers {
    let mut answers = answers(&vec![2; tasks.len()]);
    for (task, places) in answers.tasks.iter_mut().zip(tasks) {
        let places = places.iter().map(|&(line, ms)| Place {
            line,
            time: ms.map(|ms| Time {
                ms,
                text: ms.to_string().into(),
            }),
        });
        task.places = places.collect();
    }
    answers
}

fn asked(answers: &Answers, args: &Args) -> Vec<Vec<Vec<usize>>> {
    let groups = groups(answers, args).into_iter();
    groups.map(|group| group.operations).collect()
}

#[test]
fn tasks_of_the_same_workers_come_into_one_set() {
    let (few, other, many) = (vec![0, 1], vec![1, 2], vec![2, 1, 0]);
    let panels = [&few, &many, &few, &other, &few, &many, &vec![0, 1, 2]].map(Clone::clone);
    for (limit, mut expected) in [
        (512, vec![vec![0, 2, 4], vec![1, 5, 6], vec![3]]),
        (2, vec![vec![0, 2], vec![4], vec![1, 5], vec![6], vec![3]]),
    ] {
        let args = args(Some(limit), false, 1);
        let asked = asked(&given(&panels), &args);
        assert!(asked.iter().all(|group| group.len() == 1));
        let mut sizes: Vec<usize> = asked.iter().map(|group| group[0].len()).collect();
        let mut wanted: Vec<usize> = expected.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(sizes, wanted);
        if limit == 512 {
            // The seed orders the sets, and their items stand by name.
            let mut asked: Vec<Vec<usize>> = asked.into_iter().flatten().collect();
            asked.sort();
            expected.sort();
            assert_eq!(asked, expected);
        }
    }
}

#[test]
fn small_sets_share_a_seal_up_to_its_number_of_tasks() {
    let panels: Vec<Vec<usize>> = (0..9).map(|task| vec![task / 3, 10, 11]).collect();
    for (tasks_per_seal, seals) in [(1, vec![1, 1, 1]), (6, vec![2, 1]), (64, vec![3])] {
        let args = args(Some(512), false, tasks_per_seal);
        let asked = asked(&given(&panels), &args);
        let sizes: Vec<usize> = asked.iter().map(Vec::len).collect();
        assert_eq!(sizes, seals, "{tasks_per_seal}");
    }
}

#[test]
fn what_is_no_item_is_a_claim_of_its_own() {
    let mut answers = given(&vec![vec![0, 1, 2]; 6]);
    answers.tasks[1].name = "x".repeat(ITEM_SUBJECT_BYTES_MAX + 1);
    answers.tasks[2].answers[1].1 = "x".repeat(ITEM_BYTES_MAX + 1);
    answers.tasks[3].name = "x".repeat(ITEM_SUBJECT_BYTES_MAX);
    answers.tasks[4].answers[1].1 = "x".repeat(ITEM_BYTES_MAX);
    let mut asked: Vec<Vec<usize>> = asked(&answers, &args(Some(512), false, 64)).concat();
    asked.sort();
    assert_eq!(asked, [vec![0, 4, 5, 3], vec![1], vec![2]]);
}

/// The longest names and the largest panel: sets of fewer items, each of which a record holds.
#[test]
fn a_set_fits_its_record() {
    let mut answers = given(&vec![(0..1020).collect(); 600]);
    for (index, task) in answers.tasks.iter_mut().enumerate() {
        task.name = format!("{index:0ITEM_SUBJECT_BYTES_MAX$}");
    }
    let asked = asked(&answers, &args(Some(512), false, 8));
    let sizes: Vec<usize> = asked.iter().map(|group| group[0].len()).collect();
    assert_eq!(sizes, [376, 224]);
}

#[test]
fn in_order_a_task_is_asked_when_its_last_answer_is_in() {
    let lines = |a, b| [(a, None), (b, None)];
    let spans = [lines(2, 9), lines(3, 4), lines(5, 6), lines(7, 8)];
    let answers = placed(&spans);
    let single = asked(&answers, &args(None, true, 2));
    assert_eq!(single, [[[1], [2]], [[3], [0]]]);
    // All of them follow one another in the file.
    let sets = asked(&answers, &args(Some(3), true, 1));
    assert_eq!(sets, [[vec![1, 2, 3]], [vec![0]]]);
    let groups = groups(&answers, &args(Some(3), true, 1));
    let ends = groups.iter().map(|group| group.last.as_ref().unwrap().line);
    assert_eq!(ends.collect::<Vec<_>>(), [8, 9]);
}

#[test]
fn in_order_only_what_is_asked_at_one_time_comes_into_one_set() {
    let times = |a: (u64, u64), b: (u64, u64)| [(a.0, Some(a.1)), (b.0, Some(b.1))];
    let spans = [
        times((2, 10), (4, 20)),
        times((3, 10), (5, 20)),
        // Its first answer came later than the last of those.
        times((6, 21), (8, 30)),
        times((7, 25), (9, 31)),
    ];
    let answers = placed(&spans);
    let sets = asked(&answers, &args(Some(512), true, 64));
    assert_eq!(sets, [[[0, 1]], [[2, 3]]]);
    // Alone, a seal takes what ended at its time.
    let single = asked(&answers, &args(None, true, 64));
    assert_eq!(
        single,
        [vec![vec![0], vec![1]], vec![vec![2]], vec![vec![3]]]
    );
}

#[test]
fn groups_fit_a_seal() {
    let sizes = |panels: &[usize], tasks_per_seal| -> Vec<usize> {
        let args = args(None, false, tasks_per_seal);
        let groups = groups(&answers(panels), &args);
        let sizes = groups.iter().map(|group| group.operations.len());
        sizes.collect()
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
                places: Vec::new(),
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
