//! The answers of commands and nodes. `answer` and the commands build these structs. The text for people is made from
//! the fields, and `--json` prints the structs: keys may be added, and none changes its meaning.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use mycnet_consensus::core::{Backing, Pending, Plan, SealStatus, SigningState, WindowStatus};
use mycnet_consensus::document::LedgerChange;
use mycnet_consensus::engine::{Losses, MemberLine, MemberView, Succession};
use mycnet_consensus::net::ClockReport;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimRule, Class, ConsensusOperation, Digest, MemberName,
    NetworkId, NodeId, OperationId, Outcome, Params, Priority, RecordId, SealId, Spore, Standing,
    TrustEntry,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::turns::YourTurn;
use crate::names::Names;

/// The answer of `init`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Created {
    pub(crate) node: NodeId,
    pub(crate) directory: PathBuf,
    /// The digest of the key that may replace the node's.
    pub(crate) successor: Option<Digest>,
    /// Both, as `network new` takes them.
    pub(crate) keys: String,
}

/// What a node's key is to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyPlace {
    Present,
    /// It was replaced.
    Former,
    /// It may replace the present one.
    Successor,
}

/// A node's key, and the member that it belongs to.
#[derive(Debug, Clone, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) node: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) height: u64,
    pub(crate) place: Option<KeyPlace>,
    pub(crate) member: Option<MemberView>,
    /// Changes of this member's key that no seal lists yet.
    pub(crate) pending: Vec<Succession>,
}

/// The answer of `key show`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct KeysShown {
    pub(crate) node: NodeId,
    pub(crate) successor: Option<Digest>,
    /// Both, as `network new` takes them.
    pub(crate) keys: String,
    pub(crate) name: Option<MemberName>,
    pub(crate) place: Option<KeyPlace>,
    /// The member's present key.
    pub(crate) present: Option<NodeId>,
    pub(crate) former: Vec<NodeId>,
    pub(crate) pending: Vec<Succession>,
}

/// The answer of `key succeed`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Succeeded {
    /// The key that is replaced; `null` if it was before.
    pub(crate) old: Option<NodeId>,
    pub(crate) node: NodeId,
    pub(crate) name: Option<MemberName>,
    /// The digest of the key that may follow in turn.
    pub(crate) successor: Option<Digest>,
    /// Whether a seal lists it.
    pub(crate) sealed: bool,
    /// Whether a node runs, and changes to the key by itself.
    pub(crate) running: bool,
}

impl Succeeded {
    /// What a node says after it has the `Succeed`, or if there is nothing left to do.
    pub(crate) fn of(keys: &Keys, running: bool) -> Self {
        let member = keys.member.as_ref();
        let pending = keys.pending.first();
        let successor = match pending {
            Some(pending) => pending.next,
            None => member.and_then(|member| member.successor),
        };
        Self {
            old: None,
            node: member.map_or(keys.node, |member| member.node),
            name: member.map(|member| member.name.clone()),
            successor,
            sealed: pending.is_none(),
            running,
        }
    }
}

/// The answer of `network new`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct NewNetwork {
    pub(crate) network: NetworkId,
    pub(crate) name: String,
    pub(crate) members: usize,
    pub(crate) file: PathBuf,
}

/// The answer of `join`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Joined {
    pub(crate) network: NetworkId,
    pub(crate) name: String,
    pub(crate) node: NodeId,
    /// The role of a founding member.
    pub(crate) role: Option<Spore>,
    /// The name of a founding member.
    pub(crate) member_name: Option<MemberName>,
    /// The ticket's height.
    pub(crate) height: u64,
}

/// The answer of `consent`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Consented {
    pub(crate) network: NetworkId,
    pub(crate) candidate: NodeId,
    pub(crate) name: MemberName,
    pub(crate) role: Spore,
    /// The digest of the key that may replace the candidate's.
    pub(crate) successor: Option<Digest>,
    /// The line that an admission takes.
    pub(crate) consent: String,
}

