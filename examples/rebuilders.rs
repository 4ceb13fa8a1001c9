//! Independent rebuilders compare the hash of an artifact. One of them lies repeatedly and loses its weight.
//!
//! `cargo run --example rebuilders`

use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::{Ballot, ClaimRule, ConsensusOperation, Genesis, Outcome, Signer, Spore};

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
            "release {release:2}: honest {:7}  liar {:7}",
            honest[0].trust(&honest[0].node_id()),
            honest[0].trust(&liar.node_id())
        );
    }

    println!("\nwhy the liar stands where it does:");
    for entry in honest[0]
        .explain(&liar.node_id())?
        .iter()
        .rev()
        .take(4)
        .rev()
    {
        println!("  {entry}");
    }
    let roster = honest[0].roster();
    let line = roster
        .iter()
        .find(|member| member.node == liar.node_id())
        .ok_or("it is still a member")?;
    println!(
        "standing: {}, weight in critical votes: {}",
        line.standing, line.critical_weight
    );
    assert_eq!(line.critical_weight, 0);
    Ok(())
}
