//! Founding the network anew ([F3] to [F6]): the endorsements that members made, this node's own, and the moment at which a plan
//! takes effect here.
//!
//! Endorsements are no part of the ledger. Of each author one is kept. They are pushed like other records, and offered by id
//! whenever two peers compare their records, on whatever branch each of them is. The genesis that a plan leads to follows from the
//! state after the plan's seal, which the core may have left long ago; so the host makes it ([`refounded`](crate::ledger::refounded))
//! and gives it with [`Input::Endorse`](super::Input::Endorse).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::endorsed::{Backing, Endorsed, EndorsedPlan};
use super::{Admission, Answer, Core, Event, Output, PeerId, Refusal, Signing, Write};
use crate::base::digest::{Digest, NetworkId, NodeId, RecordId};
use crate::base::identity::Signer;
use crate::base::limits::WANT_IDS_MAX;
use crate::base::rejection::Rejection;
use crate::exchange::message::Message;
use crate::finality::Agreement;
use crate::ledger::Founding;
use crate::statement::record::{Plan, SignError, Slot, Statement, Verified, sign};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// An endorsement. The digest of its plan is taken once: plans can be long.
#[derive(Debug)]
struct Held {
    record: Verified,
    attempt: u32,
    plan: Option<Digest>,
}

impl Held {
    fn new(record: Verified) -> Self {
        let (attempt, plan) = parts(&record).map_or((0, None), |(attempt, plan)| {
            (attempt, plan.map(Plan::digest))
        });
        Self {
            record,
            attempt,
            plan,
        }
    }

    /// Of one author, what comes first by this order is kept.
    fn place(&self) -> (Reverse<u32>, RecordId) {
        (Reverse(self.attempt), self.record.id())
    }
}

/// The endorsements that this node holds, and its own.
#[derive(Debug, Default)]
pub(super) struct Refounding {
    held: BTreeMap<RecordId, Held>,
    by_author: BTreeMap<NodeId, RecordId>,
    own: Option<Arc<Endorsed>>,
}

impl Refounding {
    pub(super) fn restored(own: Option<Endorsed>) -> Self {
        Self {
            own: own.map(Arc::new),
            ..Self::default()
        }
    }

    pub(super) fn get(&self, id: &RecordId) -> Option<&Verified> {
        self.held.get(id).map(|held| &held.record)
    }

    fn of(&self, author: &NodeId) -> Option<&Held> {
        self.held.get(self.by_author.get(author)?)
    }

    /// Takes an endorsement in the place of its author's last one, which it returns.
    fn insert(&mut self, held: Held) -> Option<RecordId> {
        let (id, author) = (held.record.id(), held.record.author());
        self.held.insert(id, held);
        let before = self.by_author.insert(author, id);
        before.filter(|before| *before != id && self.held.remove(before).is_some())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Verified> {
        self.held.values().map(|held| &held.record)
    }

    /// The endorsements of a plan.
    fn of_plan(&self, plan: Digest) -> impl Iterator<Item = &Verified> {
        let held = self.held.values();
        held.filter(move |held| held.plan == Some(plan))
            .map(|held| &held.record)
    }
}

/// An endorsement by a key that is not this node's: the one that a plan puts in the place of it.
///
/// # Errors
///
/// As [`sign`].
pub fn sign_endorsement(
    signer: &dyn Signer,
    net: NetworkId,
    plan: Plan,
    attempt: u32,
) -> Result<Verified, SignError> {
    let plan = Some(plan);
    sign(signer, net, Statement::Refound { plan, attempt })
}

/// The attempt and the plan of an endorsement.
fn parts(record: &Verified) -> Option<(u32, Option<&Plan>)> {
    match record.statement() {
        Statement::Refound { plan, attempt } => Some((*attempt, plan.as_ref())),
        _ => None,
    }
}

impl Core {
    /// Takes an endorsement. Of each author the one with the highest attempt is kept; of one attempt, that with the smallest id.
    pub(super) fn admit_endorsement(
        &mut self,
        from: Option<PeerId>,
        record: &Verified,
    ) -> Admission {
        let author = record.author();
        let new = Held::new(record.clone());
        let held = self.refounding.of(&author);
        if held.is_some_and(|held| held.place() <= new.place()) {
            return Admission::Known;
        }
        let plan = new.plan;
        // A journal that was lost once lacks what it had before, and that may come back at any time.
        let is_own = author == self.me && !self.journal.knows(&record.id());
        if is_own && self.journal.is_the_first() {
            self.lose_journal();
        }
        let replaced = self.refounding.insert(new);
        if !self.journal.knows(&record.id()) {
            self.out
                .push(Output::Persist(Write::Record(record.clone())));
        }
        self.forget(replaced.into_iter().collect());
        self.relay.push((from, record.clone()));
        self.event(Event::Endorsed { author, plan });
        self.take_effect();
        Admission::New
    }

