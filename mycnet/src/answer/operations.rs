//! Everything about one operation.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::engine::EngineError;
use mycnet_consensus::node::Node;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, BallotForm, Class, ConsensusOperation, NodeId, OperationId,
    Outcome, Statement,
};

use super::{proposal, refound};
use crate::failure::Failure;
use crate::names::{Names, subject_node};
use crate::reply::{
    CertificateBytes, DisputedItem, ElectorVote, Objection, OperationDetails, Verdict,
};

/// The time of a seal.
pub(super) fn time_of(node: &Node, height: u64) -> Result<u64, Failure> {
    let header = node.store().header(height).map_err(Failure::failed)?;
    Ok(header.map_or(node.engine().genesis().time_ms, |seal| seal.time_ms))
}

/// This node's ballot, if it has voted.
pub(super) fn own_ballot(node: &Node, id: OperationId) -> Result<Option<Ballot>, Failure> {
    let engine = node.engine();
    if let Some(ballot) = engine.own_ballot(&id) {
        return Ok(Some(ballot));
    }
    let me = engine.node_id();
    let records = engine.records_about(&id)?.into_iter();
    let mut own = records.filter(|record| record.author() == me);
    Ok(own.find_map(|record| match record.statement() {
        Statement::Reveal { ballot, .. } => Some(ballot.clone()),
        _ => None,
    }))
}

/// Everything about an operation.
pub(super) fn operation(node: &Node, id: OperationId) -> Result<OperationDetails, Failure> {
    let engine = node.engine();
    let status = engine.status(&id);
    let status = status.ok_or(EngineError::UnknownOperation(id))?;
    let proposal = proposal(node, id)?;
    let effect = node.store().effect(&id).map_err(Failure::failed)?;
    let (outcome, decided_height) = status.outcome.unzip();
    let is_open = status.opened_height.is_some();
    let mut operation = OperationDetails {
        operation: id,
        kind: proposal.what.kind().into(),
        class: status.class.unwrap_or_else(|| proposal.what.class()),
        subject: proposal.what.subject(),
        content: proposal.what,
        proposer: proposal.proposer,
        priority: proposal.priority,
        phase: status.phase.into(),
        opened_height: status.opened_height,
        total_weight: is_open.then_some(status.total_weight),
        weighted: is_open.then_some(status.electors),
        committed: is_open.then_some(status.committed),
        revealed_weight: is_open.then_some(status.revealed_weight),
        ballots: is_open.then_some(status.ballots),
        tallied: status.tallied,
        outcome,
        decided_height,
        opened_ms: None,
        decided_ms: None,
        why: None,
        applied: effect.as_ref().map(Result::is_ok),
        refused_effect: effect.and_then(Result::err),
        waits_for: status.waits_for,
        window: status.window,
        directives: Vec::new(),
        objections: Vec::new(),
        resolutions: Vec::new(),
        electors: electors(engine, &id)?,
        own_ballot: None,
        in_dispute: Vec::new(),
        names: Names::default(),
    };
    add_statements(engine, &mut operation)?;
    if operation.phase == "closed" && !operation.electors.is_empty() {
        count(&mut operation);
    }
    let time = |height: Option<u64>| height.map(|height| time_of(node, height)).transpose();
    operation.opened_ms = time(operation.opened_height)?;
    operation.decided_ms = time(operation.decided_height)?;
    operation.why = why(&operation);
    operation.in_dispute = disputed(&operation);
    let me = engine.node_id();
    let mut own = operation.electors.iter().filter(|it| it.node == me);
    let revealed = own.next().and_then(|own| own.ballot.clone());
    operation.own_ballot = engine.own_ballot(&id).or(revealed);
    let names = Names::of(engine, mentioned(&operation));
    for elector in &mut operation.electors {
        elector.name = names.get(&elector.node).cloned();
    }
    operation.names = names;
    Ok(operation)
}

/// The electors, of whose votes nothing is known yet.
fn electors(
    engine: &BFTConsensusEngine,
    id: &OperationId,
) -> Result<Vec<ElectorVote>, EngineError> {
    let electors = engine.electors(id)?.unwrap_or_default().into_iter();
    let electors = electors.map(|elector| ElectorVote {
        weight: Some(elector.weight),
        has_vote: Some(elector.has_vote),
        ..unknown(elector.node)
    });
    Ok(electors.collect())
}