/// The state of a node and its network.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) node: NodeId,
    pub(crate) network: NetworkId,
    pub(crate) name: String,
    /// Whether it can meet peers, and is not a command's own node.
    pub(crate) running: bool,
    pub(crate) height: u64,
    pub(crate) seal: SealId,
    /// The last seal's time, in milliseconds since 1970.
    pub(crate) seal_ms: u64,
    pub(crate) sealing: SealStatus,
    /// This node in the roster.
    pub(crate) member: Option<MemberView>,
    pub(crate) members: usize,
    /// The line that has this node's key, had it or names it, and changes of its key that no seal lists yet.
    pub(crate) keys: Keys,
    pub(crate) open_operations: usize,
    /// Operations that wait for a record of this node.
    pub(crate) waiting_for_you: Vec<OperationId>,
    /// Operations on which this node may vote and has not, with what its vote weighs. Nobody waits for a vote without weight.
    pub(crate) your_turns: Vec<YourTurn>,
    pub(crate) unsealed_records: usize,
    /// How many are connected, if it is running.
    pub(crate) peers: Option<usize>,
    pub(crate) journal_lost: Option<String>,
    pub(crate) disk_failed: bool,
    /// The members that the next seal waits for.
    pub(crate) names: Names,
    /// Another machine with this node's key. Then nothing is signed.
    pub(crate) twin: Option<Twin>,
    pub(crate) refounding: RefoundingInShort,
    pub(crate) clocks: Clocks,
    /// The sealers that are there, if it is running.
    pub(crate) sealers: Option<SealersThere>,
    /// Connected peers that say that they do not sign.
    pub(crate) not_signing: Vec<NotSigning>,
    /// How many peers closed a connection because this member is banned.
    pub(crate) said_banned: usize,
}

/// Which sealers a node sees. In a network with more members than a node has peers, others may see more.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct SealersThere {
    /// The sealers that are connected, with the node itself.
    pub(crate) connected: usize,
    /// So many must agree on a seal.
    pub(crate) needed: usize,
    /// Those that are not connected.
    pub(crate) absent: Vec<NodeId>,
    /// Whether too few are there, although the node has room for more peers.
    pub(crate) too_few: bool,
}

/// The state of founding the network anew, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct RefoundingInShort {
    /// The plans that members endorse.
    pub(crate) plans: usize,
    /// The digest of the one that this node endorses.
    pub(crate) endorsed: Option<Digest>,
    /// Whether it must be endorsed again.
    pub(crate) asks_again: bool,
    /// The network for which this node has left this one.
    pub(crate) left_for: Option<NetworkId>,
    /// The network that this one takes up.
    pub(crate) follows: Option<Follows>,
}

/// The network that a network takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "FollowsShown")]
pub(crate) struct Follows {
    pub(crate) network: NetworkId,
    /// Whether not more than half of the old votes were for it, as far as this node knows.
    pub(crate) is_secession: bool,
}

/// A plan to found the network anew.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct PlanShown {
    /// By which the plan is named.
    pub(crate) digest: Digest,
    pub(crate) plan: Plan,
    /// Who endorses it.
    pub(crate) by: Vec<NodeId>,
    /// What it leads to; null if this node lacks its seal.
    pub(crate) outlook: Option<Outlook>,
    /// Members of whom nothing was heard for long; only where a plan is made.
    pub(crate) silent: Vec<Silent>,
    pub(crate) names: Names,
}

/// What a plan leads to.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Outlook {
    pub(crate) network: NetworkId,
    pub(crate) members: Vec<NodeId>,
    /// Their votes in the old network.
    pub(crate) old_votes: usize,
    pub(crate) backing: Backing,
    pub(crate) losses: Losses,
}

/// A member of whom nothing was heard for long.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Silent {
    pub(crate) node: NodeId,
    pub(crate) for_ms: u64,
}

