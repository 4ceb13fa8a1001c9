//! Independent rebuilders compare the hash of an artifact. One of them lies repeatedly, and is believed less and less.
//!
//! `cargo run --example rebuilders`

use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::{Ballot, ConsensusOperation, Genesis, Outcome, Params, Signer, Spore};

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
    // Three have to agree, and to weigh more than two thirds.
    let mut genesis = Genesis::builder("rebuilders").params(Params::builds());
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
            rule: honest[0].params().claim_rule(),
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
        let roster = honest[0].roster();
        let skill = |node| {
            let line = roster.iter().find(|member| member.node == node);
            line.map_or(0, |member| member.skill_ppm)
        };
        let (good, bad) = (skill(honest[0].node_id()), skill(liar.node_id()));
        println!("release {release:2}: skill of the honest {good:7}, of the liar {bad:7}");
        assert!(bad < good);
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
    // Answers differ for many honest reasons, so wrong ones cost skill, and not the vote.
    println!(
        "standing: {}, trust {}, skill {}",
        line.standing, line.trust_ppm, line.skill_ppm
    );
    assert!(line.has_vote);
    Ok(())
}
