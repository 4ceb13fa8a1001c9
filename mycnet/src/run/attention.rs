//! What a person should see to while a node runs, told when it begins and when it ends: a ban, a twin, clocks that are off,
//! peers that do not sign.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::core::SigningState;
use mycnet_consensus::net::ClockReport;
use mycnet_consensus::node::Node;
use mycnet_consensus::{MemberName, NodeId, Standing};
use serde_json::{Value, json};

use crate::answer::reads;
use crate::home::Home;
use crate::home::last_run::LastRun;
use crate::key::place_text;
use crate::names::node_shown;
use crate::reply::{Clocks, KeyPlace, NotSigning};
use crate::warnings;

/// Something to tell.
#[derive(Debug)]
pub(super) struct News {
    pub(super) value: Value,
    pub(super) text: String,
    /// Whether a person must see it, also without a terminal.
    pub(super) is_urgent: bool,
}

impl News {
    fn urgent(value: Value, text: impl Into<String>) -> Self {
        Self {
            value,
            text: text.into(),
            is_urgent: true,
        }
    }

    fn good(value: Value, text: impl Into<String>) -> Self {
        Self {
            is_urgent: false,
            ..Self::urgent(value, text)
        }
    }
}

/// The clocks that are off: this node's, the last seal's, and those of peers.
type ClocksOff = (bool, bool, BTreeSet<NodeId>);

/// What was told.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "what was told already, each by itself"
)]
pub(super) struct Attention {
    home: Home,
    /// What the file says.
    last: LastRun,
    is_copy: bool,
    has_settled: bool,
    place: Option<KeyPlace>,
    is_banned: bool,
    is_said_banned: bool,
    has_twin: bool,
    clocks: ClocksOff,
    not_signing: BTreeMap<NodeId, (SigningState, Option<MemberName>)>,
}

impl Attention {
    pub(super) fn new(home: &Home) -> Self {
        let last = LastRun::read(home);
        Self {
            is_copy: last.is_elsewhere(home),
            last,
            has_settled: false,
            home: home.clone(),
            place: None,
            is_banned: false,
            is_said_banned: false,
            has_twin: false,
            clocks: ClocksOff::default(),
            not_signing: BTreeMap::new(),
        }
    }

    /// What is new since the last look.
    pub(super) fn look(&mut self, node: &Node) -> Vec<News> {
        let mut news = self.ban(node);
        if std::mem::take(&mut self.is_copy) {
            let value = json!({ "event": "copied" });
            news.push(News::urgent(value, warnings::copied()));
        }
        news.extend(self.key(node));
        news.extend(self.twin(node));
        let report = node.clocks();
        self.remember(&report);
        news.extend(self.clocks(&Clocks::new(report, node.engine())));
        news.extend(self.peers(&reads::not_signing(node)));
        news
    }

    /// Writes down where the node met others, and whether its clock was right then.
    fn remember(&mut self, report: &ClockReport) {
        if report.peers == 0 {
            return;
        }
        let mut last = self.last.clone();
        last.note_clock(report);
        if !std::mem::replace(&mut self.has_settled, true) {
            last.settle(&self.home);
        }
        if last != self.last {
            last.write(&self.home);
            self.last = last;
        }
    }

    fn ban(&mut self, node: &Node) -> Vec<News> {
        let mut news = Vec::new();
        let me = node.engine().node_id();
        let mut roster = node.engine().roster().into_iter();
        let is_banned = roster.any(|it| it.node == me && it.standing == Standing::Banned);
        if is_banned && !self.is_banned {
            news.push(News::urgent(
                json!({ "event": "banned", "node": me }),
                warnings::banned(),
            ));
        }
        self.is_banned |= is_banned;
        let said = reads::said_banned(node);
        if said > 0 && !self.is_banned && !self.is_said_banned {
            self.is_said_banned = true;
            let value = json!({ "event": "said_banned", "peers": said });
            news.push(News::urgent(value, warnings::said_banned(said)));
        }
        news
    }

    fn key(&mut self, node: &Node) -> Option<News> {
        let keys = reads::keys(node);
        // With the next key here, the node goes on with that in a moment.
        if keys.place == Some(KeyPlace::Former) && self.home.has_next_key().unwrap_or(false) {
            return None;
        }
        if std::mem::replace(&mut self.place, keys.place) == keys.place {
            return None;
        }
        let present = keys.member.as_ref().map(|member| &member.node);
        let text = place_text(keys.place, present, &self.home.option())?;
        let value = json!({ "event": "key", "place": keys.place, "present": present });
        Some(News::urgent(value, text))
    }

    fn twin(&mut self, node: &Node) -> Option<News> {
        let twin = reads::twin(node);
        if std::mem::replace(&mut self.has_twin, twin.is_some()) == twin.is_some() {
            return None;
        }
        Some(match twin {
            Some(twin) => News::urgent(
                json!({ "event": "twin", "twin": twin }),
                warnings::twin(&twin, &self.home.option()),
            ),
            None => News::good(
                json!({ "event": "twin_gone" }),
                "this one lives: it signs again once a seal lists its Rejoin",
            ),
        })
    }

    fn clocks(&mut self, clocks: &Clocks) -> Vec<News> {
        let off: ClocksOff = (
            clocks.own_off_ms.is_some(),
            clocks.seal_ahead_ms.is_some(),
            clocks.off.iter().map(|off| off.node).collect(),
        );
        if std::mem::replace(&mut self.clocks, off.clone()) == off {
            return Vec::new();
        }
        let value = json!({ "event": "clocks", "clocks": clocks });
        let texts = warnings::clocks(clocks);
        if texts.is_empty() {
            return vec![News::good(value, "the clocks agree")];
        }
        vec![News::urgent(value, texts.join("\nnote: "))]
    }

    fn peers(&mut self, peers: &[NotSigning]) -> Vec<News> {
        let now = peers.iter();
        let now = now.map(|peer| (peer.node, (peer.signing, peer.name.clone())));
        let now: BTreeMap<NodeId, (SigningState, Option<MemberName>)> = now.collect();
        let before = std::mem::replace(&mut self.not_signing, now);
        let mut news = Vec::new();
        for peer in peers {
            let known = before.get(&peer.node).map(|(signing, _)| *signing);
            if known != Some(peer.signing) {
                let value = json!({
                    "event": "peer_signing",
                    "node": peer.node,
                    "name": peer.name,
                    "signing": peer.signing,
                });
                let text = warnings::not_signing(std::slice::from_ref(peer)).join(" ");
                news.push(News::urgent(value, text));
            }
        }
        for (node, (_, name)) in &before {
            if !self.not_signing.contains_key(node) {
                let value = json!({
                    "event": "peer_signing",
                    "node": node,
                    "name": name,
                    "signing": "ready",
                });
                let shown = node_shown(node, name.as_ref());
                let text = format!("{shown} signs again, or is not connected");
                news.push(News::good(value, text));
            }
        }
        news
    }
}
