//! Counts the events in a log: a comparison tests only the rules that its logs exercise.

use std::collections::BTreeMap;
use std::fmt;

use super::Log;
use crate::sim::oracle::Oracle;
use crate::sim::view::{MemberView, OperationView, View};
use crate::statement::operation::{Ballot, ConsensusOperation, Outcome};
use crate::statement::record::{Record, Statement};

/// How often each event happened, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

impl Coverage {
    /// Replays a log in a new oracle and adds what happens.
    ///
    /// # Panics
    ///
    /// If the oracle refuses a block.
    pub fn add(&mut self, log: &Log) {
        let mut oracle = Oracle::new(&log.genesis);
        let mut before = oracle.view();
        let mut entries = 0;
        for block in &log.blocks {
            let records: Vec<Record> = block.records.iter().map(|r| r.record().clone()).collect();
            oracle
                .apply(&block.seal, &records)
                .expect("generated blocks are valid");
            let after = oracle.view();
            self.count(if records.is_empty() {
                "block empty"
            } else {
                "block"
            });
            for record in &block.records {
                self.record(&before, record.statement());
            }
            for refused in &block.refused {
                let reason = refused.reason.rsplit(": ").next().unwrap_or_default();
                self.count(&format!("refused {reason}"));
            }
            for entry in &oracle.entries()[entries..] {
                self.count(&format!("reason {}", entry.reason));
            }
            entries = oracle.entries().len();
            self.operations(&oracle, &before, &after);
            self.members(&before, &after);
            if before.params != after.params {
                self.count("params changed");
            }
            if before.queue != after.queue {
                self.count("queue moved");
            }
            if before.sealers != after.sealers {
                self.count("sealers changed");
            }
            before = after;
        }
    }

    /// How often the event happened.
    #[must_use]
    pub fn of(&self, event: &str) -> u64 {
        self.counts.get(event).copied().unwrap_or(0)
    }

    fn count(&mut self, event: &str) {
        *self.counts.entry(event.to_owned()).or_default() += 1;
    }

    fn record(&mut self, before: &View, statement: &Statement) {
        self.count(&format!("record {}", statement.kind()));
        let operation = statement
            .operation()
            .and_then(|id| before.operations.get(&id));
        if let Some(operation) = operation {
            self.count(&format!(
                "record {} while {}",
                statement.kind(),
                operation.phase
            ));
        }
    }

    fn members(&mut self, before: &View, after: &View) {
        for (node, member) in &after.members {
            match before.members.get(node) {
                None => self.count("member admitted"),
                Some(was) => self.member(was, member),
            }
        }
        let gone = before.members.keys();
        for _ in gone.filter(|node| !after.members.contains_key(node)) {
            self.count("member excluded");
        }
    }

    fn member(&mut self, was: &MemberView, is: &MemberView) {
        if was.standing != is.standing {
            self.count(&format!("standing {} -> {}", was.standing, is.standing));
        }
        if was.role != is.role {
            self.count(&format!("role {} -> {}", was.role, is.role));
        }
    }

    fn operations(&mut self, oracle: &Oracle, before: &View, after: &View) {
        for case in oracle.cases() {
            let is = &after.operations[&case.id];
            let was = before.operations.get(&case.id);
            let phase = was.map_or("new", |was| was.phase);
            if phase != is.phase {
                self.count(&format!("phase {phase} -> {}", is.phase));
            }
            if was.is_none_or(|was| was.outcome.is_none()) && is.outcome.is_some() {
                self.outcome(&case.operation, is);
            }
            if is.phase == "closed" && phase != "closed" && !is.frozen.is_empty() {
                self.closed(before, is);
            }
        }
    }

    fn outcome(&mut self, operation: &ConsensusOperation, is: &OperationView) {
        let how = match &is.outcome {
            Some(Outcome::Decided(Ballot::Result(_))) => "result".to_owned(),
            Some(Outcome::Decided(Ballot::Results(results))) => {
                let are_all = results.iter().all(Option::is_some);
                let which = if are_all { "every item" } else { "some items" };
                which.to_owned()
            }
            Some(Outcome::Decided(ballot)) => ballot.to_string(),
            Some(Outcome::NoQuorum) if is.frozen.is_empty() => "no quorum of commits".to_owned(),
            Some(Outcome::NoQuorum) => "no quorum of reveals".to_owned(),
            None => return,
        };
        let class = match operation {
            ConsensusOperation::ClaimSet { .. } => "claim set".to_owned(),
            _ => format!("{:?}", operation.class()).to_lowercase(),
        };
        let by = if is.electors.is_empty() {
            "authority"
        } else {
            "vote"
        };
        self.count(&format!("outcome {class} by {by}: {how}"));
        if let Some(applied) = is.effect {
            let end = if applied { "applied" } else { "refused" };
            self.count(&format!("effect {} {end}", operation.kind()));
        }
    }

    fn closed(&mut self, before: &View, is: &OperationView) {
        let everybody = is.frozen == is.revealed;
        self.count(if everybody {
            "closed all revealed"
        } else {
            "closed withheld"
        });
        for (node, elector) in &is.electors {
            let frozen = is.frozen.contains(node);
            if elector.weight == 0 && frozen {
                self.count("shadow vote");
            }
            match before.members.get(node) {
                None if frozen => self.count("vote of an excluded elector"),
                Some(member) if frozen && member.standing == "banned" => {
                    self.count("vote of a banned elector");
                }
                _ => {}
            }
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (event, count) in &self.counts {
            writeln!(f, "{count:>8}  {event}")?;
        }
        Ok(())
    }
}