/// The plans to found the network anew.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct RefoundingShown {
    pub(crate) plans: Vec<PlanShown>,
    /// The digest of the one that this node endorses.
    pub(crate) endorsed: Option<Digest>,
    /// Whether it must be endorsed again, because a seal was applied since.
    pub(crate) asks_again: bool,
    pub(crate) left_for: Option<NetworkId>,
    pub(crate) follows: Option<Follows>,
    /// The networks that this node has left, whose ledgers its directory has.
    pub(crate) past: Vec<NetworkId>,
}

/// Another machine that runs with this node's key. What is missing was not heard since the node's start.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Twin {
    pub(crate) endpoint: Option<Digest>,
    pub(crate) addresses: Vec<String>,
    /// The peer that passed its proof on.
    pub(crate) through: Option<NodeId>,
    pub(crate) through_name: Option<MemberName>,
}

/// How the clocks of a node and its peers compare, in milliseconds; below zero is behind.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Clocks {
    /// The peers whose clocks are known.
    pub(crate) peers: usize,
    /// This node's distance from the median of its peers, if more than the drift.
    pub(crate) own_off_ms: Option<i64>,
    /// Peers that are off by more than the drift.
    pub(crate) off: Vec<ClockOff>,
    /// How far the last seal's time is ahead of this node's clock, if more than the drift.
    pub(crate) seal_ahead_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct ClockOff {
    pub(crate) node: NodeId,
    pub(crate) name: Option<MemberName>,
    pub(crate) off_ms: i64,
}

impl Clocks {
    /// A report, with the names of the members that it mentions.
    pub(crate) fn new(report: ClockReport, engine: &BFTConsensusEngine) -> Self {
        let names = Names::of(engine, report.off.iter().map(|(node, _)| *node));
        let off = report.off.into_iter();
        Self {
            peers: report.peers,
            own_off_ms: report.own_off_ms,
            off: off
                .map(|(node, off_ms)| ClockOff {
                    name: names.get(&node).cloned(),
                    node,
                    off_ms,
                })
                .collect(),
            seal_ahead_ms: report.seal_ahead_ms,
        }
    }
}

/// A peer that says that it does not sign.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct NotSigning {
    pub(crate) node: NodeId,
    pub(crate) name: Option<MemberName>,
    pub(crate) signing: SigningState,
}

/// What seals changed in the ledger document.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Changes {
    /// The height of the last seal that this node has.
    pub(crate) height: u64,
    /// In order; the first is of the height after the one that was named.
    pub(crate) changes: Vec<SealChange>,
}

/// What a seal changed in the ledger document.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct SealChange {
    pub(crate) change: LedgerChange,
    /// The operations that its records are about, if they were asked for.
    pub(crate) about: Vec<OperationId>,
}

/// The records of an operation.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Records {
    pub(crate) operation: OperationId,
    /// Canonical bytes, in hexadecimal: the proposal, and what was said about it, as far as seals list it.
    pub(crate) records: Vec<String>,
}

/// What a command needs to know before it signs something without a running node.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct SealTime {
    pub(crate) height: u64,
    pub(crate) time_ms: u64,
    pub(crate) commit_window_ms: u64,
}

/// The id of an operation, after a proposal or a vote.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) operation: OperationId,
}

