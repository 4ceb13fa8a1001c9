//! Answers about the node, its network and its members.

use std::collections::BTreeSet;

use mycnet_consensus::core::{OperationStatus, Pending, SealStatus, SigningState};
use mycnet_consensus::engine::{MemberLine, MemberView};
use mycnet_consensus::net::{CloseCode, Config as NetConfig, Transport};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::{SealChanges, StoreError};
use mycnet_consensus::{Digest, NodeId, OperationId, Statement, TrustEntry};

use super::turns::{open_operations, your_turns};
use super::{only, refound};
use crate::arguments::NodeRef;
use crate::failure::{Failure, Kind};
use crate::names::Names;
use crate::reply::{
    Changes, Clocks, Config, Equivocation, EvidenceList, FoundId, KeyPlace, Keys, MemberTrust,
    MemberWhatIf, NotSigning, Peer, PeerLink, Peers, Records, SealChange, SealLine, SealTime,
    SealersThere, Seals, Status, TicketText, Twin, WhatIf,
};
use crate::request::SEALS_MAX;

/// The state of the node and its network.
pub(crate) fn status(node: &Node) -> Result<Status, Failure> {
    let engine = node.engine();
    let me = engine.node_id();
    let roster = engine.roster();
    let open = open_operations(engine)?;
    let waits_for_me = |id: &OperationId| {
        let status = engine.status(id);
        status.is_some_and(|status| waits_for(&status, &me))
    };
    let sealing = engine.seal_status();
    // Once a seal lists the `Rejoin`, the node signs again, and the loss is over.
    let lost = node
        .opened()
        .journal_lost
        .filter(|_| sealing.signing != "ready");
    let transport = node.transport();
    let sealers = transport.map(|transport| sealers_there(transport, me, &sealing));
    let absent = sealers.iter().flat_map(|it| it.absent.iter());
    let mentioned = sealing.waits_for.iter().chain(absent).copied();
    Ok(Status {
        node: me,
        network: engine.network_id(),
        name: engine.genesis().name.clone(),
        names: Names::of(engine, mentioned),
        running: transport.is_some(),
        height: engine.height(),
        seal: engine.seal(),
        seal_ms: engine.last_seal().time_ms,
        sealing,
        member: roster.iter().find(|member| member.node == me).cloned(),
        keys: keys(node),
        members: roster.len(),
        open_operations: open.len(),
        waiting_for_you: open.into_iter().filter(waits_for_me).collect(),
        your_turns: your_turns(node)?,
        unsealed_records: engine.unsealed_records(),
        peers: transport.map(|transport| transport.peers().len()),
        journal_lost: lost.map(|lost| lost.to_string()),
        disk_failed: node.store().has_failed(),
        twin: twin(node),
        refounding: refound::in_short(node),
        clocks: Clocks::new(node.clocks(), node.engine()),
        sealers,
        not_signing: not_signing(node),
        said_banned: said_banned(node),
    })
}

/// The sealers that are connected. A node dials the peers that it knows until it has enough of them: if it has fewer, the others cannot be
/// reached.
fn sealers_there(transport: &Transport, me: NodeId, sealing: &SealStatus) -> SealersThere {
    let (sealers, needed) = (&sealing.sealers, sealing.quorum);
    let peers = transport.peers();
    let is_there = |node: &NodeId| *node == me || peers.iter().any(|peer| peer.author == *node);
    let absent: Vec<NodeId> = sealers.iter().filter(|it| !is_there(it)).copied().collect();
    let connected = sealers.len() - absent.len();
    SealersThere {
        connected,
        needed,
        absent,
        too_few: connected < needed && peers.len() < NetConfig::default().degree,
    }
}