    /// Offers a peer the endorsements held here. Usually there are none.
    pub(super) fn offer_endorsements(&mut self, to: PeerId) {
        let ids: Vec<RecordId> = self.refounding.held.keys().copied().collect();
        for some in ids.chunks(WANT_IDS_MAX) {
            self.out.push(Output::Send {
                to,
                message: Message::Offer(some.to_vec()),
            });
        }
    }

    /// Endorses a plan for this node's person ([F3]).
    pub(super) fn endorse(
        &mut self,
        plan: Plan,
        founding: Founding,
        is_sure: bool,
    ) -> Result<Answer, Refusal> {
        self.has_not_left()?;
        let digest = plan.digest();
        let genesis = founding.genesis();
        let follows = genesis.follows.as_ref();
        if follows.is_none_or(|it| (it.net, it.plan) != (self.net, digest)) {
            return Err(Rejection::Malformed("the genesis does not follow from the plan").into());
        }
        let key = self.key_in(&plan, &founding).ok_or(Refusal::LeftOut)?;
        let kept = self.kept_equivocators(&plan, &founding);
        if !kept.is_empty() {
            return Err(Refusal::KeepsEquivocators(kept));
        }
        if key != self.me {
            // The plan replaces this node's key, and the next one must have endorsed it. This node signs nothing, so that a thief who
            // runs with its key, or a lost journal, is in nobody's way.
            let own = self.refounding.own.as_ref();
            if !is_sure && own.is_some_and(|own| own.founding.plan() != digest) {
                return Err(Refusal::EndorsedAnother);
            }
            let held = self.refounding.of(&key);
            if held.is_none_or(|held| held.plan != Some(digest)) {
                return Err(Refusal::NextKeyEndorses(key));
            }
            self.note_endorsed(Some(Endorsed {
                founding,
                height: self.ledger.state().height(),
                in_force: None,
            }));
            self.take_effect();
            return Ok(Answer::Done);
        }
        self.is_the_only_one()?;
        if self.signing == Signing::Lost {
            return Err(Refusal::JournalLost);
        }
        let shown = self.own_endorsement();
        let is_same = shown.is_some_and(|(_, plan)| plan.is_some_and(|it| it.digest() == digest));
        if !is_same {
            // A sealed `Rejoin` lets the node sign again, but does not bring back what it had endorsed.
            let is_complete =
                matches!(self.signing, Signing::Above(_)) && self.journal.is_the_first();
            let attempt = match shown {
                None if is_complete => 0,
                // What an earlier journal had may be in other hands.
                None if is_sure => 1,
                None => return Err(Refusal::MayHaveEndorsed),
                Some((_, Some(_))) if !is_sure => return Err(Refusal::EndorsedAnother),
                Some((attempt, _)) => attempt.checked_add(1).ok_or(Refusal::EndorsedAnother)?,
            };
            self.say_endorsement(Some(plan), attempt)?;
        }
        self.note_endorsed(Some(Endorsed {
            founding,
            height: self.ledger.state().height(),
            in_force: None,
        }));
        self.take_effect();
        Ok(Answer::Done)
    }

    /// The key by which a plan has this node as a member: its own, or the one that the plan puts in its place.
    fn key_in(&self, plan: &Plan, founding: &Founding) -> Option<NodeId> {
        let members = &founding.genesis().members;
        let mut key = self.me;
        for _ in 0..=plan.succeeded.len() {
            if members.iter().any(|member| member.node == key) {
                return Some(key);
            }
            key = plan.succeeded.iter().find(|it| it.old == key)?.by;
        }
        None
    }

