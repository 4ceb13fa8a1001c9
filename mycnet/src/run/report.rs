//! What a running node tells: a line for people, or an object for programs, for each thing that happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::Notice;
use mycnet_consensus::internals::ledger::Applied;
use mycnet_consensus::internals::open::OpenOperation;
use mycnet_consensus::net::PeerInfo;
use mycnet_consensus::node::Node;
use mycnet_consensus::{BFTConsensusEngine, NodeId, OperationId};
use serde_json::{Value, json};

use crate::output::{Fields, Format, line, note, plain, shown};

/// Tells what happens.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    is_told: bool,
    engine: BFTConsensusEngine,
    is_loss_told: bool,
    connected: BTreeMap<NodeId, u64>,
    refused: u64,
}

/// The first digits of an id, enough for a person to tell it from others.
fn short(id: &impl ToString) -> String {
    let mut id = id.to_string();
    id.truncate(8);
    id
}

impl Report {
    /// `is_told` says whether things that need nobody's attention are told.
    pub(super) fn new(node: &Node, format: Format, is_told: bool) -> Self {
        Self {
            format,
            is_told,
            engine: node.engine().clone(),
            is_loss_told: false,
            connected: BTreeMap::new(),
            refused: 0,
        }
    }

    /// Something that happens now and then.
    fn tell(&self, value: &Value, text: &str) -> anyhow::Result<()> {
        if !self.is_told {
            return Ok(());
        }
        self.format.print(value, |_| text.to_owned())
    }

    /// Something that a person should see whatever is told, and do something about.
    fn warn(&self, value: &Value, text: &str) -> anyhow::Result<()> {
        note(text);
        if self.format.json {
            return line(&value.to_string());
        }
        Ok(())
    }

    /// The node runs: who and where it is, and what it found.
    pub(super) fn started(&mut self, node: &Node, listening: &[SocketAddr]) -> anyhow::Result<()> {
        let engine = node.engine();
        let opened = node.opened();
        let found = &opened.found;
        let value = json!({
            "event": "started",
            "node": engine.node_id(),
            "network": engine.network_id(),
            "name": engine.genesis().name,
            "height": engine.height(),
            "listening": listening,
            "ticket": node.ticket().map(|ticket| ticket.to_string()),
            "found": {
                "height": found.height,
                "checkpoint": found.checkpoint,
                "applied_records": found.applied_records,
                "unsealed_records": found.unsealed,
                "own_records": found.journalled,
                "votes": found.votes,
            },
        });
        self.format.print(&value, |value| {
            let mut fields = Fields::default();
            fields.add("node", shown(&value["node"]));
            fields.add("network", shown(&value["network"]));
            fields.add("name", shown(&value["name"]));
            fields.add("found", found.to_string());
            for address in listening {
                fields.add("listening", address.to_string());
            }
            fields.add("ticket", shown(&value["ticket"]));
            fields.text()
        })?;
        if !engine
            .roster()
            .iter()
            .any(|member| member.node == engine.node_id())
        {
            note(
                "this node is no member as far as it knows: members tell it nothing until they have admitted it (`mycnet \
                 consent`)",
            );
        }
        match opened.journal_lost {
            Some(lost) => self.journal_lost(&lost.to_string()),
            None if engine.seal_status().signing == "rejoining" => {
                self.journal_lost("found at an earlier start, and the Rejoin is not sealed yet")
            }
            None => Ok(()),
        }
    }

    fn journal_lost(&mut self, reason: &str) -> anyhow::Result<()> {
        // What the store found, the core tells again.
        if std::mem::replace(&mut self.is_loss_told, true) {
            return Ok(());
        }
        let value = json!({ "event": "journal_lost", "reason": reason });
        self.warn(
            &value,
            &format!(
                "THE JOURNAL IS LOST: {reason}. This node may have signed what it no longer knows of, so it signs nothing but \
                 a Rejoin now. Keep it running: once the others have sealed that, it takes part again by itself (where \
                 they have no quorum without this node, that takes `mycnet rejoin`). Never put back an old copy of these files"
            ),
        )
    }