/// The member that has a key, had it, or names it as successor.
fn line_of<'a>(roster: &'a [MemberView], key: &NodeId) -> Option<(KeyPlace, &'a MemberView)> {
    let digest = Digest::of_successor(key);
    let place = |member: &MemberView| {
        if member.node == *key {
            Some(KeyPlace::Present)
        } else if member.former.contains(key) {
            Some(KeyPlace::Former)
        } else if member.successor == Some(digest) {
            Some(KeyPlace::Successor)
        } else {
            None
        }
    };
    let lines = roster.iter();
    let lines = lines.filter_map(|member| Some((place(member)?, member)));
    // A key that is a member's is nobody's successor, whatever a line says.
    lines.min_by_key(|(place, _)| *place == KeyPlace::Successor)
}

/// This node's key, and the member that it belongs to.
pub(crate) fn keys(node: &Node) -> Keys {
    let (engine, me) = (node.engine(), node.engine().node_id());
    let roster = engine.roster();
    let line = line_of(&roster, &me);
    let present = line.map(|(_, member)| member.node);
    let pending = engine.successions().into_iter();
    Keys {
        node: me,
        network: engine.network_id(),
        height: engine.height(),
        place: line.map(|(place, _)| place),
        member: line.map(|(_, member)| member.clone()),
        pending: pending.filter(|it| Some(it.old) == present).collect(),
    }
}

/// Another machine that runs with this node's key, with what was heard of it since the start.
pub(crate) fn twin(node: &Node) -> Option<Twin> {
    if node.engine().seal_status().signing != SigningState::Twin.name() {
        return None;
    }
    let seen = node.twin().map(|seen| Twin {
        endpoint: Some(Digest::from_bytes(*seen.endpoint.as_bytes())),
        addresses: seen.addresses,
        through_name: seen.through.and_then(|peer| {
            let names = Names::of(node.engine(), [peer]);
            names.get(&peer).cloned()
        }),
        through: seen.through,
    });
    Some(seen.unwrap_or_default())
}

/// Connected peers that say that they do not sign.
pub(crate) fn not_signing(node: &Node) -> Vec<NotSigning> {
    let peers = node.transport().map(Transport::peers).unwrap_or_default();
    let names = Names::of(node.engine(), peers.iter().map(|peer| peer.author));
    let silent = peers
        .into_iter()
        .filter(|peer| peer.signing != SigningState::Ready);
    let mut silent: Vec<_> = silent
        .map(|peer| NotSigning {
            node: peer.author,
            name: names.get(&peer.author).cloned(),
            signing: peer.signing,
        })
        .collect();
    silent.sort_by_key(|peer| peer.node);
    silent
}

/// How many peers closed a connection because this member is banned.
pub(crate) fn said_banned(node: &Node) -> usize {
    let known = node.transport().map(Transport::known_peers);
    let known = known.unwrap_or_default().into_iter();
    known
        .filter(|peer| peer.closed_with == Some(CloseCode::Banned))
        .count()
}

/// What the seals after a height changed in the ledger document, and which operations their records are about.
pub(super) fn changes(
    node: &Node,
    since: u64,
    limit: usize,
    with_about: bool,
) -> Result<Changes, Failure> {
    let store = node.store();
    let changes = store.changes_from(since.saturating_add(1), limit);
    let changes = changes.map_err(Failure::failed)?.into_iter();
    let changes = changes.map(|SealChanges { ledger, .. }| {
        let mut about = BTreeSet::new();
        if with_about {
            let records = store.records_at(ledger.height)?.into_iter().flatten();
            about.extend(records.filter_map(|record| match record.statement() {
                Statement::Propose { .. } => Some(record.id().into()),
                statement => statement.operation(),
            }));
        }
        Ok(SealChange {
            change: ledger,
            about: about.into_iter().collect(),
        })
    });
    let changes: Result<_, StoreError> = changes.collect();
    Ok(Changes {
        height: node.engine().height(),
        changes: changes.map_err(Failure::failed)?,
    })
}

/// The sealed records of an operation.
pub(super) fn records(node: &Node, operation: OperationId) -> Result<Records, Failure> {
    let records = node.engine().sealed_records(&operation)?;
    if records.is_empty() {
        return Err(Failure::new(
            Kind::NotFound,
            format!("no seal lists operation {operation}, as far as this node knows"),
        ));
    }
    let records = records.iter();
    Ok(Records {
        operation,
        records: records.map(|record| hex::encode(record.encode())).collect(),
    })
}

