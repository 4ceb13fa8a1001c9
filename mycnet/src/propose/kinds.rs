//! One subcommand for each kind of operation.

use std::path::{Path, PathBuf};

use mycnet_consensus::limits::TEXT_BYTES_MAX;
use mycnet_consensus::{Ballot, ClaimRule, ConsensusOperation, NodeId, Spore};
use mycnet_replay::share::Share;

use crate::arguments::{NodeRef, Payload, reason, role};
use crate::claim_set;
use crate::client::Client;
use crate::consent::SignedConsent;
use crate::failure::Failure;
use crate::files::read_file;
use crate::reply;
use crate::request::Request;

/// What to propose.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Kind {
    /// Set a key of the configuration, or a parameter (critical)
    #[command(visible_alias = "network-configuration")]
    Config {
        /// Name the key, or param.NAME for a parameter of the network
        #[arg(long, value_name = "KEY")]
        key: String,
        /// Set the new value, digits for a parameter; empty removes the key
        #[arg(long)]
        value: Payload,
    },
    /// Set a security policy (critical)
    #[command(visible_alias = "security-policy-update")]
    Policy {
        /// Name the policy
        #[arg(long)]
        name: String,
        /// Set its new content; empty removes the policy
        #[arg(long, value_name = "VALUE")]
        content: Payload,
    },
    /// Add to a member's trust, or take from it (critical)
    #[command(visible_alias = "trust-score-modification")]
    Trust {
        /// Name the member, by its name or id
        #[arg(long)]
        node: NodeRef,
        /// Add this to the trust, in parts per million: -1000000 to 1000000
        #[arg(long, value_name = "PPM", allow_hyphen_values = true)]
        delta_ppm: i32,
        /// State the reason
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Admit a candidate, on probation (critical)
    #[command(visible_alias = "node-admission")]
    Admission {
        /// Give the line that the candidate's `mycnet consent` printed, or @FILE with it
        #[arg(long, value_name = "CONSENT")]
        consent: String,
    },
    /// Take a member out of the network (critical)
    #[command(visible_alias = "node-exclusion")]
    Exclusion {
        /// Name the member, by its name or id
        #[arg(long)]
        node: NodeRef,
        /// State the reason
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Give a member another role (critical)
    #[command(visible_alias = "spore-assignment")]
    Role {
        /// Name the member, by its name or id
        #[arg(long)]
        node: NodeRef,
        /// Name the role: primary (the former primary becomes a seed), seed or latent
        #[arg(long, value_parser = role)]
        role: Spore,
    },
    /// Deploy a service (standard)
    #[command(visible_alias = "service-deployment")]
    Service {
        /// Name the service
        #[arg(long)]
        name: String,
        /// Set the manifest to run; empty removes the service
        #[arg(long, value_name = "VALUE")]
        manifest: Payload,
    },
    /// Allocate a resource (standard)
    #[command(visible_alias = "resource-allocation")]
    Resource {
        /// Name the resource
        #[arg(long)]
        name: String,
        /// Set the allocation; empty frees the resource
        #[arg(long, value_name = "VALUE")]
        allocation: Payload,
    },
    /// Do routine maintenance (standard, without objection window)
    #[command(visible_alias = "routine-maintenance")]
    Maintenance {
        /// Name the task
        #[arg(long)]
        task: String,
        /// Describe the work to do
        #[arg(long, value_name = "VALUE")]
        details: Payload,
    },
    /// Tune something (standard, without objection window)
    #[command(visible_alias = "performance-optimization")]
    Performance {
        /// Name the thing to tune
        #[arg(long)]
        target: String,
        /// Describe the way to tune it
        #[arg(long, value_name = "VALUE")]
        details: Payload,
    },
    /// Ask for the result of something
    Claim {
        /// Ask this question
        #[arg(long, value_name = "TEXT")]
        subject: String,
        /// Give the input that the result is computed from
        #[arg(long, value_name = "VALUE", default_value = "")]
        input: Payload,
        /// Answer with the proposer's own result
        #[arg(long, value_name = "VALUE")]
        result: Option<Payload>,
        #[command(flatten)]
        asked: Asked,
    },
    /// Ask for the results of many things at once
    ClaimSet {
        /// Say what the items have in common
        #[arg(long, value_name = "TEXT")]
        subject: String,
        /// Ask about the items in a file of lines: a subject; with an input, a tab and the input (text or hex:DIGITS)
        #[arg(long, value_name = "FILE")]
        items: PathBuf,
        /// Answer with the proposer's own results, from a file as of `mycnet vote --results`
        #[arg(long, value_name = "FILE")]
        results: Option<PathBuf>,
        #[command(flatten)]
        asked: Asked,
    },
}

/// Who is asked, and how they come to a result.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// Ask only these members, separated by commas; all unless given (primary and seeds only)
    #[arg(long, value_name = "NODE,…", value_delimiter = ',')]
    panel: Vec<NodeRef>,
    /// Take a result that weighs more than any other (plurality), more than half (majority), or more than a fraction
    /// (2/3) or percentage (66.7%) of the weight that answers; as the network's parameters say unless given
    #[arg(long, value_name = "SHARE")]
    share: Option<Share>,
    /// Take a result only if this many members with weight give it; as the network's parameters say unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    electors: Option<u32>,
}

