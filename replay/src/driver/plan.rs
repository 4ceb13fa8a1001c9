//! What is asked when: the order of waves, which of them one operation asks for, and which operations a seal opens.
//!
//! A claim set has one panel, and an item that only some of its panel answered would have abstentions for the others, and often no
//! outcome. So a set joins tasks that the same workers answered. Where nobody else shares a task's workers it is a single claim, which
//! says less than a set of one item.
//!
//! With a wait, a set is a wave too: it is decided when the wait after its first answer is over. It takes only waves that have all
//! their answers by then, so no answer stays hidden for longer. And it is decided before the next wave of any of its tasks begins,
//! since that comes after a whole wait.

use std::collections::BTreeMap;

use mycnet_consensus::Digest;
use mycnet_consensus::limits::{
    ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, SEAL_RECORDS_MAX, SET_PAYLOAD_BYTES_MAX,
};

use super::waves::{Wave, waves};
use crate::Args;
use crate::answers::{Answers, Place};

/// A key in a panel, encoded. Panel and items of a set share the room of the items, so that the record stays within its limit.
const ELECTOR_BYTES: usize = 34;

/// Operations that are asked at once, and decided by one seal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Group {
    /// The waves that each operation asks for: one for a single claim, several in the order of their tasks' names for a claim set.
    pub(super) operations: Vec<Vec<Wave>>,
    /// With the file's order kept, when they are decided.
    pub(super) end: Option<End>,
}

/// When operations are decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Where the last of their answers stands.
    pub(super) last: Place,
    /// The time of that answer, or that at which the wait is over, in milliseconds. `None` if the file has no times.
    pub(super) ms: Option<u64>,
}

impl Group {
    pub(super) fn waves(&self) -> impl Iterator<Item = &Wave> {
        self.operations.iter().flatten()
    }
}

/// The groups in the order of asking. A group is smaller than the options say where one seal could not list all its records, and
/// larger where one set is.
pub(super) fn groups(answers: &Answers, args: &Args) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut tasks, mut room) = (0, 0);
    for operation in operations(answers, args) {
        let records = 1 + operation[0].answers.len();
        let end = end(answers, &operation, args);
        tasks += operation.len();
        match groups.last_mut() {
            Some(group)
                if tasks <= usize::from(args.tasks_per_seal)
                    && records <= room
                    && are_of_one_time(group.end.as_ref(), end.as_ref()) =>
            {
                group.operations.push(operation);
                let ends = group.end.take().into_iter().chain(end);
                group.end = ends.max_by_key(|end| end.last.line);
            }
            _ => {
                tasks = operation.len();
                groups.push(Group {
                    operations: vec![operation],
                    end,
                });
                room = SEAL_RECORDS_MAX;
            }
        }
        room -= records;
    }
    groups
}

/// Where there are times, a seal has one.
fn are_of_one_time(a: Option<&End>, b: Option<&End>) -> bool {
    let ms = |end: Option<&End>| end?.ms;
    ms(a) == ms(b)
}

fn end(answers: &Answers, waves: &[Wave], args: &Args) -> Option<End> {
    let [first, last] = ends(answers, waves).filter(|_| args.in_order)?;
    let ms = |place: &Place| place.time.as_ref().map(|time| time.ms);
    Some(End {
        ms: match args.within {
            Some(within) => ms(first).map(|ms| ms + within.ms()),
            None => ms(last),
        },
        last: last.clone(),
    })
}

/// Where the first and the last of all answers stand, if that is kept.
fn ends<'a>(answers: &'a Answers, waves: &[Wave]) -> Option<[&'a Place; 2]> {
    let ends = waves.iter().filter_map(|wave| wave.ends(answers));
    ends.reduce(|[first, last], [other_first, other_last]| {
        let first = std::cmp::min_by_key(first, other_first, |place| place.line);
        let last = std::cmp::max_by_key(last, other_last, |place| place.line);
        [first, last]
    })
}