/// The last seal's time, and how long a vote may wait.
pub(super) fn seal_time(node: &Node) -> SealTime {
    let seal = node.engine().last_seal();
    SealTime {
        height: seal.height,
        time_ms: seal.time_ms,
        commit_window_ms: node.engine().params().commit_window_ms,
    }
}

/// Whether a record of a node is missing. An objection is optional and never missing.
fn waits_for(status: &OperationStatus, node: &NodeId) -> bool {
    match &status.waits_for {
        Pending::Directive(of)
        | Pending::Resolutions(of)
        | Pending::Commits(of)
        | Pending::Reveals(of) => of.contains(node),
        _ => false,
    }
}

/// The last seals below a height, the newest first.
pub(super) fn seals(node: &Node, limit: usize, before: Option<u64>) -> Result<Seals, Failure> {
    if limit > SEALS_MAX {
        return Err(Failure::usage(format!(
            "limit={limit}: an answer has {SEALS_MAX} seals at most; ask for the next ones with before=HEIGHT"
        )));
    }
    let height = node.engine().height();
    let read = node
        .store()
        .newest_seals(before.unwrap_or(u64::MAX), limit)
        .map_err(Failure::failed)?;
    let mentioned = read.iter().flat_map(|it| {
        let sealers = it.signed.iter().chain(&it.missing).copied();
        sealers.chain(it.proposer)
    });
    let names = Names::of(node.engine(), mentioned);
    let lines = read.into_iter().map(|it| SealLine {
        height: it.seal.height,
        seal: it.seal.id(),
        time_ms: it.seal.time_ms,
        records: it.seal.count,
        proposer: it.proposer,
        proposed_round: it.seal.round,
        round: it.round,
        signed: it.signed,
        missing: it.missing,
    });
    Ok(Seals {
        height,
        seals: lines.collect(),
        names,
    })
}

/// The changes of a member's scores up to a height, oldest first, and the height of the last one before these: the last `limit` of
/// them, with all others of the heights that these are of, or all.
fn score_changes(
    node: &Node,
    member: &NodeId,
    height: u64,
    limit: Option<usize>,
) -> Result<(Vec<TrustEntry>, Option<u64>), Failure> {
    let Some(limit) = limit else {
        let mut entries = node.engine().explain(member)?;
        entries.retain(|entry| entry.height <= height);
        return Ok((entries, None));
    };
    let roster = node.engine().roster().into_iter();
    let mut lines = roster.filter(|it| it.node == *member || it.former.contains(member));
    // A member answers for all its keys; the older part of its history stands under the former ones.
    let keys = match lines.next() {
        Some(line) => [line.former, vec![line.node]].concat(),
        None => vec![*member],
    };
    let (mut entries, mut earlier) = (Vec::<TrustEntry>::new(), None);
    for key in keys.iter().rev() {
        let mut take = |entry: TrustEntry| {
            let is_of_them = entries
                .last()
                .is_some_and(|last| last.height == entry.height);
            if entries.len() < limit || is_of_them {
                entries.push(entry);
            } else {
                earlier = Some(entry.height);
            }
            earlier.is_none()
        };
        let read = node.store().newest_changes(key, height, &mut take);
        read.map_err(Failure::failed)?;
        if earlier.is_some() {
            break;
        }
    }
    entries.reverse();
    Ok((entries, earlier))
}