    /// Something happened in the ledger.
    pub(super) fn notice(&mut self, notice: &Notice) -> anyhow::Result<()> {
        match notice {
            Notice::Event(event) => self.event(event),
            Notice::Lagged(missed) => {
                let value = json!({ "event": "lagged", "missed": missed });
                self.tell(&value, &format!("{missed} events were too fast to be told"))
            }
            // A later version may have more to say than this one knows words for.
            #[allow(unreachable_patterns, reason = "the enum may grow")]
            _ => Ok(()),
        }
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Sealed {
                height,
                seal,
                applied,
            } => self.sealed(*height, &seal.to_string(), applied),
            Event::Proposed { operation } => self.proposed(operation),
            Event::Tallied { operation, outcome } => {
                let value =
                    json!({ "event": "tallied", "operation": operation, "outcome": outcome });
                let text = format!("operation {} tallied, {outcome}", short(operation));
                self.tell(&value, &text)
            }
            Event::Refused { from, rejection } => {
                self.refused += 1;
                // A peer decides how many of these there are.
                if !self.refused.is_power_of_two() {
                    return Ok(());
                }
                let value = json!({
                    "event": "refused",
                    "peer": from.map(|peer| peer.0),
                    "code": rejection.code(),
                    "reason": rejection.to_string(),
                    "so_far": self.refused,
                });
                let code = rejection.code();
                let text = format!(
                    "refused a record ({code}): {rejection}; {} so far",
                    self.refused
                );
                self.tell(&value, &plain(&text))
            }
            Event::JournalLost => {
                self.journal_lost("the network has records of this node that it does not know")
            }
            Event::Rejoined { height } => {
                self.is_loss_told = false;
                let value = json!({ "event": "rejoined", "height": height });
                self.warn(
                    &value,
                    &format!("rejoined at height {height}: this node signs again"),
                )
            }
            Event::Forked {
                height,
                blame,
                compromised,
            } => {
                let culprits = blame.culprits();
                let names: Vec<String> = culprits.iter().map(ToString::to_string).collect();
                let value = json!({
                    "event": "forked",
                    "height": height,
                    "culprits": names,
                    "compromised": compromised,
                });
                let what = if *compromised {
                    "this node seals nothing more and only answers questions"
                } else {
                    "it is old, and this node goes on"
                };
                self.warn(
                    &value,
                    &format!(
                        "FORK: there are two certificates for height {height}; {what}. More than a third of the weight signed \
                         both: {}. People must decide which branch goes on",
                        names.join(", ")
                    ),
                )
            }
            _ => Ok(()),
        }
    }

    fn proposed(&self, id: &OperationId) -> anyhow::Result<()> {
        let Some(proposal) = self.engine.proposal(id)? else {
            return Ok(());
        };
        let (kind, subject) = (proposal.what.kind(), proposal.what.subject());
        let value = json!({
            "event": "proposed",
            "operation": id,
            "kind": kind,
            "subject": subject,
            "proposer": proposal.proposer,
        });
        let (id, by, subject) = (short(id), short(&proposal.proposer), plain(&subject));
        self.tell(
            &value,
            &format!("operation {id} ({kind}, {subject}) proposed by {by}"),
        )
    }

    fn sealed(&self, height: u64, seal: &str, applied: &Applied) -> anyhow::Result<()> {
        let value = json!({
            "event": "sealed",
            "height": height,
            "seal": seal,
            "time_ms": applied.time_ms,
            "opened": applied.opened,
            "frozen": applied.frozen,
            "decided": applied.decided,
            "closed": applied.closed.iter().map(|closed| closed.id()).collect::<Vec<_>>(),
            "trust_changes": applied.trust.len(),
            "equivocations": applied.evidence.len(),
        });
        let counts = [
            ("opened", applied.opened.len()),
            ("frozen", applied.frozen.len()),
            ("decided", applied.decided.len()),
            ("closed", applied.closed.len()),
            ("trust changes", applied.trust.len()),
            ("equivocations", applied.evidence.len()),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        let what = if counts.is_empty() {
            "votes".to_owned()
        } else {
            counts.join(", ")
        };
        self.tell(&value, &format!("sealed height {height}: {what}"))?;
        for id in &applied.decided {
            self.decided(height, id, applied)?;
        }
        Ok(())
    }

    fn decided(&self, height: u64, id: &OperationId, applied: &Applied) -> anyhow::Result<()> {
        let touched = applied
            .touched
            .iter()
            .find(|operation| operation.id() == *id);
        let Some((operation, decision)) = touched.and_then(|operation| {
            let operation: &OpenOperation = operation;
            Some((operation, operation.decision()?))
        }) else {
            return Ok(());
        };
        let (kind, outcome) = (operation.operation().kind(), &decision.outcome);
        let refused = applied
            .effects
            .iter()
            .find(|effect| effect.operation == *id);
        let refused = refused.and_then(|effect| effect.result.err());
        let value = json!({
            "event": "decided",
            "height": height,
            "operation": id,
            "kind": kind,
            "outcome": outcome,
            "refused_effect": refused,
        });
        let refused = refused.map_or_else(String::new, |reason| format!("; no effect: {reason}"));
        let subject = operation.operation().subject();
        let (id, subject) = (short(id), plain(&subject).into_owned());
        self.tell(
            &value,
            &format!("operation {id} ({kind}, {subject}) {outcome}{refused}"),
        )
    }

    /// Who is connected now.
    pub(super) fn peers(&mut self, peers: &[PeerInfo]) -> anyhow::Result<()> {
        let now: BTreeMap<NodeId, u64> = peers
            .iter()
            .map(|peer| (peer.author, peer.peer.0))
            .collect();
        let before = std::mem::replace(&mut self.connected, now.clone());
        for (events, from, to, text) in [
            ("peer_down", &before, &now, "down"),
            ("peer_up", &now, &before, "up"),
        ] {
            for node in from.keys().filter(|node| !to.contains_key(node)) {
                let value = json!({ "event": events, "node": node, "connected": now.len() });
                let text = format!("peer {} is {text}; {} connected", short(node), now.len());
                self.tell(&value, &text)?;
            }
        }
        Ok(())
    }

    /// The node stopped in good order.
    pub(super) fn stopped(&self) -> anyhow::Result<()> {
        self.tell(&json!({ "event": "stopped" }), "stopped")
    }
}