    /// Takes this node's endorsement back.
    pub(super) fn abandon(&mut self) -> Result<Answer, Refusal> {
        self.has_not_left()?;
        self.is_the_only_one()?;
        if self.signing == Signing::Lost {
            return Err(Refusal::JournalLost);
        }
        let Some((attempt, Some(_))) = self.own_endorsement() else {
            // By the next key: its word stays with the others, and this node does not follow it.
            return match self.refounding.own.take() {
                Some(_) => {
                    self.note_endorsed(None);
                    Ok(Answer::Done)
                }
                None => Err(Refusal::NothingEndorsed),
            };
        };
        let attempt = attempt.checked_add(1).ok_or(Refusal::NothingEndorsed)?;
        self.say_endorsement(None, attempt)?;
        self.note_endorsed(None);
        Ok(Answer::Done)
    }

    fn say_endorsement(&mut self, plan: Option<Plan>, attempt: u32) -> Result<(), Refusal> {
        let statement = Statement::Refound { plan, attempt };
        let record = self.sign_quietly(vec![(statement, None)])?.remove(0);
        self.persist_own(&record, None);
        self.admit_endorsement(None, &record);
        Ok(())
    }

    fn note_endorsed(&mut self, own: Option<Endorsed>) {
        let own = own.map(Arc::new);
        self.refounding.own.clone_from(&own);
        self.out.push(Output::Persist(Write::Endorsed(own)));
    }

    /// The attempt and the plan of this node's last endorsement, in its journal or in what others showed it ([F5]).
    fn own_endorsement(&self) -> Option<(u32, Option<&Plan>)> {
        let journalled = self.journal.endorsements();
        let shown = self.refounding.of(&self.me).map(|held| &held.record);
        let all = journalled.chain(shown);
        all.filter_map(parts).max_by_key(|(attempt, _)| *attempt)
    }

    /// Puts the endorsed plan in force, if it has enough support and no seal of the old network was applied since ([F4]).
    pub(super) fn take_effect(&mut self) {
        let Some(own) = &self.refounding.own else {
            return;
        };
        let is_fresh = own.height == self.ledger.state().height();
        if own.in_force.is_some() || !is_fresh {
            return;
        }
        // A first look that costs little: it is taken with every endorsement that arrives.
        let plan = own.founding.plan();
        let endorsers = self.refounding.of_plan(plan).count();
        if endorsers * 3 <= own.founding.voters().len() * 2 {
            return;
        }
        let backing = self.backing(&own.founding);
        if !backing.is_enough() {
            return;
        }
        let is_ours = own
            .founding
            .genesis()
            .members
            .iter()
            .any(|it| it.node == self.me);
        let own_plan = self.own_endorsement().and_then(|(_, plan)| plan);
        if is_ours && own_plan.is_none_or(|own_plan| own_plan.digest() != plan) {
            return;
        }
        let own = Endorsed {
            in_force: Some(backing),
            ..own.as_ref().clone()
        };
        self.note_endorsed(Some(own));
        self.tell_refounded();
    }

    /// Tells that this node has left the network, if it has.
    pub(super) fn tell_refounded(&mut self) {
        if let Some(own) = self
            .refounding
            .own
            .clone()
            .filter(|own| own.in_force.is_some())
        {
            self.event(Event::Refounded { endorsed: own });
        }
    }

    /// Refuses to sign for a network that this node has left.
    pub(super) fn has_not_left(&self) -> Result<(), Refusal> {
        match self.left_for() {
            Some(network) => Err(Refusal::Refounded(network)),
            None => Ok(()),
        }
    }

    /// The network for which this node has left this one.
    pub fn left_for(&self) -> Option<NetworkId> {
        let own = self.refounding.own.as_ref()?;
        own.in_force.map(|_| own.founding.genesis().network_id())
    }

    /// What this node's person endorsed last, and has not taken back.
    pub fn endorsed(&self) -> Option<&Arc<Endorsed>> {
        self.refounding.own.as_ref()
    }

    /// Whether this node's endorsement waits for its person's word again: a seal was applied since ([F4]), or the journal was lost
    /// with it and nobody has shown it to this node, so that it may be in no hands at all.
    pub fn asks_again(&self) -> bool {
        let own = self.refounding.own.as_ref();
        let Some(own) = own.filter(|own| own.in_force.is_none()) else {
            return false;
        };
        let said = self.own_endorsement().and_then(|(_, plan)| plan);
        let is_said = said.is_some_and(|plan| plan.digest() == own.founding.plan());
        !is_said || own.height != self.ledger.state().height()
    }

