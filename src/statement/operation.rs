//! The kinds of operation that members decide, their classes ([V3]), and ballots.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::digest::{NodeId, hex_bytes};
use crate::base::limits::{
    ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, MEMBERS_MAX, PAYLOAD_BYTES_MAX, SET_ITEMS_MAX,
    SET_PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::base::rejection::Rejection;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::consent::Consent;
use crate::statement::params::Params;
pub use crate::statement::spore::Spore;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// How an operation is decided.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Full BFT: more than two thirds of the electorate's weight.
    Critical,
    /// A question about a result: the electors decide by the claim's [`ClaimRule`].
    Claim,
    /// Spore authority: Primary, then Seeds, then full BFT.
    Standard,
}

/// Whether an operation precedes others in a seal.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before the others; only the Primary and Seeds may ask for it.
    High,
    /// In order of age.
    #[default]
    Normal,
}

/// Something a federation decides.
///
/// Text fields hold at most [`TEXT_BYTES_MAX`] bytes, the other free fields at most [`PAYLOAD_BYTES_MAX`]. In JSON byte
/// strings and keys are hexadecimal.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConsensusOperation {
    /// Critical. Sets a key of the configuration map, or a parameter: `config_type` `param.NAME` with the new value as
    /// decimal digits (see [`Params::NAMES`]).
    NetworkConfiguration {
        /// The key, or `param.NAME`.
        config_type: String,
        /// The new value; empty removes a key of the map.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        proposed_change: Vec<u8>,
    },
    /// Critical. Sets `policy.NAME` in the configuration map.
    SecurityPolicyUpdate {
        /// The policy's name.
        policy: String,
        /// Its new content; empty removes the policy.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        content: Vec<u8>,
    },
    /// Critical. Adds to a member's trust (the sum stays within 0..=1,000,000).
    TrustScoreModification {
        /// The member.
        node: NodeId,
        /// Parts per million, -1,000,000..=1,000,000.
        delta_ppm: i32,
        /// The reason, for people.
        reason: String,
    },
    /// Critical. Admits a candidate, on `Probation`, with the name and successor of its consent.
    NodeAdmission {
        /// The candidate's author key; weak keys are refused.
        candidate: NodeId,
        /// Its role, `Primary` excepted.
        role: Spore,
        /// The candidate's signed consent.
        consent: Consent,
    },
    /// Critical. Takes a member out of the roster.
    NodeExclusion {
        /// The member.
        node: NodeId,
        /// The reason, for people.
        reason: String,
    },
    /// Critical. Gives a member another role. A new Primary makes the former one a Seed.
    SporeAssignment {
        /// The member.
        node: NodeId,
        /// Its new role.
        role: Spore,
    },
    /// Standard. Sets `service.NAME` in the configuration map.
    ServiceDeployment {
        /// The service's name.
        service: String,
        /// The service to run; empty removes it.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        manifest: Vec<u8>,
    },
    /// Standard. Sets `resource.NAME` in the configuration map.
    ResourceAllocation {
        /// The resource's name.
        resource: String,
        /// The allocation: who gets how much. Empty frees the resource.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        allocation: Vec<u8>,
    },
    /// Standard, without objection window. Sets `maintenance.NAME` in the configuration map.
    RoutineMaintenance {
        /// The task's name.
        task: String,
        /// The work to be done.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        details: Vec<u8>,
    },
    /// Standard, without objection window. Sets `performance.NAME` in the configuration map.
    PerformanceOptimization {
        /// The subject that is tuned.
        target: String,
        /// The way to tune it.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        details: Vec<u8>,
    },
    /// Claim. What is the result of `subject`?
    Claim {
        /// The question, for people and programs.
        subject: String,
        /// The input of the computation.
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        input: Vec<u8>,
        /// The electors, sorted and without repetition; `None` stands for all members. Only the Primary and Seeds may
        /// name a panel ([P9]).
        panel: Option<Vec<NodeId>>,
        /// How the electors come to a result ([P5]).
        rule: ClaimRule,
    },
    /// Claim. What are the results of these items? One vote answers them all, and the rule holds item by item.
    ClaimSet {
        /// What the items have in common, for people and programs.
        subject: String,
        /// One to [`SET_ITEMS_MAX`] items, sorted by their subjects, which differ. Their subjects and inputs together have at most
        /// [`SET_PAYLOAD_BYTES_MAX`] bytes.
        items: Vec<ClaimItem>,
        /// As of a single claim.
        panel: Option<Vec<NodeId>>,
        /// How the electors come to the result of an item ([P5]).
        rule: ClaimRule,
    },
}

