//! A new member is admitted by full BFT: its consent, the vote of all members, its first days on probation.
//!
//! `cargo run --example admission`

use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::{
    Ballot, Certificate, ConsensusOperation, Consent, Genesis, MemberName, Outcome, Signer, Spore,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Four founders start a network.
    let founders = [
        new_identity()?,
        new_identity()?,
        new_identity()?,
        new_identity()?,
    ];
    let roles = [Spore::Primary, Spore::Seed, Spore::Seed, Spore::Latent];
    let mut genesis = Genesis::builder("valley mesh");
    for (founder, role) in founders.iter().zip(roles) {
        genesis = genesis.member(founder.node_id(), role);
    }
    let genesis = genesis.build()?;
    let hub = Hub::new(genesis.clone())?;
    let mut engines = Vec::new();
    for founder in founders {
        engines.push(hub.join(founder)?);
    }

    // The candidate must consent before it can become a member.
    let candidate = new_identity()?;
    let consent = Consent::sign(
        &candidate,
        genesis.network_id(),
        Spore::Latent,
        MemberName::new("dot")?,
        None,
    )?;
    let admission = ConsensusOperation::NodeAdmission {
        candidate: candidate.node_id(),
        role: Spore::Latent,
        consent,
    };

    // One member proposes (and so approves), two more approve, one is against it.
    let id = engines[1].propose_operation(admission).await?;
    engines[0].vote(id, Ballot::Approve).await?;
    engines[2].vote(id, Ballot::Approve).await?;
    let status = engines[3].status(&id).ok_or("the proposal has spread")?;
    println!(
        "phase: {}, waiting for {:?}",
        status.phase, status.waits_for
    );
    engines[3].vote(id, Ballot::Reject).await?;

    // Each node reveals automatically once the commits are frozen, and computes the outcome itself.
    let outcome = engines[0].execute_reveal_phase(id).await?;
    println!("outcome: {outcome}");
    assert_eq!(outcome, Outcome::Decided(Ballot::Approve));
    for member in engines[3].roster() {
        println!(
            "  {:8}  {:8} trust {:7} skill {:7} {:10} vote {}",
            member.name,
            member.role,
            member.trust_ppm,
            member.skill_ppm,
            member.standing,
            member.has_vote
        );
    }

    // The certificate convinces a reader who has only the genesis.
    let certificate = engines[2]
        .certificate(&id)?
        .ok_or("the operation is closed")?;
    let bytes = certificate.encode();
    let proved = Certificate::decode(&bytes)?.verify(&genesis)?;
    println!("certificate of {} bytes proves: {}", bytes.len(), outcome);
    assert_eq!(proved.outcome, Some(outcome));

    // The new member can take part at once, and earns its vote.
    let newcomer = hub.join(candidate)?;
    assert_eq!(newcomer.seal(), engines[0].seal());
    println!("the newcomer caught up to height {}", newcomer.height());
    Ok(())
}
