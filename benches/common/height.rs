//! The members of a network that agree on one seal: what the bench `agreement` and the comparisons with other engines measure.
//!
//! Each member signs its own proposals and votes, verifies every other one once, those of an inbox together, and decides: the work
//! that a transport without duplicates leaves.

use std::sync::Arc;

use mycnet_consensus::internals::finality::{Action, Agreement, Judge, Sealers, Verdict};
use mycnet_consensus::internals::limits::CHECKED_TOGETHER_MAX;
use mycnet_consensus::internals::record::{
    Seal, Signed, Statement, Verified, Verifier, VoteKind, sign,
};
use mycnet_consensus::{Digest, Identity, NetworkId, NodeId, SealId, Sealing, Signer as _};

use super::network::{Signature, genesis, member, tables, verifier};

/// A proposal and two votes of each member.
pub(crate) fn records_of_a_decision(members: usize) -> usize {
    2 * members + 1
}

/// Accepts every seal: judging its content is the ledger's work.
struct Yes;

impl Judge for Yes {
    fn judge(&mut self, _: &Seal, _: u32, _: bool) -> Verdict {
        Verdict::Accept
    }

    fn is_worth_it(&mut self, _: &Seal) -> bool {
        true
    }
}

/// One member of a height's agreement.
pub(crate) struct Sealer {
    identity: Identity,
    verifier: Verifier,
    agreement: Agreement,
}

/// The members of a network that agree on one seal.
pub(crate) struct Height {
    net: NetworkId,
    identities: Vec<Identity>,
    verifier: Verifier,
    sealers: Arc<Sealers>,
}

impl Height {
    pub(crate) fn new(members: usize) -> Self {
        let genesis = genesis(members, Sealing::Members);
        let identities: Vec<Identity> = (0..members).map(member).collect();
        let queue: Vec<NodeId> = identities.iter().map(Identity::node_id).collect();
        Self {
            net: genesis.network_id(),
            verifier: tables(
                verifier(&genesis),
                identities.iter().cloned(),
                genesis.network_id(),
            ),
            identities,
            sealers: Arc::new(Sealers::new(queue)),
        }
    }

    /// The members at the beginning of a height.
    pub(crate) fn start(&self) -> Vec<Sealer> {
        let sealer = |identity: &Identity| Sealer {
            identity: identity.clone(),
            verifier: self.verifier.clone(),
            agreement: Agreement::new(1, self.sealers.clone(), Some(identity.node_id())),
        };
        self.identities.iter().map(sealer).collect()
    }

    fn statement(&self, action: &Action) -> Statement {
        match *action {
            Action::Propose { round, .. } => Statement::SealProposal {
                round,
                lock: None,
                seal: Seal {
                    net: self.net,
                    height: 1,
                    prev: SealId::default(),
                    time_ms: 1,
                    count: 1,
                    records: Digest::default(),
                    state: Digest::default(),
                    roster: Digest::default(),
                    sealers: Digest::default(),
                    round,
                },
            },
            Action::Vote { round, kind, seal } => Statement::SealVote {
                height: 1,
                round,
                kind,
                seal,
            },
        }
    }

    /// Lets all members decide; every record reaches every other member once, in the inbox of its next turn.
    pub(crate) fn decide(&self, sealers: &mut [Sealer]) {
        let mut sent: Vec<(usize, Vec<u8>)> = Vec::new();
        for at in 0..sealers.len() {
            self.speak(sealers, at, &mut sent);
        }
        while !sent.is_empty() {
            let arriving = std::mem::take(&mut sent);
            for at in 0..sealers.len() {
                let others = arriving.iter().filter(|(from, _)| *from != at);
                let inbox: Vec<&[u8]> = others.map(|(_, bytes)| &bytes[..]).collect();
                for some in inbox.chunks(CHECKED_TOGETHER_MAX) {
                    for record in verified(&mut sealers[at].verifier, some) {
                        let agreement = &mut sealers[at].agreement;
                        agreement.add(record).expect("the vote is needed");
                        self.speak(sealers, at, &mut sent);
                    }
                }
            }
        }
        let mut all = sealers.iter();
        assert!(
            all.all(|sealer| sealer.agreement.decided().is_some()),
            "everybody decides"
        );
    }

    fn speak(&self, sealers: &mut [Sealer], at: usize, sent: &mut Vec<(usize, Vec<u8>)>) {
        let sealer = &mut sealers[at];
        while let Some(action) = sealer.agreement.advance(&mut Yes, 0) {
            let record = sign(&sealer.identity, self.net, self.statement(&action))
                .expect("the vote is valid");
            sent.push((at, record.encode()));
            sealer.agreement.add(record).expect("the vote is its own");
        }
    }

    /// As many signatures as a decision has proposals and votes.
    pub(crate) fn signatures(&self) -> Vec<Signature> {
        let count = records_of_a_decision(self.identities.len());
        let voters = self.identities.iter().cycle().take(count);
        voters
            .map(|voter| {
                let seal = None;
                let action = Action::Vote {
                    round: 0,
                    kind: VoteKind::Prevote,
                    seal,
                };
                let vote = sign(voter, self.net, self.statement(&action));
                Signature::of(&vote.expect("the vote is valid"))
            })
            .collect()
    }
}

/// Decodes records and checks their signatures together.
fn verified(verifier: &mut Verifier, inbox: &[&[u8]]) -> Vec<Verified> {
    let signed = inbox.iter().map(|bytes| Signed::decode(bytes));
    let signed = signed
        .collect::<Result<_, _>>()
        .expect("the votes are canonical");
    let results = verifier.verify_all(signed).into_iter();
    results
        .collect::<Result<_, _>>()
        .expect("the votes are good")
}
