//! In which order tasks are asked: by the seed, since trust learned early helps the tasks that come later.

use mycnet_consensus::internals::digest::SEEDED_KEY;

use super::answers::Answers;

/// Indices into [`Answers::tasks`], each once: a shuffle that depends on the seed and the tasks' names alone, so that the
/// order of the lines in the file does not change it.
pub(crate) fn shuffled(answers: &Answers, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.tasks.len()).collect();
    order.sort_by_cached_key(|&index| {
        let name = answers.tasks[index].name.as_bytes();
        SEEDED_KEY.hash_parts(&[b"replay order", &seed.to_le_bytes(), name])
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Task;

    fn named(names: impl Iterator<Item = usize>) -> Answers {
        let tasks = names.map(|name| Task {
            name: name.to_string(),
            gold: None,
            answers: Vec::new(),
        });
        Answers {
            tasks: tasks.collect(),
            ..Answers::default()
        }
    }

    #[test]
    fn the_seed_alone_orders() {
        let answers = named(0..200);
        let order = shuffled(&answers, 1);
        assert_eq!(order, shuffled(&answers, 1));
        assert_ne!(order, shuffled(&answers, 2));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..200).collect::<Vec<_>>());
        assert_ne!(order, sorted);
    }

    #[test]
    fn the_order_of_lines_does_not_matter() {
        let names = |answers: &Answers| -> Vec<String> {
            let order = shuffled(answers, 7);
            order
                .iter()
                .map(|&i| answers.tasks[i].name.clone())
                .collect()
        };
        assert_eq!(names(&named(0..50)), names(&named((0..50).rev())));
    }
}
