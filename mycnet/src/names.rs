//! The names of members beside their keys. Every text for people shows a member as `ada (4f9c12ab)`.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::{BFTConsensusEngine, Genesis, MemberName, NodeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::output::short;

/// The names of the members that an answer mentions. In JSON it is an object of names by node id.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Names(BTreeMap<NodeId, MemberName>);

impl Names {
    /// The names of those nodes that are members now. A member answers for its former keys too, so they have its name.
    pub(crate) fn of(engine: &BFTConsensusEngine, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let wanted: BTreeSet<NodeId> = nodes.into_iter().collect();
        let mut names = BTreeMap::new();
        for member in engine.roster() {
            let keys = member.former.iter().chain([&member.node]);
            let meant = keys.filter(|key| wanted.contains(key));
            names.extend(meant.map(|key| (*key, member.name.clone())));
        }
        Self(names)
    }

    /// The names of those nodes that the genesis names.
    pub(crate) fn of_founders(genesis: &Genesis, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let wanted: BTreeSet<NodeId> = nodes.into_iter().collect();
        let founders = genesis.members.iter();
        let meant = founders.filter(|founder| wanted.contains(&founder.node));
        Self(meant.map(|it| (it.node, it.name.clone())).collect())
    }

    /// The name of a member.
    pub(crate) fn get(&self, node: &NodeId) -> Option<&MemberName> {
        self.0.get(node)
    }

    /// A node for people.
    pub(crate) fn shown(&self, node: &NodeId) -> String {
        node_shown(node, self.get(node))
    }

    /// Nodes for people.
    pub(crate) fn list(&self, nodes: &[NodeId]) -> String {
        let shown: Vec<String> = nodes.iter().map(|node| self.shown(node)).collect();
        shown.join(", ")
    }

    /// The subject of an operation for people: a member instead of its key.
    pub(crate) fn subject(&self, kind: &str, subject: &str) -> String {
        match subject_node(kind, subject) {
            Some(node) => self.shown(&node),
            None => subject.to_owned(),
        }
    }
}

/// A node that may be no member, for people.
pub(crate) fn node_shown(node: &NodeId, name: Option<&MemberName>) -> String {
    match name {
        Some(name) => member_shown(node, name),
        None => format!("{} (no member)", short(node)),
    }
}

/// A member for people. Nobody else has its name; the digits tell it from a member that had the name before.
pub(crate) fn member_shown(node: &NodeId, name: &MemberName) -> String {
    let digits = short(node);
    // The name of a member for whom nobody chose one is these digits.
    if name.as_str() == digits {
        return digits;
    }
    format!("{name} ({digits})")
}

/// The node that an operation is about. The subjects of other kinds are free texts, whatever they look like.
pub(crate) fn subject_node(kind: &str, subject: &str) -> Option<NodeId> {
    let is_about_a_node = matches!(
        kind,
        "trust_score_modification" | "node_admission" | "node_exclusion" | "spore_assignment"
    );
    is_about_a_node.then(|| subject.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_shown_by_name_and_digits() {
        let (ada, ben) = (
            NodeId::from_bytes([0xaa; 32]),
            NodeId::from_bytes([0xbb; 32]),
        );
        let names = Names(BTreeMap::from([
            (ada, MemberName::new("ada").unwrap()),
            (ben, MemberName::of_key(&ben)),
        ]));
        let cyd = NodeId::from_bytes([0xcc; 32]);
        assert_eq!(
            names.list(&[ada, ben, cyd]),
            "ada (aaaaaaaa), bbbbbbbb, cccccccc (no member)"
        );
        // Whose name is another's digits is still told from it.
        let liar = Names(BTreeMap::from([(cyd, MemberName::of_key(&ben))]));
        assert_eq!(liar.shown(&cyd), "bbbbbbbb (cccccccc)");
        let key = ada.to_string();
        assert_eq!(names.subject("node_exclusion", &key), "ada (aaaaaaaa)");
        assert_eq!(names.subject("service_deployment", &key), key);
    }
}
