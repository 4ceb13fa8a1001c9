//! One subcommand for each kind of operation.

use std::path::Path;

use mycnet_consensus::limits::TEXT_BYTES_MAX;
use mycnet_consensus::{ConsensusOperation, Spore};

use crate::arguments::{NodeArg, Payload, read_file, reason, role};
use crate::consent::SignedConsent;
use crate::failure::Failure;
use crate::home::Common;
use crate::session::Session;

/// What to propose.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Kind {
    /// Set a key of the configuration, or a parameter (critical)
    #[command(visible_alias = "network-configuration")]
    Config {
        /// The key, or param.NAME for a parameter of the network
        #[arg(long, value_name = "KEY")]
        key: String,
        /// The new value, digits for a parameter; empty removes the key
        #[arg(long)]
        value: Payload,
        #[command(flatten)]
        common: Common,
    },
    /// Set a security policy (critical)
    #[command(visible_alias = "security-policy-update")]
    Policy {
        /// The policy's name
        #[arg(long)]
        name: String,
        /// Its new content; empty removes it
        #[arg(long, value_name = "VALUE")]
        content: Payload,
        #[command(flatten)]
        common: Common,
    },
    /// Add to a member's trust, or take from it (critical)
    #[command(visible_alias = "trust-score-modification")]
    Trust {
        /// The member
        #[arg(long)]
        node: NodeArg,
        /// By how much, in parts per million: -1000000 to 1000000
        #[arg(long, value_name = "PPM", allow_hyphen_values = true)]
        delta_ppm: i32,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Admit a candidate, on probation (critical)
    #[command(visible_alias = "node-admission")]
    Admission {
        /// What the candidate's `mycnet consent` printed, or @FILE with it
        #[arg(long, value_name = "CONSENT")]
        consent: String,
        #[command(flatten)]
        common: Common,
    },
    /// Take a member out of the network (critical)
    #[command(visible_alias = "node-exclusion")]
    Exclusion {
        /// The member
        #[arg(long)]
        node: NodeArg,
        /// Why
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
    /// Give a member another role (critical)
    #[command(visible_alias = "spore-assignment")]
    Role {
        /// The member
        #[arg(long)]
        node: NodeArg,
        /// primary (the former one becomes a seed), seed or latent
        #[arg(long, value_parser = role)]
        role: Spore,
        #[command(flatten)]
        common: Common,
    },
    /// Deploy a service (standard)
    #[command(visible_alias = "service-deployment")]
    Service {
        /// The service's name
        #[arg(long)]
        name: String,
        /// What to run; empty removes the service
        #[arg(long, value_name = "VALUE")]
        manifest: Payload,
        #[command(flatten)]
        common: Common,
    },
    /// Allocate a resource (standard)
    #[command(visible_alias = "resource-allocation")]
    Resource {
        /// The resource's name
        #[arg(long)]
        name: String,
        /// Who gets how much; empty frees it
        #[arg(long, value_name = "VALUE")]
        allocation: Payload,
        #[command(flatten)]
        common: Common,
    },
    /// Do routine maintenance (standard, without objection window)
    #[command(visible_alias = "routine-maintenance")]
    Maintenance {
        /// The task's name
        #[arg(long)]
        task: String,
        /// What is to be done
        #[arg(long, value_name = "VALUE")]
        details: Payload,
        #[command(flatten)]
        common: Common,
    },
    /// Tune something (standard, without objection window)
    #[command(visible_alias = "performance-optimization")]
    Performance {
        /// What is tuned
        #[arg(long)]
        target: String,
        /// How
        #[arg(long, value_name = "VALUE")]
        details: Payload,
        #[command(flatten)]
        common: Common,
    },
    /// Ask what the result of something is
    Claim {
        /// What is asked
        #[arg(long, value_name = "TEXT")]
        subject: String,
        /// What the result is computed from
        #[arg(long, value_name = "VALUE", default_value = "")]
        input: Payload,
        /// The proposer's own result
        #[arg(long, value_name = "VALUE")]
        result: Option<Payload>,
        /// Who is asked, separated by commas (primary and seeds only); else all
        #[arg(long, value_name = "NODE,…", value_delimiter = ',')]
        panel: Vec<NodeArg>,
        #[command(flatten)]
        common: Common,
    },
}

impl Kind {
    /// Which node is meant, and what is printed.
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Config { common, .. }
            | Self::Policy { common, .. }
            | Self::Trust { common, .. }
            | Self::Admission { common, .. }
            | Self::Exclusion { common, .. }
            | Self::Role { common, .. }
            | Self::Service { common, .. }
            | Self::Resource { common, .. }
            | Self::Maintenance { common, .. }
            | Self::Performance { common, .. }
            | Self::Claim { common, .. } => common,
        }
    }

    /// The operation, and the proposer's own result if it is a claim.
    ///
    /// # Errors
    ///
    /// If an argument means nothing.
    pub(super) async fn operation(
        &self,
        session: &Session,
    ) -> anyhow::Result<(ConsensusOperation, Option<Vec<u8>>)> {
        let operation = match self {
            Self::Config { key, value, .. } => ConsensusOperation::NetworkConfiguration {
                config_type: key.clone(),
                proposed_change: value.bytes()?,
            },
            Self::Policy { name, content, .. } => ConsensusOperation::SecurityPolicyUpdate {
                policy: name.clone(),
                content: content.bytes()?,
            },
            Self::Trust {
                node,
                delta_ppm,
                reason,
                ..
            } => ConsensusOperation::TrustScoreModification {
                node: session.node(node).await?,
                delta_ppm: *delta_ppm,
                reason: reason.clone(),
            },
            Self::Admission { consent, .. } => {
                let signed = consented(consent)?;
                ConsensusOperation::NodeAdmission {
                    candidate: signed.candidate,
                    role: signed.role,
                    consent: signed.consent,
                }
            }
            Self::Exclusion { node, reason, .. } => ConsensusOperation::NodeExclusion {
                node: session.node(node).await?,
                reason: reason.clone(),
            },
            Self::Role { node, role, .. } => ConsensusOperation::SporeAssignment {
                node: session.node(node).await?,
                role: *role,
            },
            Self::Service { name, manifest, .. } => ConsensusOperation::ServiceDeployment {
                service: name.clone(),
                manifest: manifest.bytes()?,
            },
            Self::Resource {
                name, allocation, ..
            } => ConsensusOperation::ResourceAllocation {
                resource: name.clone(),
                allocation: allocation.bytes()?,
            },
            Self::Maintenance { task, details, .. } => ConsensusOperation::RoutineMaintenance {
                task: task.clone(),
                details: details.bytes()?,
            },
            Self::Performance {
                target, details, ..
            } => ConsensusOperation::PerformanceOptimization {
                target: target.clone(),
                details: details.bytes()?,
            },
            Self::Claim {
                subject,
                input,
                result,
                panel,
                ..
            } => {
                let mut members = Vec::new();
                for node in panel {
                    members.push(session.node(node).await?);
                }
                members.sort_unstable();
                let operation = ConsensusOperation::Claim {
                    subject: subject.clone(),
                    input: input.bytes()?,
                    panel: (!members.is_empty()).then_some(members),
                };
                let result = result.as_ref().map(Payload::bytes).transpose()?;
                return Ok((operation, result));
            }
        };
        Ok((operation, None))
    }
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