/// An operation: its state, what it says, and what was said about it.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct OperationDetails {
    pub(crate) operation: OperationId,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) class: Class,
    pub(crate) subject: String,
    pub(crate) content: ConsensusOperation,
    pub(crate) proposer: NodeId,
    pub(crate) priority: Priority,
    pub(crate) phase: Cow<'static, str>,
    pub(crate) opened_height: Option<u64>,
    /// The weight of all electors; this field and the next four are `null` where there are no electors.
    pub(crate) total_weight: Option<u64>,
    /// The number of electors with weight.
    pub(crate) weighted: Option<usize>,
    /// How many of these have committed.
    pub(crate) committed: Option<usize>,
    pub(crate) revealed_weight: Option<u64>,
    pub(crate) ballots: Option<Vec<(Ballot, u64)>>,
    pub(crate) tallied: Option<Outcome>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) decided_height: Option<u64>,
    /// The times of these two seals, in milliseconds since 1970.
    pub(crate) opened_ms: Option<u64>,
    pub(crate) decided_ms: Option<u64>,
    /// Why the outcome is what it is, for people.
    pub(crate) why: Option<String>,
    /// Whether the effect took place.
    pub(crate) applied: Option<bool>,
    pub(crate) refused_effect: Option<Cow<'static, str>>,
    pub(crate) waits_for: Pending,
    pub(crate) window: Option<WindowStatus>,
    /// The Primary's directives on a standard operation; the next two fields are by Seeds.
    pub(crate) directives: Vec<Verdict>,
    pub(crate) objections: Vec<Objection>,
    pub(crate) resolutions: Vec<Verdict>,
    /// The electors, as the opening seal fixed them, and others who have committed before it.
    pub(crate) electors: Vec<ElectorVote>,
    /// This node's own ballot, which nobody else knows before it is revealed.
    pub(crate) own_ballot: Option<Ballot>,
    /// The items of a claim set about which revealed results with weight differ.
    pub(crate) in_dispute: Vec<DisputedItem>,
    /// The members among all nodes mentioned here.
    pub(crate) names: Names,
}

/// An item of a claim set, and who gave which result.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct DisputedItem {
    pub(crate) subject: String,
    /// The result that it was decided for, if it was.
    pub(crate) outcome: Option<Ballot>,
    pub(crate) results: Vec<(NodeId, Ballot)>,
}

/// An elector, and what is known of its vote.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct ElectorVote {
    pub(crate) node: NodeId,
    pub(crate) name: Option<MemberName>,
    /// 1 or 0 in critical operations, parts per million of skill in claims; `null` before the opening seal, like the next.
    pub(crate) weight: Option<u64>,
    /// Whether it was `Active`.
    pub(crate) has_vote: Option<bool>,
    pub(crate) committed: bool,
    /// `null` until it is revealed.
    pub(crate) ballot: Option<Ballot>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) author: NodeId,
    pub(crate) approve: bool,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Objection {
    pub(crate) author: NodeId,
    pub(crate) reason: String,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Operations {
    pub(crate) operations: Vec<OperationLine>,
    /// The members among the proposers and subjects.
    pub(crate) names: Names,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct OperationLine {
    pub(crate) operation: OperationId,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) class: Class,
    pub(crate) proposer: NodeId,
    pub(crate) subject: String,
    /// The rule of a claim.
    pub(crate) rule: Option<ClaimRule>,
    pub(crate) phase: Cow<'static, str>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) refused_effect: Option<Cow<'static, str>>,
    /// The seal that decided it, or that opened it if it is not closed, and its time in milliseconds since 1970; `null` before one.
    pub(crate) height: Option<u64>,
    pub(crate) time_ms: Option<u64>,
}

/// Who voted what.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Votes {
    /// From the newest on.
    pub(crate) operations: Vec<VotesOn>,
}

/// The votes on an operation that are known.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct VotesOn {
    #[serde(flatten)]
    pub(crate) line: OperationLine,
    pub(crate) votes: Vec<ElectorVote>,
    /// This node's own ballot, also before others know it.
    pub(crate) own_ballot: Option<Ballot>,
}

/// The last seals.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the name in JSON")]
pub(crate) struct Seals {
    /// The last sealed height.
    pub(crate) height: u64,
    /// The newest first. Where they end above height 1, those before the last one are the next.
    pub(crate) seals: Vec<SealLine>,
    /// The members among all sealers mentioned here.
    pub(crate) names: Names,
}

