//! Operations: lists of them, and everything about one.

use std::collections::{BTreeMap, BTreeSet};

use mycnet_consensus::core::Pending;
use mycnet_consensus::engine::{EngineError, OperationFilter};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::ClosedSummary;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, BallotForm, Class, ConsensusOperation, NodeId, OperationId,
    Outcome, Statement,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{only, proposal, refound};
use crate::failure::Failure;
use crate::names::{Names, subject_node};
use crate::reply::{
    CertificateBytes, DisputedItem, ElectorVote, FoundId, Objection, OperationDetails,
    OperationLine, Operations, Verdict, Votes, VotesOn,
};
use crate::request::Filter;

/// Open operations, and proposals that no seal lists yet.
pub(super) fn open_operations(engine: &BFTConsensusEngine) -> Result<Vec<OperationId>, Failure> {
    let filter = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    let open = engine.operations(&filter)?;
    let mut ids: Vec<OperationId> = open.iter().map(|view| view.operation).collect();
    ids.extend(engine.unsealed_proposals());
    Ok(ids)
}

/// An operation on which this node may vote, and has not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct YourTurn {
    pub(crate) operation: OperationId,
    pub(crate) kind: String,
    pub(crate) class: Class,
    pub(crate) subject: String,
    pub(crate) proposer: NodeId,
    /// What the vote weighs: 1 or 0 in critical operations, parts per million of skill in claims. A vote without weight is shown and
    /// scored, and decides nothing. `null` where no votes are counted.
    pub(crate) weight: Option<u64>,
    /// The seal time, in milliseconds since 1970, until which it is in time whatever others do.
    pub(crate) until_ms: Option<u64>,
}

/// What waits for this node's word about an operation, if something does.
pub(crate) fn your_turn(node: &Node, id: OperationId) -> Result<Option<YourTurn>, Failure> {
    let engine = node.engine();
    let me = engine.node_id();
    let (Some(status), Some(proposal)) = (engine.status(&id), engine.proposal(&id)?) else {
        return Ok(None);
    };
    let time_ms = engine.time_to_commit_ms(&id);
    let is_waited_for = match &status.waits_for {
        Pending::Directive(of) | Pending::Resolutions(of) | Pending::Commits(of) => {
            of.contains(&me)
        }
        // The node reveals by itself, and nobody has to object.
        _ => false,
    };
    if !is_waited_for && time_ms.is_none() {
        return Ok(None);
    }
    let electors = engine.electors(&id)?.unwrap_or_default();
    let own = electors.iter().find(|elector| elector.node == me);
    Ok(Some(YourTurn {
        operation: id,
        kind: proposal.what.kind().to_owned(),
        class: status.class.unwrap_or_else(|| proposal.what.class()),
        subject: proposal.what.subject(),
        proposer: proposal.proposer,
        weight: own.map(|elector| elector.weight),
        until_ms: time_ms.map(|time_ms| time_ms.end),
    }))
}

/// All operations on which this node may vote, and has not.
pub(crate) fn your_turns(node: &Node) -> Result<Vec<YourTurn>, Failure> {
    let open = open_operations(node.engine())?.into_iter();
    let turns = open.filter_map(|id| your_turn(node, id).transpose());
    turns.collect()
}

/// Operations that fit: proposals without a seal first, then open ones, then closed ones, each from the newest on.
pub(super) fn list(node: &Node, filter: &Filter) -> Result<Operations, Failure> {
    let mut lines = lines(node, filter)?;
    add_times(node, &mut lines)?;
    let mentioned = lines.iter().flat_map(|line| {
        let subject = subject_node(&line.kind, &line.subject);
        std::iter::once(line.proposer).chain(subject)
    });
    Ok(Operations {
        names: Names::of(node.engine(), mentioned),
        operations: lines,
    })
}

/// Adds the times of the seals. Reads each of their heights once.
fn add_times(node: &Node, lines: &mut [OperationLine]) -> Result<(), Failure> {
    let mut last = (0, 0);
    for line in lines {
        let Some(height) = line.height else { continue };
        if height != last.0 {
            last = (height, time_of(node, height)?);
        }
        line.time_ms = Some(last.1);
    }
    Ok(())
}

/// The time of a seal.
fn time_of(node: &Node, height: u64) -> Result<u64, Failure> {
    let header = node.store().header(height).map_err(Failure::failed)?;
    Ok(header.map_or(node.engine().genesis().time_ms, |seal| seal.time_ms))
}

