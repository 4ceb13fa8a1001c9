//! What is asked when: the order of tasks, which of them one operation asks for, and which operations a seal opens.
//!
//! A claim set has one panel, and an item that only some of its panel answered would have abstentions for the others, and often no
//! outcome. So a set joins tasks that the same workers answered. Where nobody else shares a task's workers it is a single claim, which
//! says less than a set of one item.

use std::collections::BTreeMap;

use mycnet_consensus::Digest;
use mycnet_consensus::limits::{
    ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, SEAL_RECORDS_MAX, SET_PAYLOAD_BYTES_MAX,
};

use crate::Args;
use crate::answers::{Answers, Place, Task};

/// A key in a panel, encoded. Panel and items of a set share the room of the items, so that the record stays within its limit.
const ELECTOR_BYTES: usize = 34;

/// Operations that are asked at once, and decided by one seal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Group {
    /// The tasks of each operation, as indices into [`Answers::tasks`]: one for a single claim, several in the order of their names
    /// for a claim set.
    pub(super) operations: Vec<Vec<usize>>,
    /// With the file's order kept, where the last of their answers stands.
    pub(super) last: Option<Place>,
}

impl Group {
    pub(super) fn tasks(&self) -> impl Iterator<Item = usize> {
        self.operations.iter().flatten().copied()
    }
}

/// The groups in the order of asking. A group is smaller than the options say where one seal could not list all its records, and
/// larger where one set is.
pub(super) fn groups(answers: &Answers, args: &Args) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut tasks, mut room) = (0, 0);
    for operation in operations(answers, args) {
        let records = 1 + answers.tasks[operation[0]].answers.len();
        let last = last_place(answers, &operation).filter(|_| args.in_order);
        tasks += operation.len();
        match groups.last_mut() {
            Some(group)
                if tasks <= usize::from(args.tasks_per_seal)
                    && records <= room
                    && are_of_one_time(group.last.as_ref(), last) =>
            {
                group.operations.push(operation);
                group.last = last.cloned();
            }
            _ => {
                tasks = operation.len();
                groups.push(Group {
                    operations: vec![operation],
                    last: last.cloned(),
                });
                room = SEAL_RECORDS_MAX;
            }
        }
        room -= records;
    }
    groups
}

/// Where there are times, a seal has one.
fn are_of_one_time(a: Option<&Place>, b: Option<&Place>) -> bool {
    let ms = |place: Option<&Place>| Some(place?.time.as_ref()?.ms);
    ms(a) == ms(b)
}

fn last_place<'a>(answers: &'a Answers, tasks: &[usize]) -> Option<&'a Place> {
    let places = tasks.iter();
    let places = places.filter_map(|task| answers.tasks[*task].last_place());
    places.max_by_key(|place| place.line)
}

/// The tasks of each operation, in the order of asking.
fn operations(answers: &Answers, args: &Args) -> Vec<Vec<usize>> {
    let mut order = if args.in_order {
        as_they_end(answers)
    } else {
        shuffled(answers, args.seed)
    };
    let Some(limit) = args.set else {
        return order.into_iter().map(|task| vec![task]).collect();
    };
    let mut sets = Sets::default();
    for task in order.drain(..) {
        sets.add(answers, task, usize::from(limit));
    }
    let mut operations = sets.operations;
    if args.in_order {
        operations.sort_by_key(|tasks| last_place(answers, tasks).map_or(0, |place| place.line));
    }
    for tasks in &mut operations {
        tasks.sort_unstable_by(|a, b| answers.tasks[*a].name.cmp(&answers.tasks[*b].name));
    }
    operations
}

/// Indices into [`Answers::tasks`], each once, in an order that depends on the seed and the names alone: the order of lines in
/// the file does not change it.
fn shuffled(answers: &Answers, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.tasks.len()).collect();
    order.sort_by_cached_key(|&index| {
        let name = answers.tasks[index].name.as_bytes();
        Digest::seeded(&[b"replay order", &seed.to_le_bytes(), name])
    });
    order
}

/// Indices into [`Answers::tasks`] in the order of their last answers: a task can be decided once it has all.
fn as_they_end(answers: &Answers) -> Vec<usize> {
    let mut order: Vec<usize> = (0..answers.tasks.len()).collect();
    order.sort_by_key(|&task| answers.tasks[task].last_place().map_or(0, |it| it.line));
    order
}

/// Sets as they are put together.
#[derive(Default)]
struct Sets {
    operations: Vec<Vec<usize>>,
    /// For each group of workers, the operation that still takes tasks.
    open: BTreeMap<Vec<usize>, Open>,
}

struct Open {
    operation: usize,
    /// Bytes of subjects that fit.
    room: usize,
    /// With the file's order kept, the end of the operation so far.
    end: u64,
}

impl Sets {
    fn add(&mut self, answers: &Answers, index: usize, limit: usize) {
        let task = &answers.tasks[index];
        if !is_item(task) {
            self.operations.push(vec![index]);
            return;
        }
        let mut workers: Vec<usize> = task.answers.iter().map(|(worker, _)| *worker).collect();
        workers.sort_unstable();
        let bytes = task.name.len();
        let (begin, end) = span(task);
        let open = self.open.get_mut(&workers).filter(|open| {
            self.operations[open.operation].len() < limit && bytes <= open.room && begin <= open.end
        });
        if let Some(open) = open {
            self.operations[open.operation].push(index);
            open.room -= bytes;
            open.end = open.end.max(end);
            return;
        }
        let room = SET_PAYLOAD_BYTES_MAX - ELECTOR_BYTES * workers.len() - bytes;
        let operation = self.operations.len();
        self.operations.push(vec![index]);
        let open = Open {
            operation,
            room,
            end,
        };
        self.open.insert(workers, open);
    }
}

/// Whether an item of a set can ask for it.
fn is_item(task: &Task) -> bool {
    let mut answers = task.answers.iter();
    task.name.len() <= ITEM_SUBJECT_BYTES_MAX
        && answers.all(|(_, answer)| answer.len() <= ITEM_BYTES_MAX)
}

/// From the first to the last answer of a task: in time, else in lines. Where the file's order is kept, only tasks whose spans meet are
/// asked for together: a set waits for the last answer to any of its items. Without that order all spans are equal.
fn span(task: &Task) -> (u64, u64) {
    match (task.places.first(), task.places.last()) {
        (Some(first), Some(last)) => match (&first.time, &last.time) {
            (Some(first), Some(last)) => (first.ms, last.ms),
            // Lines that follow one another meet.
            _ => (first.line, last.line + 1),
        },
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests;