/// An item of a claim set.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimItem {
    /// The question, 1 to [`ITEM_SUBJECT_BYTES_MAX`] bytes.
    pub subject: String,
    /// The input of the computation, at most [`ITEM_BYTES_MAX`] bytes.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub input: Vec<u8>,
}

/// Which ballots an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BallotForm {
    /// `Approve` or `Reject`.
    Approval,
    /// One result.
    Result,
    /// The results of as many items.
    Results(usize),
}

impl ConsensusOperation {
    /// Which ballots it takes, besides `Abstain` ([P9]).
    pub fn ballot_form(&self) -> BallotForm {
        match self {
            Self::Claim { .. } => BallotForm::Result,
            Self::ClaimSet { items, .. } => BallotForm::Results(items.len()),
            _ => BallotForm::Approval,
        }
    }

    /// How this kind of operation is decided.
    pub fn class(&self) -> Class {
        match self {
            Self::NetworkConfiguration { .. }
            | Self::SecurityPolicyUpdate { .. }
            | Self::TrustScoreModification { .. }
            | Self::NodeAdmission { .. }
            | Self::NodeExclusion { .. }
            | Self::SporeAssignment { .. } => Class::Critical,
            Self::ServiceDeployment { .. }
            | Self::ResourceAllocation { .. }
            | Self::RoutineMaintenance { .. }
            | Self::PerformanceOptimization { .. } => Class::Standard,
            Self::Claim { .. } | Self::ClaimSet { .. } => Class::Claim,
        }
    }

    /// The kind's name, as in records and documents.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NetworkConfiguration { .. } => "network_configuration",
            Self::SecurityPolicyUpdate { .. } => "security_policy_update",
            Self::TrustScoreModification { .. } => "trust_score_modification",
            Self::NodeAdmission { .. } => "node_admission",
            Self::NodeExclusion { .. } => "node_exclusion",
            Self::SporeAssignment { .. } => "spore_assignment",
            Self::ServiceDeployment { .. } => "service_deployment",
            Self::ResourceAllocation { .. } => "resource_allocation",
            Self::RoutineMaintenance { .. } => "routine_maintenance",
            Self::PerformanceOptimization { .. } => "performance_optimization",
            Self::Claim { .. } => "claim",
            Self::ClaimSet { .. } => "claim_set",
        }
    }

    /// The subject for people: the key, name or member concerned, or the question asked.
    pub fn subject(&self) -> String {
        match self {
            Self::NetworkConfiguration { config_type, .. } => config_type.clone(),
            Self::SecurityPolicyUpdate { policy, .. } => policy.clone(),
            Self::TrustScoreModification { node, .. }
            | Self::NodeExclusion { node, .. }
            | Self::SporeAssignment { node, .. } => node.to_string(),
            Self::NodeAdmission { candidate, .. } => candidate.to_string(),
            Self::ServiceDeployment { service, .. } => service.clone(),
            Self::ResourceAllocation { resource, .. } => resource.clone(),
            Self::RoutineMaintenance { task, .. } => task.clone(),
            Self::PerformanceOptimization { target, .. } => target.clone(),
            Self::Claim { subject, .. } | Self::ClaimSet { subject, .. } => subject.clone(),
        }
    }

    /// Whether the Primary's directive takes effect without an objection window ([A1]).
    pub fn is_routine(&self) -> bool {
        matches!(
            self,
            Self::RoutineMaintenance { .. } | Self::PerformanceOptimization { .. }
        )
    }

    /// The panel of a claim, if it names one.
    pub fn panel(&self) -> Option<&[NodeId]> {
        match self {
            Self::Claim { panel, .. } | Self::ClaimSet { panel, .. } => panel.as_deref(),
            _ => None,
        }
    }

    /// The parameter and value that this operation sets, if it sets one.
    pub fn param_entry(&self) -> Option<(&str, &[u8])> {
        match self {
            Self::NetworkConfiguration {
                config_type,
                proposed_change,
            } => Some((config_type.strip_prefix("param.")?, proposed_change)),
            _ => None,
        }
    }

    /// The key and value that this operation sets in the configuration map, if it sets one.
    pub fn config_entry(&self) -> Option<(String, &[u8])> {
        match self {
            Self::NetworkConfiguration {
                config_type,
                proposed_change,
            } => match self.param_entry() {
                Some(_) => None,
                None => Some((config_type.clone(), proposed_change)),
            },
            Self::SecurityPolicyUpdate { policy, content } => {
                Some((format!("policy.{policy}"), content))
            }
            Self::ServiceDeployment { service, manifest } => {
                Some((format!("service.{service}"), manifest))
            }
            Self::ResourceAllocation {
                resource,
                allocation,
            } => Some((format!("resource.{resource}"), allocation)),
            Self::RoutineMaintenance { task, details } => {
                Some((format!("maintenance.{task}"), details))
            }
            Self::PerformanceOptimization { target, details } => {
                Some((format!("performance.{target}"), details))
            }
            _ => None,
        }
    }

    /// Checks everything that needs no state: lengths, the order of a panel, the names of parameters.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] or [`Rejection::OverLimit`].
    pub fn check(&self) -> Result<(), Rejection> {
        match self {
            Self::NetworkConfiguration {
                config_type,
                proposed_change,
            } => {
                check_name(config_type)?;
                check_payload(proposed_change)?;
                check_config_type(config_type, proposed_change)
            }
            Self::SecurityPolicyUpdate {
                policy: name,
                content: payload,
            }
            | Self::ServiceDeployment {
                service: name,
                manifest: payload,
            }
            | Self::ResourceAllocation {
                resource: name,
                allocation: payload,
            }
            | Self::RoutineMaintenance {
                task: name,
                details: payload,
            }
            | Self::PerformanceOptimization {
                target: name,
                details: payload,
            } => {
                check_name(name)?;
                check_payload(payload)
            }
            Self::TrustScoreModification {
                delta_ppm, reason, ..
            } => {
                if delta_ppm.unsigned_abs() > crate::base::limits::TRUST_MAX_PPM {
                    return Err(Rejection::Malformed("delta_ppm is beyond 1,000,000"));
                }
                check_text(reason)
            }
            Self::NodeAdmission { role, .. } => {
                if *role == Spore::Primary {
                    return Err(Rejection::Malformed(
                        "a candidate cannot be admitted as Primary; assign the role later",
                    ));
                }
                Ok(())
            }
            Self::NodeExclusion { reason, .. } => check_text(reason),
            Self::SporeAssignment { .. } => Ok(()),
            Self::Claim {
                subject,
                input,
                panel,
                rule,
            } => {
                check_name(subject)?;
                check_payload(input)?;
                rule.check()?;
                check_panel(panel.as_deref())
            }
            Self::ClaimSet {
                subject,
                items,
                panel,
                rule,
            } => {
                check_name(subject)?;
                check_items(items)?;
                rule.check()?;
                check_panel(panel.as_deref())
            }
        }
    }

    /// The rule of a claim or claim set.
    pub fn claim_rule(&self) -> Option<ClaimRule> {
        match self {
            Self::Claim { rule, .. } | Self::ClaimSet { rule, .. } => Some(*rule),
            _ => None,
        }
    }
}

