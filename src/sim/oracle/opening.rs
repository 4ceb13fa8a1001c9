//! Which operation a proposal opens, and with which electorate (P1, P9).

use std::collections::BTreeMap;

use super::Oracle;
use super::course::Course;
use super::filing::{Judgement, must};
use super::log::{Case, Sealed, class_of, weight_of};
use super::roster::{Standing, claim_electorate, critical_electorate};
use crate::base::digest::{NodeId, OperationId, SealId};
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

        let class = class_of(operation);
        let (electors, scored) = self.electorate(operation, is_authority)?;
        let course = Course {
            electors: electors.clone(),
            ..Course::default()
        };
        Ok(Case {
            id: OperationId::from(record.id),
            by: record.by,
            operation: operation.clone(),
            class,
            high: *priority == Priority::High,
            opened: self.height() + 1,
            params: self.params.clone(),
            electors,
            scored,
            records: Vec::new(),
            course,
        })
    }

    /// The electorate, and whether it is scored.
    #[allow(clippy::type_complexity)]
    fn electorate(
        &self,
        operation: &ConsensusOperation,
        by_authority: bool,
    ) -> Result<(Option<BTreeMap<NodeId, u64>>, bool), String> {
        let (electors, scored) = match (class_of(operation), operation) {
            (Class::Standard, _) => return Ok((None, true)),
            (
                _,
                ConsensusOperation::Claim {
                    panel: Some(panel), ..
                },
            ) => {
                must(by_authority, || "a panel from a Latent".into())?;
                let stranger = panel.iter().any(|node| !self.roster.contains_key(node));
                must(!stranger, || "a stranger in the panel".into())?;
                let everybody = claim_electorate(&self.roster);
                let all = weight_of(&everybody, everybody.keys());
                let mut electors = everybody;
                electors.retain(|node, _| panel.contains(node));
                let weighted = electors.values().filter(|weight| **weight > 0).count();
                must(weighted >= 3, || "a panel of less than three".into())?;
                let weight = weight_of(&electors, electors.keys());
                let scored =
                    3 * weight > 2 * all || self.panel_scoring == PanelScoring::Authorities;
                (electors, scored)
            }
            (Class::Claim, _) => (claim_electorate(&self.roster), true),
            (Class::Critical, _) => (critical_electorate(&self.roster), true),
        };
        must(weight_of(&electors, electors.keys()) > 0, || {
            "an electorate without weight".into()
        })?;
        Ok((Some(electors), scored))
    }

    /// A candidate must consent: it signed domain, network, key and role.
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
        ]
        .concat();
        let key = PublicKey::decode(candidate).map_err(|error| error.to_string())?;
        must(key.verifies(&message, &consent.sig), || {
            "the candidate did not consent".into()
        })
    }
}