/// A sealed height.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct SealLine {
    pub(crate) height: u64,
    pub(crate) seal: SealId,
    /// Milliseconds since 1970.
    pub(crate) time_ms: u64,
    /// How many records it lists.
    pub(crate) records: u32,
    /// Who proposed it first, in the round `proposed_round`.
    pub(crate) proposer: Option<NodeId>,
    pub(crate) proposed_round: u32,
    /// The round of the precommits that fixed it, as this node holds them.
    pub(crate) round: u32,
    /// Whose precommits these are.
    pub(crate) signed: Vec<NodeId>,
    /// The other sealers. Their precommits may exist as well: more than two thirds are enough.
    pub(crate) missing: Vec<NodeId>,
}

/// A member's trust after a height.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct MemberTrust {
    pub(crate) node: NodeId,
    /// `null` if it is no member now.
    pub(crate) name: Option<MemberName>,
    pub(crate) height: u64,
    /// This field and the next three are `null` if it was no member then.
    pub(crate) trust_ppm: Option<u32>,
    /// Its skill, parts per million.
    pub(crate) skill_ppm: Option<u32>,
    pub(crate) standing: Option<Standing>,
    /// Coherent outcomes in a row.
    pub(crate) row: Option<u32>,
    /// Every change up to the height, or the last ones of them, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entries: Option<Vec<TrustEntry>>,
    /// The same, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<Vec<String>>,
    /// The height of the last change before these, if only the last ones were asked for: `at` this height they go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) earlier: Option<u64>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Roster {
    pub(crate) members: Vec<MemberView>,
}

/// The scores under other parameters.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct WhatIf {
    pub(crate) height: u64,
    pub(crate) members: Vec<MemberWhatIf>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct MemberWhatIf {
    pub(crate) node: NodeId,
    pub(crate) name: MemberName,
    /// `null` if it is a member only under the other parameters.
    pub(crate) now: Option<MemberLine>,
    /// `null` if it is a member only now.
    pub(crate) then: Option<MemberLine>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Values in hexadecimal.
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) params: Params,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct EvidenceList {
    pub(crate) evidence: Vec<Equivocation>,
}

/// Two statements of one author where one is allowed.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Equivocation {
    pub(crate) author: NodeId,
    pub(crate) name: Option<MemberName>,
    pub(crate) statement: Cow<'static, str>,
    pub(crate) operation: Option<OperationId>,
    pub(crate) slot: Option<serde_json::Value>,
    pub(crate) first: RecordId,
    pub(crate) second: RecordId,
    /// The records themselves, in hexadecimal.
    pub(crate) first_record: String,
    pub(crate) second_record: String,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct CertificateBytes {
    pub(crate) operation: OperationId,
    /// In hexadecimal.
    pub(crate) certificate: String,
    /// The network that its network takes up.
    pub(crate) follows: Option<Follows>,
}

/// The answer of `certificate`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct CertificateFile {
    pub(crate) operation: OperationId,
    pub(crate) file: PathBuf,
    pub(crate) bytes: usize,
    /// The network that its network takes up.
    pub(crate) follows: Option<Follows>,
}

/// The answer of `verify`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct CertificateChecked {
    pub(crate) network: NetworkId,
    /// The network that it takes up.
    pub(crate) follows: Option<NetworkId>,
    pub(crate) name: String,
    pub(crate) operation: OperationId,
    pub(crate) kind: String,
    pub(crate) subject: String,
    /// A claim's input, in hexadecimal; of an operation that is no claim the digest of its canonical form.
    pub(crate) input: String,
    /// Missing if only one item of a claim set is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    /// What was revealed before the outcome was final, and by whom.
    pub(crate) answers: Vec<ProvedAnswer>,
    /// The items of a claim set that are shown.
    pub(crate) items: Vec<ProvedItem>,
    pub(crate) decided_height: u64,
    /// The seal that the certificate leads to, and its height.
    pub(crate) height: u64,
    pub(crate) seal: SealId,
    /// Those of the electors that the genesis names.
    pub(crate) names: Names,
}

/// A ballot in a certificate.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ProvedAnswer {
    pub(crate) ballot: Ballot,
    pub(crate) by: Vec<NodeId>,
}