/// A member's trust, now or after a height, and if they are asked for the reasons: the last so many, or all.
pub(super) fn trust(
    node: &Node,
    member: Option<NodeId>,
    at: Option<u64>,
    explain: bool,
    limit: Option<usize>,
) -> Result<MemberTrust, Failure> {
    let engine = node.engine();
    let member = member.unwrap_or_else(|| engine.node_id());
    let now = engine.height();
    let height = at.unwrap_or(now);
    if height > now {
        return Err(Failure::usage(format!(
            "--at {height}: the ledger is at height {now}"
        )));
    }
    let line = engine.trust_at(&member, height)?;
    // The reasons are read only if they are needed: they are spread over the whole past.
    let (entries, earlier) = if explain {
        score_changes(node, &member, height, limit)?
    } else {
        (Vec::new(), None)
    };
    if line.is_none()
        && score_changes(node, &member, u64::MAX, Some(1))?
            .0
            .is_empty()
    {
        return Err(Failure::failed(format!(
            "{member} was no member at height {height}: `mycnet roster` lists the members"
        )));
    }
    Ok(MemberTrust {
        node: member,
        name: Names::of(engine, [member]).get(&member).cloned(),
        height,
        trust_ppm: line.as_ref().map(|line| line.trust_ppm),
        skill_ppm: line.as_ref().map(|line| line.skill_ppm),
        standing: line.as_ref().map(|line| line.standing),
        row: line.as_ref().map(|line| line.row),
        lines: explain.then(|| entries.iter().map(ToString::to_string).collect()),
        entries: explain.then_some(entries),
        earlier,
    })
}

/// The scores under other parameters, beside those of now.
pub(super) fn what_if(node: &Node, changes: &[(String, u64)]) -> Result<WhatIf, Failure> {
    let engine = node.engine();
    // All parameters are set before the check: some are only valid together.
    let mut params = serde_json::to_value(engine.params()).map_err(Failure::failed)?;
    for (name, number) in changes {
        params[name] = (*number).into();
    }
    let params = serde_json::from_value(params).map_err(Failure::failed)?;
    let mut then = engine.what_if(params)?;
    let mut members: Vec<MemberWhatIf> = Vec::new();
    for member in engine.roster() {
        let now = MemberLine {
            role: member.role,
            name: member.name.clone(),
            trust_ppm: member.trust_ppm,
            skill_ppm: member.skill_ppm,
            standing: member.standing,
            row: member.row,
        };
        members.push(MemberWhatIf {
            node: member.node,
            name: member.name,
            now: Some(now),
            then: then.remove(&member.node),
        });
    }
    members.extend(then.into_iter().map(|(node, line)| MemberWhatIf {
        node,
        name: line.name.clone(),
        now: None,
        then: Some(line),
    }));
    Ok(WhatIf {
        height: engine.height(),
        members,
    })
}

/// The configuration map and the parameters.
pub(super) fn config(node: &Node) -> Config {
    let engine = node.engine();
    let config = engine.config().into_iter();
    Config {
        config: config
            .map(|(key, value)| (key, hex::encode(value)))
            .collect(),
        params: engine.params(),
    }
}

/// Proved equivocations.
pub(super) fn evidence(node: &Node) -> Result<EvidenceList, Failure> {
    let evidence = node.engine().evidence()?;
    let names = Names::of(node.engine(), evidence.iter().map(|proved| proved.author));
    let evidence = evidence.into_iter().map(|proved| {
        let statement = proved.first.statement();
        Ok(Equivocation {
            author: proved.author,
            name: names.get(&proved.author).cloned(),
            statement: statement.kind().into(),
            operation: statement.operation(),
            slot: statement.slot().map(serde_json::to_value).transpose()?,
            first: proved.first.id(),
            second: proved.second.id(),
            first_record: hex::encode(proved.first.encode()),
            second_record: hex::encode(proved.second.encode()),
        })
    });
    let evidence = evidence.collect::<Result<_, serde_json::Error>>();
    Ok(EvidenceList {
        evidence: evidence.map_err(Failure::failed)?,
    })
}

/// A ticket to the network.
pub(super) fn ticket(node: &Node) -> Result<TicketText, Failure> {
    let ticket = node.ticket();
    let ticket = ticket.ok_or_else(|| Failure::failed("only a running node has a ticket"))?;
    let addresses = ticket.peers.iter().flat_map(|peer| &peer.addresses);
    Ok(TicketText {
        ticket: ticket.to_string(),
        network: ticket.network,
        height: ticket.height,
        seal: ticket.seal,
        addresses: addresses.cloned().collect(),
        name: ticket.name,
    })
}

