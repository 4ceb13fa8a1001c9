//! Which operation a proposal opens, and with which electorate (P1, P9).

use super::Oracle;
use super::course::Course;
use super::effects::set_param;
use super::filing::{Judgement, must};
use super::log::{Case, Sealed, class_of, quorum};
use super::mutation::Mutation;
use super::roster::{Electorate, Standing};
use crate::base::digest::{OperationId, SealId};
use crate::base::identity::PublicKey;
use crate::statement::genesis::PanelScoring;
use crate::statement::operation::{Class, ConsensusOperation, Priority, Spore};
use crate::statement::record::Statement;

impl Oracle {
    /// The operation that a proposal opens, if the rules allow it.
    pub(super) fn open(
        &self,
        prev: SealId,
        record: &Sealed,
        opening: &[Case],
    ) -> Result<Case, String> {
        let Statement::Propose {
            operation,
            priority,
            last,
            ..
        } = &record.what
        else {
            return Err("not a proposal".into());
        };
        let author = self.member_not_banned(&record.by)?;
        let is_authority = author.role == Spore::Primary || author.role == Spore::Seed;
        // The id of seal 0 is known only from seal 1, which may be the seal that is judged here.
        let applied = self.moments.iter().enumerate();
        let mut known = applied.filter(|(height, _)| *height > 0 || self.height() > 0);
        must(
            *last == prev || known.any(|(_, moment)| moment.id == *last),
            || "it names no sealed ancestor".into(),
        )?;
        must(*priority == Priority::Normal || is_authority, || {
            "high priority from a Latent".into()
        })?;
        let open = self.cases.values().filter(|c| c.course.closed.is_none());
        let by_author = open.chain(opening).filter(|case| case.by == record.by);
        let cap = if author.standing == Standing::Active {
            64
        } else {
            4
        };
        must(by_author.count() < cap, || "over the author's cap".into())?;
        self.judge_consent(operation)?;
        self.judge_parameter(operation)?;
        self.judge_equal_claims(operation, opening)?;

        let electorate = self.electorate(operation)?;
        let has_panel = operation.panel().is_some();
        must(!has_panel || is_authority, || {
            "a panel from a Latent".into()
        })?;
        let scored = match &electorate {
            Some(electorate) if has_panel => self.is_scored(electorate),
            _ => true,
        };
        let course = Course {
            electorate: electorate.clone(),
            ..Course::default()
        };
        Ok(Case {
            id: OperationId::from(record.id),
            by: record.by,
            operation: operation.clone(),
            class: class_of(operation),
            high: *priority == Priority::High,
            opened: self.height() + 1,
            params: self.params.clone(),
            mutation: self.mutation,
            electorate,
            has_panel,
            scored,
            records: Vec::new(),
            course,
        })
    }

    /// The electorate; a standard operation has none at first.
    fn electorate(&self, operation: &ConsensusOperation) -> Result<Option<Electorate>, String> {
        let electorate = match operation {
            _ if class_of(operation) == Class::Standard => return Ok(None),
            ConsensusOperation::Claim { panel, rule, .. }
            | ConsensusOperation::ClaimSet { panel, rule, .. } => {
                let mut electorate = self.everybody();
                if let Some(panel) = panel {
                    let stranger = panel.iter().any(|node| !self.roster.contains_key(node));
                    must(!stranger, || "a stranger in the panel".into())?;
                    electorate.electors.retain(|node, _| panel.contains(node));
                    let least = match self.panel_scoring {
                        PanelScoring::Quorum => 3,
                        PanelScoring::Authorities => 1,
                    };
                    must(electorate.heads() >= least, || "a panel of too few".into())?;
                }
                must(rule.electors as usize <= electorate.heads(), || {
                    "it asks for more electors than have weight".into()
                })?;
                electorate
            }
            _ => Electorate::critical(&self.roster),
        };
        must(electorate.total() > 0, || {
            "an electorate without weight".into()
        })?;
        Ok(Some(electorate))
    }

    /// The electorate of a claim without a panel.
    fn everybody(&self) -> Electorate {
        Electorate::claim(&self.roster, &self.params, self.mutation)
    }

    /// Whether a panel moves skill for more than withholding.
    fn is_scored(&self, panel: &Electorate) -> bool {
        let is_scored = match self.panel_scoring {
            PanelScoring::Authorities => panel.heads() >= 3,
            PanelScoring::Quorum => quorum(panel.total(), self.everybody().total()),
        };
        is_scored || self.mutation == Some(Mutation::SmallPanelsMoveSkill)
    }

    fn judge_parameter(&self, operation: &ConsensusOperation) -> Judgement {
        let change = match operation {
            ConsensusOperation::NetworkConfiguration {
                config_type,
                proposed_change,
            } => config_type
                .strip_prefix("param.")
                .map(|name| (name, proposed_change)),
            _ => None,
        };
        let is_valid = change.is_none_or(|(name, digits)| {
            set_param(&self.params, name, digits, self.mutation).is_some()
        });
        must(is_valid, || "a parameter out of bounds".into())
    }

    /// A claim that asks what an open one asks is refused.
    fn judge_equal_claims(&self, operation: &ConsensusOperation, opening: &[Case]) -> Judgement {
        let open = self.cases.values().filter(|c| c.course.closed.is_none());
        let mut open = open.chain(opening);
        let is_equal = class_of(operation) == Class::Claim
            && open.any(|case| case.operation == *operation)
            && self.mutation != Some(Mutation::EqualClaims);
        must(!is_equal, || "an equal claim is open".into())
    }

    /// A candidate must consent: it signed domain, network, key, role, successor and name.
    fn judge_consent(&self, operation: &ConsensusOperation) -> Judgement {
        let ConsensusOperation::NodeAdmission {
            candidate,
            role,
            consent,
        } = operation
        else {
            return Ok(());
        };
        let role = match role {
            Spore::Primary => 0,
            Spore::Seed => 1,
            Spore::Latent => 2,
        };
        let message = [
            b"mycnet-consensus sign consent v1\0".as_slice(),
            self.net.as_bytes(),
            candidate.as_bytes(),
            &[role],
            consent.successor.unwrap_or_default().as_bytes(),
            consent.name.as_str().as_bytes(),
        ]
        .concat();
        let key = PublicKey::decode(candidate).map_err(|error| error.to_string())?;
        must(key.verifies(&message, &consent.sig), || {
            "the candidate did not consent".into()
        })
    }
}
