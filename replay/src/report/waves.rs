//! Tasks that were asked in waves, in figures.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::answers::Answers;
use crate::replayed::Timeline;

/// How tasks were asked in waves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema, Serialize)]
pub(super) struct Waves {
    /// The waves that were decided, of all tasks.
    pub(super) decided: usize,
    /// Those of them with fewer than three workers that have weight. They are decided, and nobody's skill moves.
    pub(super) unscored: usize,
    /// The answers in these.
    pub(super) unscored_answers: usize,
    /// Answers that equal one of an earlier wave, which the ledger had shown.
    pub(super) copiable: usize,
}

impl Waves {
    pub(super) fn of(answers: &Answers, timeline: &Timeline) -> Self {
        let mut waves = Self::default();
        for (task, of_task) in answers.tasks.iter().zip(&timeline.waves) {
            let mut shown = BTreeSet::new();
            for wave in of_task {
                let given = task.answers[wave.answers.clone()].iter();
                let given = given.map(|(_, answer)| answer);
                waves.copiable += given.clone().filter(|it| shown.contains(it)).count();
                shown.extend(given);
                waves.decided += 1;
                if !wave.is_scored {
                    waves.unscored += 1;
                    waves.unscored_answers += wave.answers.len();
                }
            }
        }
        waves
    }
}