/// Known peers, and which of them are connected.
pub(super) fn peers(node: &Node) -> Result<Peers, Failure> {
    let roster = node.engine().roster();
    let peer = |author: Option<NodeId>, connected, addresses, link| {
        let line = author.and_then(|author| line_of(&roster, &author));
        Peer {
            node: author,
            name: line.map(|(_, member)| member.name.clone()),
            role: line.map(|(_, member)| member.role),
            place: line.map(|(place, _)| place),
            connected,
            addresses,
            link,
        }
    };
    let Some(transport) = node.transport() else {
        let kept = node.store().peers().map_err(Failure::failed)?.into_keys();
        let peers = kept.map(|author| peer(Some(author), false, Vec::new(), None));
        return Ok(Peers {
            running: false,
            peers: peers.collect(),
            twin: twin(node),
            clocks: Clocks::new(node.clocks(), node.engine()),
        });
    };
    let mut connected = transport.peers();
    let mut peers = Vec::new();
    for known in transport.known_peers() {
        let endpoint = known.card.endpoint_id();
        let at = connected
            .iter()
            .position(|info| Some(info.endpoint) == endpoint);
        let info = at.map(|at| connected.remove(at));
        let link = PeerLink {
            endpoint: known.card.endpoint,
            at: info.as_ref().and_then(|info| info.at.clone()),
            dialled: info.as_ref().map(|info| info.dialled),
            signing: info.as_ref().map(|info| info.signing),
            clock_ahead_ms: info.as_ref().map(|info| info.ahead_ms),
            failures: known.failures,
            last_fault: known.last_fault,
        };
        let author = info.as_ref().map(|info| info.author).or(known.card.author);
        peers.push(peer(
            author,
            info.is_some(),
            known.card.addresses,
            Some(link),
        ));
    }
    // An endpoint that dialled in cannot be dialled unless somebody tells its address, but it is connected.
    for info in connected {
        let link = PeerLink {
            endpoint: Digest::from_bytes(*info.endpoint.as_bytes()),
            at: info.at,
            dialled: Some(info.dialled),
            signing: Some(info.signing),
            clock_ahead_ms: Some(info.ahead_ms),
            failures: 0,
            last_fault: None,
        };
        peers.push(peer(Some(info.author), true, Vec::new(), Some(link)));
    }
    Ok(Peers {
        running: true,
        peers,
        twin: twin(node),
        clocks: Clocks::new(node.clocks(), node.engine()),
    })
}

/// The only node with this name, or whose id begins with these digits, among members, founders and known peers. A name that
/// looks like the digits of another node's id is no way to be taken for it: then both are named, and neither is meant.
pub(super) fn find_node(node: &Node, given: &str) -> Result<FoundId<NodeId>, Failure> {
    let engine = node.engine();
    let roster = engine.roster();
    let mut known = BTreeSet::from([engine.node_id()]);
    known.extend(roster.iter().map(|member| member.node));
    known.extend(roster.iter().flat_map(|member| member.former.iter()));
    known.extend(engine.genesis().members.iter().map(|founder| founder.node));
    if let Some(transport) = node.transport() {
        let peers = transport.known_peers();
        known.extend(peers.iter().filter_map(|peer| peer.card.author));
    }
    let named = roster.iter().find(|member| member.name.as_str() == given);
    let named = named.map(|member| member.node);
    let digits = NodeRef::digits(given);
    let is_meant = |id: &NodeId| {
        let begins = |digits: &String| id.to_string().starts_with(digits);
        named == Some(*id) || digits.as_ref().is_some_and(begins)
    };
    known.retain(is_meant);
    let what = format!("node is named {given} or has an id that begins so");
    only(known, &what, "mycnet roster", "give more digits of its id")
}
