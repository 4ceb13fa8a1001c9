//! The reports of a running node: for each event, a line for people or an object for programs.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::Notice;
use mycnet_consensus::net::PeerInfo;
use mycnet_consensus::node::Node;
use mycnet_consensus::{Applied, BFTConsensusEngine, Digest, NodeId, OperationId};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::attention::{Attention, News};
use super::out::Out;
use crate::answer::reads;
use crate::api::events::NEWS_KEPT;
use crate::builds::Told;
use crate::home::Home;
use crate::names::{Names, subject_node};
use crate::output::{Fields, Format, plain, plain_json, short};

/// Tells what happens.
#[derive(Debug)]
pub(super) struct Report {
    format: Format,
    is_told: bool,
    out: Arc<Out>,
    /// For programs that follow the events.
    news: broadcast::Sender<Arc<Value>>,
    engine: BFTConsensusEngine,
    is_loss_told: bool,
    connected: BTreeSet<NodeId>,
    refused: u64,
    attention: Attention,
}

impl Report {
    /// `is_told` says whether to report events that need no attention.
    pub(super) fn new(
        home: &Home,
        node: &Node,
        format: Format,
        is_told: bool,
        out: Arc<Out>,
    ) -> Self {
        Self {
            attention: Attention::new(home),
            format,
            is_told,
            out,
            news: broadcast::Sender::new(NEWS_KEPT),
            engine: node.engine().clone(),
            is_loss_told: false,
            connected: BTreeSet::new(),
            refused: 0,
        }
    }

    /// What this node tells, as it tells it.
    pub(super) fn news(&self) -> &broadcast::Sender<Arc<Value>> {
        &self.news
    }

    /// Tells an ordinary event.
    pub(super) fn tell(&self, value: &Value, text: &str) {
        self.publish(value);
        if self.is_told {
            self.print(value, &plain(text));
        }
    }

    /// Tells an event that a person should always see, and do something about.
    pub(super) fn warn(&self, value: &Value, text: &str) {
        self.publish(value);
        self.out.note(text);
        if self.format.json {
            self.print(value, "");
        }
    }

    /// A remark for who reads the log.
    pub(super) fn note(&self, text: &str) {
        self.out.note(text);
    }

    fn print(&self, value: &Value, text: &str) {
        let is_json = self.format.json;
        let json = is_json.then(|| plain_json(&value.to_string()).into_owned());
        self.out.line(json.as_deref().unwrap_or(text), is_json);
    }

    /// Gives news to those who follow. What a seal changed they read out of the ledger.
    fn publish(&self, value: &Value) {
        let is_of_ledger = matches!(value["event"].as_str(), Some("sealed" | "decided"));
        if !is_of_ledger && self.news.receiver_count() > 0 {
            // Nobody may follow any more.
            let _ = self.news.send(Arc::new(value.clone()));
        }
    }

    /// The node runs: its id, its addresses, and what it found on the disk.
    pub(super) fn started(
        &mut self,
        node: &Node,
        listening: &[SocketAddr],
        api: Option<SocketAddr>,
    ) {
        let engine = node.engine();
        let opened = node.opened();
        let found = &opened.found;
        let ticket = node.ticket().map(|ticket| ticket.to_string());
        let value = json!({
            "event": "started",
            "node": engine.node_id(),
            "network": engine.network_id(),
            "name": engine.genesis().name,
            "height": engine.height(),
            "listening": listening,
            "api": api,
            "ticket": ticket,
            "found": {
                "height": found.height,
                "checkpoint": found.checkpoint,
                "applied_records": found.applied_records,
                "unsealed_records": found.unsealed,
                "own_records": found.journalled,
                "votes": found.votes,
            },
        });
        let text = {
            let mut fields = Fields::default();
            fields
                .add("node", engine.node_id())
                .add("network", engine.network_id())
                .add("name", &engine.genesis().name)
                .add("found", found);
            for address in listening {
                fields.add("listening", address);
            }
            fields
                .add_some("programs at", api)
                .add_some("ticket", ticket)
                .text()
        };
        self.print(&value, text.trim_end_matches('\n'));
        let keys = reads::keys(node);
        if keys.place.is_none() {
            self.out.note(
                "this node is no member as far as it knows: members tell it nothing until they have admitted it (`mycnet \
                 consent`)",
            );
        }
        self.attention(node);
        match opened.journal_lost {
            Some(lost) => self.journal_lost(&lost.to_string()),
            None if engine.seal_status().signing == "rejoining" => {
                self.journal_lost("found at an earlier start, and the Rejoin is not sealed yet");
            }
            None => {}
        }
    }