/// An elector of whom nothing is known.
fn unknown(node: NodeId) -> ElectorVote {
    ElectorVote {
        node,
        name: None,
        weight: None,
        has_vote: None,
        committed: false,
        ballot: None,
    }
}

/// Counts the votes on a closed operation. As long as it was open, the core did.
fn count(operation: &mut OperationDetails) {
    let mut weights: BTreeMap<Ballot, u64> = BTreeMap::new();
    for elector in &operation.electors {
        if let Some(ballot) = &elector.ballot {
            let counted = ballot.counted_as(operation.content.ballot_form()).clone();
            *weights.entry(counted).or_default() += elector.weight.unwrap_or(0);
        }
    }
    let weights_of_all = operation.electors.iter().filter_map(|it| it.weight);
    operation.total_weight = Some(weights_of_all.sum());
    let weighted = || (operation.electors.iter()).filter(|it| it.weight.unwrap_or(0) > 0);
    operation.weighted = Some(weighted().count());
    operation.committed = Some(weighted().filter(|it| it.committed).count());
    operation.revealed_weight = Some(weights.values().sum());
    if !matches!(operation.content.ballot_form(), BallotForm::Results(_)) {
        operation.ballots = Some(weights.into_iter().collect());
    }
}

/// Why the outcome is what it is.
fn why(operation: &OperationDetails) -> Option<String> {
    let outcome = operation.outcome.as_ref()?;
    let total = operation.total_weight.unwrap_or(0);
    if let (Class::Standard, Some(directive)) = (operation.class, operation.directives.last()) {
        let by = match operation.objections.len() {
            0 => "the Primary decided, and nobody objected in time".to_owned(),
            count => format!(
                "{count} objected to the Primary's directive ({}), and {} Seeds have said how it ends",
                if directive.approve {
                    "approve"
                } else {
                    "reject"
                },
                operation.resolutions.len()
            ),
        };
        return Some(by);
    }
    let ballots = operation.ballots.as_ref()?;
    let weight_of = |ballot: &Ballot| {
        let of = ballots.iter().find(|(other, _)| other == ballot);
        of.map_or(0, |(_, weight)| *weight)
    };
    match (operation.content.claim_rule(), outcome) {
        (_, Outcome::Decided(Ballot::Results(_))) => None,
        (None, Outcome::Decided(ballot)) => Some(format!(
            "{} of {total} votes are for it, and {} are more than two thirds",
            weight_of(ballot),
            2 * total / 3 + 1
        )),
        (None, Outcome::NoQuorum) => Some(format!(
            "no ballot has {} of {total} votes, which would be more than two thirds",
            2 * total / 3 + 1
        )),
        (Some(rule), Outcome::Decided(ballot)) => Some(format!(
            "of the revealed weight, {}, {} is for this result; the rule: {rule}",
            operation.revealed_weight.unwrap_or(0),
            weight_of(ballot),
        )),
        (Some(rule), Outcome::NoQuorum) => Some(format!(
            "no result fulfils the rule: {rule}; of the weight, {total}, {} was revealed",
            operation.revealed_weight.unwrap_or(0)
        )),
    }
}

/// The items of a claim set about which electors with weight gave different results.
fn disputed(operation: &OperationDetails) -> Vec<DisputedItem> {
    let ConsensusOperation::ClaimSet { items, .. } = &operation.content else {
        return Vec::new();
    };
    let given = operation.electors.iter().filter_map(|elector| {
        let ballot = elector.ballot.as_ref()?;
        match ballot.counted_as(operation.content.ballot_form()) {
            Ballot::Results(results) => Some((elector, results)),
            _ => None,
        }
    });
    let given: Vec<_> = given.collect();
    let outcomes = match &operation.outcome {
        Some(Outcome::Decided(Ballot::Results(outcomes))) => Some(outcomes),
        _ => None,
    };
    let mut disputed = Vec::new();
    for (item, place) in items.iter().zip(0..) {
        let weighted = given.iter().filter(|(elector, _)| elector.weight > Some(0));
        let different: BTreeSet<_> = weighted.filter_map(|(_, it)| it[place].as_ref()).collect();
        if different.len() < 2 {
            continue;
        }
        let result = |result: &Option<Vec<u8>>| result.clone().map(Ballot::Result);
        let results = given.iter().filter_map(|(elector, it)| {
            let ballot = result(&it[place])?;
            Some((elector.node, ballot))
        });
        disputed.push(DisputedItem {
            subject: item.subject.clone(),
            outcome: outcomes.and_then(|outcomes| result(&outcomes[place])),
            results: results.collect(),
        });
    }
    disputed
}