    /// The plans that members endorse now, each with its endorsers.
    pub fn endorsed_plans(&self) -> Vec<EndorsedPlan> {
        let mut plans: BTreeMap<Digest, EndorsedPlan> = BTreeMap::new();
        for held in self.refounding.held.values() {
            if let (Some(digest), Some((_, Some(plan)))) = (held.plan, parts(&held.record)) {
                let entry = plans.entry(digest).or_insert_with(|| EndorsedPlan {
                    plan: plan.clone(),
                    by: BTreeSet::new(),
                });
                entry.by.insert(held.record.author());
            }
        }
        plans.into_values().collect()
    }

    /// The support of a plan, as far as this node was shown.
    pub fn backing(&self, founding: &Founding) -> Backing {
        let plan = founding.plan();
        let endorsements = self.refounding.of_plan(plan);
        let by: BTreeSet<NodeId> = endorsements.map(Verified::author).collect();
        let convicted = self.proved_equivocators();
        let count = |all: &BTreeSet<NodeId>| (all.intersection(&by).count(), all.len());
        let (votes, all_votes) = count(founding.voters());
        let (sealers, all_sealers) = count(founding.sealers());
        let old = founding.old_voters().difference(&convicted).copied();
        let (old_votes, all_old_votes) = count(&old.collect());
        Backing {
            votes,
            all_votes,
            sealers,
            all_sealers,
            old_votes,
            all_old_votes,
        }
    }

    /// Everybody of whom this node holds two statements in one slot, or whose ban is sealed.
    pub fn proved_equivocators(&self) -> BTreeSet<NodeId> {
        let banned = self.ledger.state().roster().iter();
        let banned = banned.filter(|(_, member)| member.is_banned());
        let mut proved: BTreeSet<NodeId> = banned.map(|(node, _)| node).collect();
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        let recent = self.recent.iter().map(|decided| &decided.agreement);
        let voted = recent.chain([&self.agreement]).flat_map(Agreement::records);
        let mut slots: BTreeMap<(NodeId, Slot), RecordId> = BTreeMap::new();
        for record in pooled.chain(voted) {
            let Some(slot) = record.statement().slot() else {
                continue;
            };
            let first = slots.entry((record.author(), slot)).or_insert(record.id());
            if *first != record.id() {
                proved.insert(record.author());
            }
        }
        proved
    }

    /// The proved equivocators that a plan takes along. An equivocation by a key that the plan itself replaces counts: else a
    /// change of keys would be the way out for who is about to be convicted.
    fn kept_equivocators(&self, plan: &Plan, founding: &Founding) -> Vec<NodeId> {
        let proved = self.proved_equivocators();
        let members = &founding.genesis().members;
        let replaced: BTreeSet<NodeId> = plan.succeeded.iter().map(|it| it.old).collect();
        let keeps = |key: &NodeId| {
            members.iter().any(|member| {
                let line = member.line.as_ref();
                let mut former = line.into_iter().flat_map(|line| &line.former);
                member.node == *key
                    || (replaced.contains(key) && former.any(|former| former.node == *key))
            })
        };
        proved.into_iter().filter(keeps).collect()
    }

    /// When this node last heard of each member, in seal time: by a sealed record or a vote on the last seal; `u64::MAX` for one
    /// that has said something since.
    pub fn last_heard_ms(&self) -> BTreeMap<NodeId, u64> {
        let state = self.ledger.state();
        let roster = state.roster();
        let mut heard: BTreeMap<NodeId, u64> = roster
            .iter()
            .map(|(node, member)| (node, member.trust.seen_ms))
            .collect();
        let mut note = |record: &Verified, time_ms: u64| {
            let author = roster.present_key(&record.author());
            if let Some(at) = author.and_then(|author| heard.get_mut(&author)) {
                *at = (*at).max(time_ms);
            }
        };
        if let Some(last) = self.recent.back() {
            last.agreement
                .records()
                .for_each(|record| note(record, state.time_ms()));
        }
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        let since = pooled.chain(self.agreement.records());
        since
            .chain(self.refounding.iter())
            .for_each(|record| note(record, u64::MAX));
        heard
    }

    /// The lowest height at which this node knows two decided seals.
    pub fn forked_height(&self) -> Option<u64> {
        let at = self.ledger.state().height();
        let forked = self.recent.iter().rev().enumerate().filter(|(_, decided)| {
            let mut seals = decided.agreement.decisions();
            seals.any(|(seal, _)| seal != decided.seal)
        });
        forked.map(|(back, _)| at - back as u64).min()
    }
}
