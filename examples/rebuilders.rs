//! Independent rebuilders compare the hash of an artifact. One of them lies repeatedly, and its skill falls.
//!
//! `cargo run --example rebuilders`

use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimRule, ConsensusOperation, Genesis, NodeId, Outcome, Signer,
    Spore,
};

const RELEASES: usize = 12;

/// The hash that an honest rebuild of a release gives.
fn rebuild(release: usize) -> Vec<u8> {
    blake3::hash(format!("source of release {release}").as_bytes())
        .as_bytes()
        .to_vec()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let identities = [
        new_identity()?,
        new_identity()?,
        new_identity()?,
        new_identity()?,
        new_identity()?,
    ];
    let mut genesis = Genesis::builder("rebuilders");
    for (n, identity) in identities.iter().enumerate() {
        let role = if n < 4 { Spore::Seed } else { Spore::Latent };
        genesis = genesis.member(identity.node_id(), role);
    }
    let hub = Hub::new(genesis.build()?)?;
    let mut rebuilders = Vec::new();
    for identity in identities {
        rebuilders.push(hub.join(identity)?);
    }
    let (liar, honest) = rebuilders.split_last().ok_or("there are five")?;

    for release in 0..RELEASES {
        let claim = ConsensusOperation::Claim {
            subject: format!("sha256 of release {release}"),
            input: format!("v1.{release}.0").into_bytes(),
            panel: None,
            rule: ClaimRule::MAJORITY,
        };
        // Each commits to its own hash before it can see another's, so none can copy.
        let id = honest[0].propose_claim(claim, rebuild(release)).await?;
        for rebuilder in &honest[1..] {
            rebuilder.vote(id, Ballot::Result(rebuild(release))).await?;
        }
        liar.vote(id, Ballot::Result(b"backdoored".to_vec()))
            .await?;

        let outcome = honest[1].execute_reveal_phase(id).await?;
        assert_eq!(outcome, Outcome::Decided(Ballot::Result(rebuild(release))));
        println!(
            "release {release:2}: skill of the honest {:7}, of the liar {:7}",
            skill(&honest[0], &honest[0].node_id()),
            skill(&honest[0], &liar.node_id())
        );
    }

    println!("\nwhy the liar's scores are what they are:");
    for entry in honest[0]
        .explain(&liar.node_id())?
        .iter()
        .rev()
        .take(4)
        .rev()
    {
        println!("  {entry}");
    }
    // Honest answers differ too. So wrong ones cost skill, which weighs in claims, and never the vote.
    assert!(skill(&honest[0], &liar.node_id()) < 300_000);
    Ok(())
}

/// A member's skill in parts per million.
fn skill(engine: &BFTConsensusEngine, node: &NodeId) -> u32 {
    let roster = engine.roster();
    let line = roster.iter().find(|member| member.node == *node);
    line.map_or(0, |member| member.skill_ppm)
}