fn check_items(items: &[ClaimItem]) -> Result<(), Rejection> {
    if items.is_empty() {
        return Err(Rejection::Malformed("a claim set has no items"));
    }
    if items.len() > SET_ITEMS_MAX {
        return Err(Rejection::OverLimit {
            what: "items of a claim set",
            limit: SET_ITEMS_MAX,
        });
    }
    let mut bytes = 0;
    for item in items {
        if item.subject.is_empty() {
            return Err(Rejection::Malformed("an item's subject is empty"));
        }
        if item.subject.len() > ITEM_SUBJECT_BYTES_MAX {
            return Err(Rejection::OverLimit {
                what: "bytes of an item's subject",
                limit: ITEM_SUBJECT_BYTES_MAX,
            });
        }
        check_item(&item.input)?;
        bytes += item.subject.len() + item.input.len();
    }
    if bytes > SET_PAYLOAD_BYTES_MAX {
        return Err(Rejection::OverLimit {
            what: "payload bytes of a claim set",
            limit: SET_PAYLOAD_BYTES_MAX,
        });
    }
    if items.windows(2).any(|two| two[0].subject == two[1].subject) {
        return Err(Rejection::Malformed(
            "two items of a claim set have one subject",
        ));
    }
    if !items.is_sorted_by(|a, b| a.subject < b.subject) {
        return Err(Rejection::Malformed(
            "the items of a claim set must be sorted by subject",
        ));
    }
    Ok(())
}

/// Checks an item's input or result.
fn check_item(bytes: &[u8]) -> Result<(), Rejection> {
    if bytes.len() > ITEM_BYTES_MAX {
        return Err(Rejection::OverLimit {
            what: "bytes of an item's input or result",
            limit: ITEM_BYTES_MAX,
        });
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Rejection::OverLimit {
            what: "text bytes",
            limit: TEXT_BYTES_MAX,
        });
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Rejection> {
    if name.is_empty() {
        return Err(Rejection::Malformed("a name is empty"));
    }
    check_text(name)
}

fn check_payload(payload: &[u8]) -> Result<(), Rejection> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Rejection::OverLimit {
            what: "payload bytes",
            limit: PAYLOAD_BYTES_MAX,
        });
    }
    Ok(())
}