/// The waves of each operation, in the order of asking.
fn operations(answers: &Answers, args: &Args) -> Vec<Vec<Wave>> {
    let mut waves = waves(answers, args);
    if args.in_order {
        waves.sort_by_key(|wave| line(answers, std::slice::from_ref(wave), args));
    } else {
        shuffle(&mut waves, answers, args.seed);
    }
    let Some(limit) = args.set else {
        return waves.into_iter().map(|wave| vec![wave]).collect();
    };
    let mut sets = Sets::default();
    for wave in waves {
        sets.add(answers, wave, usize::from(limit), args);
    }
    let mut operations = sets.operations;
    if args.in_order {
        operations.sort_by_key(|waves| line(answers, waves, args));
    }
    for waves in &mut operations {
        waves.sort_unstable_by(|a, b| a.of(answers).name.cmp(&b.of(answers).name));
    }
    operations
}

/// Orders the waves of tasks that are asked once, in a way that depends on the seed and the names alone: the order of lines in
/// the file does not change it.
fn shuffle(waves: &mut [Wave], answers: &Answers, seed: u64) {
    waves.sort_by_cached_key(|wave| {
        let name = wave.of(answers).name.as_bytes();
        Digest::seeded(&[b"replay order", &seed.to_le_bytes(), name])
    });
}

/// The line that says when something is decided in the file's order. With a wait that counts from the first answer; else everything
/// has to be there.
fn line(answers: &Answers, waves: &[Wave], args: &Args) -> u64 {
    let ends = ends(answers, waves);
    ends.map_or(0, |[first, last]| match args.within {
        Some(_) => first.line,
        None => last.line,
    })
}

/// Sets as they are put together.
#[derive(Default)]
struct Sets {
    operations: Vec<Vec<Wave>>,
    /// For each group of workers, the operation that still takes tasks.
    open: BTreeMap<Vec<usize>, Open>,
}

struct Open {
    operation: usize,
    /// Bytes of subjects that fit.
    room: usize,
    /// With the file's order kept, the end of the operation so far, or of its wait.
    end: u64,
}

impl Sets {
    fn add(&mut self, answers: &Answers, wave: Wave, limit: usize, args: &Args) {
        if !is_item(answers, &wave) {
            self.operations.push(vec![wave]);
            return;
        }
        let workers = wave.given(answers).iter().map(|(worker, _)| *worker);
        let mut workers: Vec<usize> = workers.collect();
        workers.sort_unstable();
        let bytes = wave.of(answers).name.len();
        let (begin, end) = span(answers, &wave);
        let open = self.open.get_mut(&workers).filter(|open| {
            let is_in_time = match args.within {
                Some(_) => end <= open.end,
                None => begin <= open.end,
            };
            self.operations[open.operation].len() < limit && bytes <= open.room && is_in_time
        });
        if let Some(open) = open {
            self.operations[open.operation].push(wave);
            open.room -= bytes;
            open.end = open.end.max(end);
            return;
        }
        let room = SET_PAYLOAD_BYTES_MAX - ELECTOR_BYTES * workers.len() - bytes;
        let operation = self.operations.len();
        self.operations.push(vec![wave]);
        let open = Open {
            operation,
            room,
            end: args.within.map_or(end, |within| begin + within.ms()),
        };
        self.open.insert(workers, open);
    }
}

/// Whether an item of a set can ask for it.
fn is_item(answers: &Answers, wave: &Wave) -> bool {
    let mut given = wave.given(answers).iter();
    wave.of(answers).name.len() <= ITEM_SUBJECT_BYTES_MAX
        && given.all(|(_, answer)| answer.len() <= ITEM_BYTES_MAX)
}

/// From the first to the last answer: in time, else in lines. Where the file's order is kept, only tasks whose spans meet are
/// asked for together: a set waits for the last answer to any of its items. Without that order all spans are equal.
fn span(answers: &Answers, wave: &Wave) -> (u64, u64) {
    match wave.ends(answers) {
        Some([first, last]) => match (&first.time, &last.time) {
            (Some(first), Some(last)) => (first.ms, last.ms),
            // Lines that follow one another meet.
            _ => (first.line, last.line + 1),
        },
        None => (0, 0),
    }
}

#[cfg(test)]
mod tests;
