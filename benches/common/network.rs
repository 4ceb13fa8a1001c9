//! The genesis, members and records that benches measure: four authorities that seal, and any number of other members.

use mycnet_consensus::internals::commitment;
use mycnet_consensus::internals::digest::signing;
use mycnet_consensus::internals::ledger::{Applied, Ledger, Mode};
use mycnet_consensus::internals::merkle;
use mycnet_consensus::internals::record::{
    Statement, Verified, Verifier, VoteKind, sign, sign_batch,
};
use mycnet_consensus::internals::seal::{SealCertificate, SealedBlock};
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Digest, Genesis, Identity, NetworkId, NodeId,
    OperationId, Priority, SealId, Sealing, Signer as _, Spore,
};

/// A member's key pair.
pub(crate) fn member(n: usize) -> Identity {
    Identity::from_seed_label(&format!("bench {n}"))
}

/// Members 0 to 3 are the Primary and three Seeds, the others Latents.
pub(crate) fn genesis(members: usize, sealing: Sealing) -> Genesis {
    let role = |n| match n {
        0 => Spore::Primary,
        1..=3 => Spore::Seed,
        _ => Spore::Latent,
    };
    (0..members)
        .fold(Genesis::builder("bench"), |builder, n| {
            builder.member(member(n).node_id(), role(n))
        })
        .sealing(sealing)
        .build()
        .expect("the network is valid")
}

/// A verifier that knows the members.
pub(crate) fn verifier(genesis: &Genesis) -> Verifier {
    let mut verifier = Verifier::new(genesis.network_id());
    for founder in &genesis.members {
        verifier
            .add_author(founder.node)
            .expect("members' keys are good");
    }
    verifier
}

/// The verifier after it has seen so many signatures of these sealers that it has tables of their keys.
pub(crate) fn tables(
    mut verifier: Verifier,
    sealers: impl Iterator<Item = Identity>,
    net: NetworkId,
) -> Verifier {
    const ENOUGH: u64 = 100;
    let sealers: Vec<Identity> = sealers.collect();
    verifier.set_sealers(sealers.iter().map(Identity::node_id));
    for sealer in &sealers {
        let record = claim(sealer, net, SealId::default(), 0, None).encode();
        for _ in 0..ENOUGH {
            verifier.admit(&record).expect("the record is good");
        }
    }
    verifier
}

/// A proposal of a claim; a panel must be sorted by key.
pub(crate) fn claim(
    by: &Identity,
    net: NetworkId,
    last: SealId,
    nonce: u64,
    panel: Option<Vec<NodeId>>,
) -> Verified {
    let statement = Statement::Propose {
        operation: ConsensusOperation::Claim {
            subject: "build of release 1".to_owned(),
            input: nonce.to_le_bytes().to_vec(),
            panel,
            rule: ClaimRule::MAJORITY,
        },
        priority: Priority::Normal,
        last,
        nonce,
    };
    sign(by, net, statement).expect("the statement is valid")
}

/// The statements of a commit and of the reveal that opens it.
pub(crate) fn vote(
    by: &Identity,
    net: NetworkId,
    operation: OperationId,
    ballot: Ballot,
) -> [Statement; 2] {
    commitment::vote(by, net, operation, ballot).expect("keys in memory sign")
}

/// A commit and the reveal that opens it, signed at once.
pub(crate) fn signed_vote(
    by: &Identity,
    net: NetworkId,
    operation: OperationId,
    ballot: Ballot,
) -> [Verified; 2] {
    let records = sign_batch(by, net, vote(by, net, operation, ballot).to_vec());
    records
        .expect("the statements are valid")
        .try_into()
        .expect("as many records as statements")
}

/// The ballot of member `n`: one in five disagrees.
pub(crate) fn ballot(n: usize) -> Ballot {
    let result: &[u8] = if n % 5 == 4 { b"other" } else { b"sha256" };
    Ballot::Result(result.to_vec())
}

/// Seals records on a ledger. Returns the block for a node that is behind, and what it changed.
pub(crate) fn seal(ledger: &mut Ledger, records: Vec<Verified>) -> (SealedBlock, Applied) {
    let time_ms = ledger.state().time_ms() + 1;
    let (draft, _) = ledger
        .draft(0, time_ms, records, Mode::Strict)
        .expect("the records apply");
    let vote = Statement::SealVote {
        height: draft.seal.height,
        round: 0,
        kind: VoteKind::Precommit,
        seal: Some(draft.seal.id()),
    };
    let mut votes: Vec<Verified> = (0..3)
        .map(|n| sign(&member(n), draft.seal.net, vote.clone()).expect("the vote is valid"))
        .collect();
    votes.sort_by_key(Verified::id);
    let wire = |records: &[Verified]| {
        records
            .iter()
            .map(|record| record.record().clone())
            .collect()
    };
    let block = SealedBlock {
        seal: draft.seal.clone(),
        certificate: SealCertificate {
            votes: wire(&votes),
        },
        records: wire(&draft.records),
    };
    let applied = ledger.commit(draft);
    (block, applied)
}

/// One signature as the bare library checks it: a decoded key, the message, the signature.
pub(crate) struct Signature {
    key: ed25519_dalek::VerifyingKey,
    message: Vec<u8>,
    bytes: ed25519_dalek::Signature,
}

impl Signature {
    /// The signature that admitting this record checks.
    pub(crate) fn of(record: &Verified) -> Self {
        let (author, proof): (NodeId, _) = (record.author(), record.proof());
        let leaf = merkle::leaf(record.id().as_bytes());
        let root: Digest =
            merkle::root_of(leaf, proof.index.into(), proof.size.into(), &proof.path)
                .expect("the record is verified");
        Self {
            key: ed25519_dalek::VerifyingKey::from_bytes(author.as_bytes())
                .expect("the author's key is good"),
            message: [
                signing::BATCH,
                record.body().net.as_bytes(),
                root.as_bytes(),
                &proof.size.to_le_bytes(),
            ]
            .concat(),
            bytes: ed25519_dalek::Signature::from_bytes(proof.sig.as_bytes()),
        }
    }

    /// Bare `verify_strict`.
    pub(crate) fn verify(&self) {
        self.key
            .verify_strict(&self.message, &self.bytes)
            .expect("the signature is good");
    }
}

/// Bare `verify_strict` of all.
pub(crate) fn verify_all(signatures: &[Signature]) {
    for signature in signatures {
        signature.verify();
    }
}

/// Bare BLAKE3 of all.
pub(crate) fn hash_all(encoded: &[Vec<u8>]) -> u8 {
    encoded
        .iter()
        .fold(0, |sum, bytes| sum ^ blake3::hash(bytes).as_bytes()[0])
}
