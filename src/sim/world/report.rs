//! The result of a schedule.

use std::collections::BTreeMap;

use super::{NewNetwork, World};
use crate::base::digest::Digest;
use crate::core::Message;
use crate::finality::Blame;
use crate::sim::checker::Violation;
use crate::sim::disk::Disk;

/// The result of a schedule.
#[derive(Debug)]
pub struct Report {
    /// The seed of the plan.
    pub seed: u64,
    /// A digest of all frames and their times: equal for equal plans.
    pub digest: Digest,
    /// Broken properties.
    pub violations: Vec<Violation>,
    /// The height that was reached.
    pub height: u64,
    /// Operations opened, and closed.
    pub operations: (u64, u64),
    /// The outcomes, see [`Checker::outcomes`](crate::sim::checker::Checker::outcomes).
    pub outcomes: BTreeMap<String, u64>,
    /// The first height at which a third or more of the weight was dishonest.
    pub assumption_lost: Option<u64>,
    /// Forks as honest hosts reported them: the height, the blame, and the blamed share of the sealers' weight in percent.
    pub forks: Vec<(u64, Blame, u64)>,
    /// Frames sent.
    pub frames: u64,
    /// Crashes.
    pub crashes: u64,
    /// Records that honest hosts refused, by code.
    pub refused: BTreeMap<&'static str, u64>,
    /// Equivocations that honest seals proved, each counted once.
    pub evidence: u64,
    /// The network that was founded in the place of this one.
    pub founded: Option<NewNetwork>,
    /// The disks at the end, by host.
    pub disks: Vec<Disk>,
    /// Every message once, in the order of first sending, if the plan asks for them.
    pub messages: Vec<Message>,
}

impl Report {
    /// Takes in what happened in the network that was founded in the place of this one.
    pub(super) fn followed_by(mut self, anew: Self, mut founded: NewNetwork) -> Self {
        let digests = [self.digest.as_bytes(), anew.digest.as_bytes()].map(<[u8; 32]>::as_slice);
        self.digest = Digest::from_bytes(*blake3::hash(&digests.concat()).as_bytes());
        let decides = anew.operations.1 > 0 && anew.height > 0;
        if !decides && anew.assumption_lost.is_none() {
            let text = format!("it decides nothing: {:?}", anew.operations);
            self.violations.push(Violation {
                property: "r_live",
                text,
            });
        }
        for Violation { property, text } in anew.violations {
            let text = format!("in the new network: {text}");
            self.violations.push(Violation { property, text });
        }
        self.frames += anew.frames;
        self.crashes += anew.crashes;
        founded.height = anew.height;
        founded.operations = anew.operations;
        self.founded = Some(founded);
        self
    }
}

impl World {
    pub(super) fn report_unsettled(&mut self) {
        let lines: Vec<String> = self
            .hosts
            .iter()
            .enumerate()
            .filter_map(|(n, host)| {
                let core = host.core.as_ref()?;
                let open: Vec<String> = core
                    .ledger()
                    .state()
                    .operations()
                    .map(|open| {
                        format!(
                            "{} {} due {:?}",
                            open.operation().kind(),
                            open.phase_name(),
                            open.due_ms(core.ledger().state().roster())
                                .map(|due| due.wrapping_sub(self.plan.start_ms))
                        )
                    })
                    .collect();
                let pool: Vec<&str> = core
                    .pool()
                    .iter()
                    .map(|p| p.record.statement().kind())
                    .collect();
                Some(format!(
                    "host {n} {:?} at height {} ({:?}), open {open:?}, pool {pool:?}",
                    host.kind,
                    host.height(),
                    core.seal_status(),
                ))
            })
            .collect();
        self.checker
            .report("p_live", format!("at the end:\n  {}", lines.join("\n  ")));
    }

    pub(super) fn report(self) -> Report {
        Report {
            seed: self.plan.seed,
            digest: Digest::from_bytes(*self.hasher.finalize().as_bytes()),
            violations: self.checker.violations().to_vec(),
            height: self.checker.ledger().state().height(),
            operations: self.checker.operations(),
            outcomes: self.checker.outcomes(),
            assumption_lost: self.checker.assumption_lost(),
            forks: self.forks,
            frames: self.frames,
            crashes: self.crashes,
            refused: self.refused,
            evidence: self.evidence,
            founded: None,
            messages: self.messages,
            disks: self.hosts.into_iter().map(|host| host.disk).collect(),
        }
    }
}