/// An item in a certificate. Values are in hexadecimal.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ProvedItem {
    pub(crate) subject: String,
    pub(crate) input: String,
    /// `null` if none was decided.
    pub(crate) result: Option<String>,
    pub(crate) answers: Vec<ProvedResult>,
}

/// A result of an item in a certificate.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct ProvedResult {
    pub(crate) result: String,
    pub(crate) by: Vec<NodeId>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct TicketText {
    pub(crate) ticket: String,
    pub(crate) network: NetworkId,
    pub(crate) name: String,
    pub(crate) height: u64,
    pub(crate) seal: SealId,
    pub(crate) addresses: Vec<String>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the name in JSON")]
pub(crate) struct Peers {
    pub(crate) running: bool,
    pub(crate) peers: Vec<Peer>,
    pub(crate) twin: Option<Twin>,
    pub(crate) clocks: Clocks,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) node: Option<NodeId>,
    pub(crate) name: Option<MemberName>,
    pub(crate) role: Option<Spore>,
    /// What its key is to that member.
    pub(crate) place: Option<KeyPlace>,
    pub(crate) connected: bool,
    pub(crate) addresses: Vec<String>,
    /// Only a running node knows it.
    #[serde(flatten)]
    pub(crate) link: Option<PeerLink>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct PeerLink {
    pub(crate) endpoint: Digest,
    /// Where its packets go now, if they are connected: an address, or the URL of a relay.
    pub(crate) at: Option<String>,
    /// Whether this node dialled, if they are connected.
    pub(crate) dialled: Option<bool>,
    /// Whether it signs, or why not, and how far its clock is ahead of this node's, if they are connected.
    pub(crate) signing: Option<SigningState>,
    pub(crate) clock_ahead_ms: Option<i64>,
    /// Attempts that failed since the last connection.
    pub(crate) failures: u32,
    pub(crate) last_fault: Option<String>,
}

/// The id that an abbreviation means.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "Found{T}")]
pub(crate) struct FoundId<T> {
    pub(crate) id: T,
}

/// The answer of `export`.
#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) directory: PathBuf,
    pub(crate) height: u64,
    pub(crate) operations: u64,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct BundleExported {
    pub(crate) file: PathBuf,
    pub(crate) from: u64,
    pub(crate) height: u64,
    pub(crate) seal: SealId,
    pub(crate) unsealed: u64,
    pub(crate) digest: Digest,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct BundleImported {
    pub(crate) height_before: u64,
    pub(crate) height: u64,
    /// Heights that were new.
    pub(crate) applied: u64,
    /// Heights that this node had already.
    pub(crate) held: u64,
    /// Records, outside of these heights.
    pub(crate) new: u64,
    pub(crate) known: u64,
    /// Records that refer to something that this node does not have.
    pub(crate) waiting: u64,
    /// Refused records, by the code of the rejection.
    pub(crate) refused: BTreeMap<String, RefusedRecords>,
}

#[derive(Debug, JsonSchema, Serialize, Deserialize)]
pub(crate) struct RefusedRecords {
    pub(crate) count: u64,
    pub(crate) first: String,
}

/// The answer of `rejoin`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Declared {
    pub(crate) declared: bool,
    /// Whether the node signs already; if not, it waits for its Rejoin to be sealed.
    pub(crate) signs: bool,
}

/// The answer of `doctor`.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Health {
    pub(crate) healthy: bool,
    pub(crate) heights: u64,
    pub(crate) records: u64,
    pub(crate) operations: u64,
    pub(crate) repaired: bool,
    /// The book of builds, if there is one that can be opened.
    pub(crate) builds: Option<BookHealth>,
    pub(crate) faults: Vec<String>,
    /// What is no fault of the directory, but should be seen to.
    pub(crate) warnings: Vec<String>,
}

/// What a book of builds has.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct BookHealth {
    /// Results that wait.
    pub(crate) waiting: u64,
    /// Results that were committed to a set.
    pub(crate) committed: u64,
    pub(crate) originals: u64,
}