    fn journal_lost(&mut self, reason: &str) {
        // The core tells again what the store has found.
        if std::mem::replace(&mut self.is_loss_told, true) {
            return;
        }
        self.warn(
            &json!({ "event": "journal_lost", "reason": reason }),
            &format!(
                "THE JOURNAL IS LOST: {reason}. This node may have signed records that it does not know any more, so it signs \
                 nothing but a Rejoin now. Keep it running: once the others have sealed the Rejoin, it takes part again by \
                 itself. If too few others can seal, `mycnet rejoin --all-met` leads out, once every other member was met. \
                 Never put back an old copy of these files"
            ),
        );
    }

    /// Tells what happened in the ledger.
    pub(super) fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Event(event) => self.event(event),
            Notice::Lagged(missed) => self.tell(
                &json!({ "event": "lagged", "missed": missed }),
                &format!("{missed} events came too fast to be told"),
            ),
            #[allow(unreachable_patterns, reason = "the enum may grow in a later version")]
            _ => {}
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Sealed {
                height,
                seal,
                applied,
            } => self.sealed(*height, &seal.to_string(), applied),
            Event::Proposed { operation } => self.proposed(operation),
            Event::Tallied { operation, outcome } => self.tell(
                &json!({ "event": "tallied", "operation": operation, "outcome": outcome }),
                &format!("operation {} tallied, {outcome}", short(operation)),
            ),
            Event::Refused { from, rejection } => {
                self.refused += 1;
                let refused = self.refused;
                // A peer can cause any number of refusals, so only some are reported.
                if !refused.is_power_of_two() {
                    return;
                }
                let code = rejection.code();
                let value = json!({
                    "event": "refused",
                    "peer": from.map(|peer| peer.0),
                    "code": code,
                    "reason": rejection.to_string(),
                    "so_far": refused,
                });
                let text = format!("refused a record ({code}): {rejection}; {refused} so far");
                self.tell(&value, &text);
            }
            Event::JournalLost => {
                self.journal_lost("the network has records of this node that it does not know");
            }
            Event::Rejoined { height } => {
                self.is_loss_told = false;
                self.warn(
                    &json!({ "event": "rejoined", "height": height }),
                    &format!("rejoined at height {height}: this node signs again"),
                );
            }
            Event::Forked {
                height,
                blame,
                compromised,
            } => {
                let culprits = blame.culprits();
                let culprits: Vec<NodeId> = culprits.into_iter().collect();
                let names = Names::of(&self.engine, culprits.iter().copied());
                let what = if *compromised {
                    "this node seals nothing more and only answers questions"
                } else {
                    "it is old, and this node goes on"
                };
                self.warn(
                    &json!({
                        "event": "forked",
                        "height": height,
                        "culprits": culprits,
                        "names": names,
                        "compromised": compromised,
                    }),
                    &format!(
                        "FORK: there are two certificates for height {height}; {what}. More than a third of the weight signed \
                         both: {}. People must decide which branch goes on",
                        names.list(&culprits)
                    ),
                );
            }
            Event::Endorsed { author, plan } => self.endorsed(author, plan.as_ref()),
            _ => {}
        }
    }

    fn endorsed(&self, author: &NodeId, plan: Option<&Digest>) {
        let names = Names::of(&self.engine, [*author]);
        let who = names.shown(author);
        let value = json!({
            "event": "endorsed",
            "author": author,
            "names": names,
            "plan": plan,
        });
        let text = match plan {
            Some(plan) => format!(
                "{who} wants to found the network anew, by plan {}: `mycnet refound status` shows it",
                short(plan)
            ),
            None => format!("{who} endorses no plan to found the network anew any more"),
        };
        self.warn(&value, &text);
    }

    /// The plan that this node endorsed is in force, and it starts again in the new network.
    pub(super) fn refounded(&self) {
        let network = self.engine.left_for();
        let old = self.engine.network_id();
        self.warn(
            &json!({ "event": "refounded", "network": network, "old_network": old }),
            &format!(
                "THE NETWORK IS FOUNDED ANEW: this node goes on in network {}. `mycnet status --past {}` still reads the old one",
                network.map(|network| network.to_string()).unwrap_or_default(),
                short(&old)
            ),
        );
    }

    fn proposed(&self, id: &OperationId) {
        let Ok(Some(proposal)) = self.engine.proposal(id) else {
            return;
        };
        let (kind, subject) = (proposal.what.kind(), proposal.what.subject());
        let about = subject_node(kind, &subject).into_iter();
        let names = Names::of(&self.engine, about.chain([proposal.proposer]));
        let value = json!({
            "event": "proposed",
            "operation": id,
            "kind": kind,
            "subject": subject,
            "proposer": proposal.proposer,
            "names": names,
        });
        let (id, by) = (short(id), names.shown(&proposal.proposer));
        let subject = names.subject(kind, &subject);
        self.tell(
            &value,
            &format!("operation {id} ({kind}, {subject}) proposed by {by}"),
        );
    }

    fn sealed(&self, height: u64, seal: &str, applied: &Applied) {
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
        self.tell(&value, &format!("sealed height {height}: {what}"));
        for id in &applied.decided {
            self.decided(height, id, applied);
        }
    }

    fn decided(&self, height: u64, id: &OperationId, applied: &Applied) {
        let mut touched = applied.touched.iter();
        let Some(open) = touched.find(|open| open.id() == *id) else {
            return;
        };
        let Some(decision) = open.decision() else {
            return;
        };
        let (kind, subject) = (open.operation().kind(), open.operation().subject());
        let outcome = &decision.outcome;
        let mut effects = applied.effects.iter();
        let effect = effects.find(|effect| effect.operation == *id);
        let refused = effect.and_then(|effect| effect.result.err());
        let value = json!({
            "event": "decided",
            "height": height,
            "operation": id,
            "kind": kind,
            "outcome": outcome,
            "refused_effect": refused,
        });
        let refused = refused.map_or_else(String::new, |reason| format!("; no effect: {reason}"));
        let id = short(id);
        let about = Names::of(&self.engine, subject_node(kind, &subject));
        let subject = about.subject(kind, &subject);
        self.tell(
            &value,
            &format!("operation {id} ({kind}, {subject}) {outcome}{refused}"),
        );
    }

    /// Tells which peers came and went since the last call.
    pub(super) fn peers(&mut self, peers: &[PeerInfo]) {
        let now: BTreeSet<NodeId> = peers.iter().map(|peer| peer.author).collect();
        let before = std::mem::replace(&mut self.connected, now.clone());
        for (event, from, to, text) in [
            ("peer_down", &before, &now, "down"),
            ("peer_up", &now, &before, "up"),
        ] {
            for node in from.difference(to) {
                let names = Names::of(&self.engine, [*node]);
                let value = json!({
                    "event": event,
                    "node": node,
                    "name": names.get(node),
                    "connected": now.len(),
                });
                let shown = names.shown(node);
                let text = format!("peer {shown} is {text}; {} connected", now.len());
                self.tell(&value, &text);
            }
        }
    }

    /// Tells what a person should see to, when it changes: a ban, a twin, clocks, peers that do not sign.
    pub(super) fn attention(&mut self, node: &Node) {
        let news = self.attention.look(node);
        for News {
            value,
            text,
            is_urgent,
        } in news
        {
            if is_urgent {
                self.warn(&value, &text);
            } else {
                self.tell(&value, &text);
            }
        }
    }

    /// Tells what the node did about builds.
    pub(super) fn builds(&self, told: &Told) {
        match told {
            Told::Committed {
                operation,
                subject,
                known,
                items,
            } => self.tell(
                &json!({
                    "event": "committed",
                    "operation": operation,
                    "subject": subject,
                    "known": known,
                    "items": items,
                }),
                &format!(
                    "operation {} (claim_set, {subject}) committed, {known} of {items} results",
                    short(operation)
                ),
            ),
            Told::Failed(failure) => self.warn(
                &json!({ "event": "builds_failed", "reason": failure.message }),
                &format!("RESULTS OF BUILDS ARE NOT COMMITTED: {}", failure.message),
            ),
        }
    }

    /// A seal gave the member its next key, with which the node starts again.
    pub(super) fn replaced(&self) {
        self.warn(
            &json!({ "event": "replaced", "old": self.engine.node_id() }),
            "a seal lists the Succeed: the member has its next key, and the node goes on with that",
        );
    }

    /// The node stopped in good order.
    pub(super) fn stopped(&self) {
        self.tell(&json!({ "event": "stopped" }), "stopped");
    }
}