fn check_config_type(config_type: &str, value: &[u8]) -> Result<(), Rejection> {
    const RESERVED: [&str; 5] = [
        "policy.",
        "service.",
        "resource.",
        "maintenance.",
        "performance.",
    ];
    if let Some(name) = config_type.strip_prefix("param.") {
        return Params::parse_change(name, value).map(|_| ());
    }
    if RESERVED
        .iter()
        .any(|prefix| config_type.starts_with(prefix))
    {
        return Err(Rejection::Malformed(
            "another kind of operation sets this key of the configuration map",
        ));
    }
    Ok(())
}

fn check_panel(panel: Option<&[NodeId]>) -> Result<(), Rejection> {
    let Some(panel) = panel else { return Ok(()) };
    if panel.len() > MEMBERS_MAX {
        return Err(Rejection::OverLimit {
            what: "panel members",
            limit: MEMBERS_MAX,
        });
    }
    if !panel.is_sorted_by(|a, b| a < b) {
        return Err(Rejection::Malformed(
            "a panel must be sorted and without repetition",
        ));
    }
    Ok(())
}

/// The answer of an elector.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ballot {
    /// For a critical operation.
    Approve,
    /// Against a critical operation.
    Reject,
    /// Present, without a preference.
    Abstain,
    /// The result of a claim, at most [`PAYLOAD_BYTES_MAX`] bytes.
    Result(
        #[serde(with = "hex_bytes")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        Vec<u8>,
    ),
    /// The results of the items of a claim set, one for each in the set's order, at most [`ITEM_BYTES_MAX`] bytes each; `None` for
    /// an item that the elector has no result of, which is an abstention there.
    Results(
        #[serde(with = "hex_items")]
        #[cfg_attr(feature = "schema", schemars(with = "Vec<Option<String>>"))]
        Vec<Option<Vec<u8>>>,
    ),
}

impl Ballot {
    /// The value that the ballot counts for: a ballot that does not fit the operation counts as `Abstain` ([P9]).
    pub fn counted_as(&self, form: BallotForm) -> &Self {
        match (self, form) {
            (Self::Result(_), BallotForm::Result)
            | (Self::Approve | Self::Reject, BallotForm::Approval) => self,
            (Self::Results(results), BallotForm::Results(items)) if results.len() == items => self,
            _ => &Self::Abstain,
        }
    }

    /// Checks the lengths of results.
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`].
    pub fn check(&self) -> Result<(), Rejection> {
        match self {
            Self::Result(bytes) => check_payload(bytes),
            Self::Results(results) if results.len() > SET_ITEMS_MAX => Err(Rejection::OverLimit {
                what: "items of a claim set",
                limit: SET_ITEMS_MAX,
            }),
            Self::Results(results) => results.iter().flatten().try_for_each(|it| check_item(it)),
            Self::Approve | Self::Reject | Self::Abstain => Ok(()),
        }
    }
}

/// Results as [`hex_bytes`], or null.
mod hex_items {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::hex_bytes;

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Written<'a>(#[serde(serialize_with = "hex_bytes::serialize")] &'a [u8]);

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Read(#[serde(deserialize_with = "hex_bytes::deserialize")] Vec<u8>);

    pub(super) fn serialize<S: Serializer>(
        items: &[Option<Vec<u8>>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written = items.iter().map(|item| item.as_deref().map(Written));
        serializer.collect_seq(written)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Option<Vec<u8>>>, D::Error> {
        let read = Vec::<Option<Read>>::deserialize(deserializer)?;
        Ok(read.into_iter().map(|item| Some(item?.0)).collect())
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approve => f.write_str("approve"),
            Self::Reject => f.write_str("reject"),
            Self::Abstain => f.write_str("abstain"),
            Self::Result(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.chars().any(char::is_control) => write!(f, "result {text:?}"),
                _ => write!(f, "result 0x{}", hex::encode(bytes)),
            },
            Self::Results(results) => {
                let given = results.iter().flatten().count();
                write!(f, "{given} results of {} items", results.len())
            }
        }
    }
}

/// The outcome of an operation.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The electorate (or the spore authority) decided this.
    Decided(Ballot),
    /// No answer had enough weight. A normal outcome, not an error.
    NoQuorum,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided(ballot) => write!(f, "decided: {ballot}"),
            Self::NoQuorum => f.write_str("no quorum"),
        }
    }
}