fn lines(node: &Node, filter: &Filter) -> Result<Vec<OperationLine>, Failure> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    let is_meant = |line: &OperationLine| {
        filter.class.is_none_or(|class| line.class == class)
            && filter.kind.as_ref().is_none_or(|kind| line.kind == *kind)
            && filter.by.is_none_or(|by| line.proposer == by)
            && filter
                .from_height
                .is_none_or(|from| line.height.is_none_or(|height| height >= from))
    };
    let mut lines = if filter.is_open == Some(false) {
        Vec::new()
    } else {
        open_lines(node.engine())?
    };
    let mut after = filter.after;
    if let Some(id) = after {
        // Whatever is closed comes behind what is open.
        if let Some(place) = lines.iter().position(|line| line.operation == id) {
            lines.drain(..=place);
            after = None;
        } else {
            let status = node.engine().status(&id);
            if status.is_none_or(|status| status.phase != "closed") {
                return Err(Failure::usage(format!(
                    "after={id}: no such operation is in this list (any more)"
                )));
            }
            lines.clear();
        }
    }
    lines.retain(is_meant);
    lines.truncate(limit);
    if filter.is_open != Some(true) && lines.len() < limit {
        let mut take = |closed: ClosedSummary| {
            let height = closed.closed.closed_height;
            if filter.from_height.is_some_and(|from| height < from) {
                return false;
            }
            lines.extend(Some(closed_line(closed)).filter(is_meant));
            lines.len() < limit
        };
        let read = node.store().newest_closed(after.as_ref(), &mut take);
        read.map_err(Failure::failed)?;
    }
    Ok(lines)
}

/// Proposals without a seal, then open operations, each from the newest on.
fn open_lines(engine: &BFTConsensusEngine) -> Result<Vec<OperationLine>, Failure> {
    let mut lines = Vec::new();
    for operation in open_operations(engine)? {
        let (status, proposal) = (engine.status(&operation), engine.proposal(&operation)?);
        let (Some(status), Some(proposal)) = (status, proposal) else {
            // It was closed after it was listed.
            continue;
        };
        lines.push(OperationLine {
            operation,
            kind: proposal.what.kind().into(),
            class: status.class.unwrap_or_else(|| proposal.what.class()),
            proposer: proposal.proposer,
            subject: proposal.what.subject(),
            rule: proposal.what.claim_rule(),
            phase: status.phase.into(),
            height: status.opened_height,
            outcome: status.outcome.map(|(outcome, _)| outcome),
            refused_effect: None,
            time_ms: None,
        });
    }
    lines.sort_by_key(|line| {
        let height = line.height;
        (height.is_some(), std::cmp::Reverse(height), line.operation)
    });
    Ok(lines)
}

fn closed_line(closed: ClosedSummary) -> OperationLine {
    OperationLine {
        operation: closed.operation,
        kind: closed.kind,
        class: closed.class,
        proposer: closed.proposer,
        subject: closed.subject,
        // A list does not read the proposals of all that was ever decided; `mycnet status` shows the rule of one.
        rule: None,
        phase: "closed".into(),
        height: Some(closed.closed.decided_height),
        outcome: Some(closed.closed.outcome),
        refused_effect: closed.refused_effect,
        time_ms: None,
    }
}

/// Operations that are looked at together for their votes.
const VOTES_PAGE: usize = 64;

/// Who voted what, from the newest operations on, or from those after one: so many of those with a vote of this member, or of anybody.
pub(super) fn votes(
    node: &Node,
    by: Option<NodeId>,
    limit: usize,
    after: Option<OperationId>,
) -> Result<Votes, Failure> {
    let mut operations = Vec::new();
    let mut page = Filter {
        limit: Some(VOTES_PAGE),
        after,
        ..Filter::default()
    };
    let mut waiting = lines(node, &page)?.into_iter();
    while operations.len() < limit {
        let Some(mut line) = waiting.next() else {
            // The list may have changed meanwhile: then this is all of it that is certain.
            let more = page.after.map_or(Ok(Vec::new()), |_| lines(node, &page))?;
            if more.is_empty() {
                break;
            }
            waiting = more.into_iter();
            continue;
        };
        page.after = Some(line.operation);
        let details = operation(node, line.operation)?;
        let is_own = by.is_none_or(|by| by == node.engine().node_id());
        let own_ballot = details.own_ballot.filter(|_| is_own);
        let is_shown =
            |elector: &ElectorVote| elector.committed && by.is_none_or(|by| elector.node == by);
        let mut votes = details.electors;
        votes.retain(is_shown);
        if votes.is_empty() && own_ballot.is_none() {
            continue;
        }
        line.time_ms = details.decided_ms.or(details.opened_ms);
        operations.push(VotesOn {
            line,
            votes,
            own_ballot,
        });
    }
    Ok(Votes { operations })
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

/// The only operation whose id begins with these digits.
pub(super) fn find(node: &Node, prefix: &str) -> Result<FoundId<OperationId>, Failure> {
    let mut known: BTreeSet<_> = open_operations(node.engine())?.into_iter().collect();
    known.retain(|id| id.to_string().starts_with(prefix));
    known.extend(
        node.store()
            .operations_with(prefix)
            .map_err(Failure::failed)?,
    );
    let what = format!("operation has an id that begins with {prefix}");
    only(known, &what, "mycnet operations", "give more digits")
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
            "{} of the {} that was revealed weighs for it; the rule: {rule}",
            weight_of(ballot),
            operation.revealed_weight.unwrap_or(0)
        )),
        (Some(rule), Outcome::NoQuorum) => Some(format!(
            "no result fulfils the rule: {rule}; {} of {total} was revealed",
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