/// All nodes that the answer about an operation mentions.
fn mentioned(operation: &OperationDetails) -> Vec<NodeId> {
    let mut nodes = vec![operation.proposer];
    nodes.extend(subject_node(&operation.kind, &operation.subject));
    nodes.extend_from_slice(operation.content.panel().unwrap_or_default());
    nodes.extend_from_slice(operation.waits_for.nodes());
    let verdicts = operation.directives.iter().chain(&operation.resolutions);
    nodes.extend(verdicts.map(|verdict| verdict.author));
    nodes.extend(operation.objections.iter().map(|it| it.author));
    nodes.extend(operation.electors.iter().map(|elector| elector.node));
    nodes
}

/// Adds the statements of the Primary and Seeds, and the votes of electors, by author.
fn add_statements(
    engine: &BFTConsensusEngine,
    operation: &mut OperationDetails,
) -> Result<(), Failure> {
    let mut records = engine.records_about(&operation.operation)?;
    records.sort_by_key(|record| (record.author(), record.id()));
    records.dedup_by_key(|record| record.id());
    for record in records {
        let author = record.author();
        match record.statement() {
            Statement::Directive { approve, .. } => {
                let approve = *approve;
                operation.directives.push(Verdict { author, approve });
            }
            Statement::Objection { reason, .. } => {
                let reason = reason.clone();
                operation.objections.push(Objection { author, reason });
            }
            Statement::Resolution { approve, .. } => {
                let approve = *approve;
                operation.resolutions.push(Verdict { author, approve });
            }
            Statement::Commit { .. } => add_vote(operation, author, None),
            Statement::Reveal { ballot, .. } => add_vote(operation, author, Some(ballot.clone())),
            _ => {}
        }
    }
    Ok(())
}

/// Adds what is known of an elector's vote.
fn add_vote(operation: &mut OperationDetails, node: NodeId, ballot: Option<Ballot>) {
    let electors = &mut operation.electors;
    let at = electors.iter().position(|elector| elector.node == node);
    let at = at.unwrap_or_else(|| {
        electors.push(unknown(node));
        electors.len() - 1
    });
    electors[at].committed = true;
    electors[at].ballot = electors[at].ballot.take().or(ballot);
}

/// The place of an item in a claim set.
fn place_of(
    engine: &BFTConsensusEngine,
    operation: OperationId,
    item: &str,
) -> Result<usize, Failure> {
    let proposal = engine.proposal(&operation)?;
    let ConsensusOperation::ClaimSet { items, .. } = proposal
        .ok_or(EngineError::UnknownOperation(operation))?
        .what
    else {
        let why = format!("operation {operation} is no claim set: leave --item out");
        return Err(Failure::usage(why));
    };
    let place = items.binary_search_by(|it| it.subject.as_str().cmp(item));
    let missing = |_| Failure::usage(format!("claim set {operation} has no item {item:?}"));
    place.map_err(missing)
}

/// The proof of an operation's outcome, or of that of one item of a claim set.
pub(super) fn certificate(
    node: &Node,
    operation: OperationId,
    item: Option<&str>,
) -> Result<CertificateBytes, Failure> {
    let engine = node.engine();
    let item = item.map(|item| place_of(engine, operation, item));
    let item = item.transpose()?;
    let certificate = engine.prove(|prover| prover.certificate(&operation, item))?;
    if let Some(certificate) = certificate.flatten() {
        let certificate = hex::encode(certificate.encode());
        return Ok(CertificateBytes {
            operation,
            certificate,
            follows: refound::follows(node),
        });
    }
    let status = engine.status(&operation);
    let status = status.ok_or(EngineError::UnknownOperation(operation))?;
    if status.phase == "closed" && item.is_some() {
        return Err(Failure::failed(format!(
            "claim set {operation} was closed without a quorum: none of its items has an outcome, and the certificate of the set says so"
        )));
    }
    Err(Failure::failed(format!(
        "operation {operation} is not closed (phase: {}): only a closed operation has a certificate",
        status.phase
    )))
}