impl Kind {
    /// The operation, and the proposer's own results if it is a claim.
    pub(super) async fn operation(
        &self,
        client: &Client,
    ) -> anyhow::Result<(ConsensusOperation, Option<Ballot>)> {
        let operation = match self {
            Self::Config { key, value } => ConsensusOperation::NetworkConfiguration {
                config_type: key.clone(),
                proposed_change: value.bytes()?,
            },
            Self::Policy { name, content } => ConsensusOperation::SecurityPolicyUpdate {
                policy: name.clone(),
                content: content.bytes()?,
            },
            Self::Trust {
                node,
                delta_ppm,
                reason,
            } => ConsensusOperation::TrustScoreModification {
                node: client.node(node).await?,
                delta_ppm: *delta_ppm,
                reason: reason.clone(),
            },
            Self::Admission { consent } => {
                let signed = consented(consent)?;
                check_name(client, &signed).await?;
                ConsensusOperation::NodeAdmission {
                    candidate: signed.candidate,
                    role: signed.role,
                    consent: signed.consent,
                }
            }
            Self::Exclusion { node, reason } => ConsensusOperation::NodeExclusion {
                node: client.node(node).await?,
                reason: reason.clone(),
            },
            Self::Role { node, role } => ConsensusOperation::SporeAssignment {
                node: client.node(node).await?,
                role: *role,
            },
            Self::Service { name, manifest } => ConsensusOperation::ServiceDeployment {
                service: name.clone(),
                manifest: manifest.bytes()?,
            },
            Self::Resource { name, allocation } => ConsensusOperation::ResourceAllocation {
                resource: name.clone(),
                allocation: allocation.bytes()?,
            },
            Self::Maintenance { task, details } => ConsensusOperation::RoutineMaintenance {
                task: task.clone(),
                details: details.bytes()?,
            },
            Self::Performance { target, details } => ConsensusOperation::PerformanceOptimization {
                target: target.clone(),
                details: details.bytes()?,
            },
            Self::Claim {
                subject,
                input,
                result,
                asked,
            } => {
                let operation = ConsensusOperation::Claim {
                    subject: subject.clone(),
                    input: input.bytes()?,
                    panel: asked.panel(client).await?,
                    rule: asked.rule(client).await?,
                };
                let result = result.as_ref().map(Payload::bytes).transpose()?;
                return Ok((operation, result.map(Ballot::Result)));
            }
            Self::ClaimSet {
                subject,
                items,
                results,
                asked,
            } => {
                let operation = ConsensusOperation::ClaimSet {
                    subject: subject.clone(),
                    items: claim_set::items(items)?,
                    panel: asked.panel(client).await?,
                    rule: asked.rule(client).await?,
                };
                let results = results.as_ref();
                let results = results.map(|path| claim_set::results(path, &operation));
                let results = results.transpose()?;
                return Ok((operation, results));
            }
        };
        Ok((operation, None))
    }
}

impl Asked {
    /// The members of the panel, sorted; `None` for all.
    pub(crate) async fn panel(&self, client: &Client) -> anyhow::Result<Option<Vec<NodeId>>> {
        let mut members = Vec::new();
        for node in &self.panel {
            members.push(client.node(node).await?);
        }
        members.sort_unstable();
        Ok((!members.is_empty()).then_some(members))
    }

    /// The rule: as the proposer says, else as the network's parameters say.
    pub(crate) async fn rule(&self, client: &Client) -> anyhow::Result<ClaimRule> {
        let config: reply::Config = client.ask(Request::Config).await?;
        let default = config.params.claim_rule();
        Ok(ClaimRule {
            share_ppm: self.share.map_or(default.share_ppm, Share::ppm),
            electors: self.electors.unwrap_or(default.electors),
        })
    }
}

/// Refuses a candidate whose name another member has: the votes on it would be in vain, because it has no effect.
async fn check_name(client: &Client, signed: &SignedConsent) -> anyhow::Result<()> {
    let reply::Roster { members } = client.ask(Request::Roster).await?;
    let name = &signed.consent.name;
    let mut others = members.iter().filter(|it| it.node != signed.candidate);
    let Some(other) = others.find(|it| it.name == *name) else {
        return Ok(());
    };
    Err(Failure::bad_data(format!(
        "--consent: {name} is the name of a member already, {}; the candidate signs again with `mycnet consent --name`",
        other.node
    ))
    .into())
}

fn consented(text: &str) -> anyhow::Result<SignedConsent> {
    let read = match text.strip_prefix('@') {
        Some(path) => {
            let bytes = read_file(Path::new(path), TEXT_BYTES_MAX)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => text.to_owned(),
    };
    read.parse().map_err(|error| {
        Failure::bad_data(format!(
            "--consent: {error}; expected the line that the candidate's `mycnet consent` printed"
        ))
        .into()
    })
}
