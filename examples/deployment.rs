//! Service deployments: the Primary decides one, a Seed objects, the Seeds resolve; another meets no objection.
//!
//! `cargo run --example deployment`

use std::sync::Arc;

use mycnet_consensus::engine::{Clock as _, Hub, ManualClock, SystemClock, new_identity};
use mycnet_consensus::{Ballot, ConsensusOperation, Genesis, Outcome, Signer, Spore};

fn deployment(service: &str, manifest: &str) -> ConsensusOperation {
    ConsensusOperation::ServiceDeployment {
        service: service.into(),
        manifest: manifest.into(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let primary = new_identity()?;
    let seeds = [new_identity()?, new_identity()?, new_identity()?];
    let clock = ManualClock::new(SystemClock.now_ms());
    let mut genesis = Genesis::builder("co-op")
        .time_ms(clock.now_ms())
        .member(primary.node_id(), Spore::Primary);
    for seed in &seeds {
        genesis = genesis.member(seed.node_id(), Spore::Seed);
    }
    let genesis = genesis.build()?;
    let objection_window_ms = genesis.params.objection_window_ms;
    let grace_ms = genesis.params.claim_grace_ms;
    let hub = Hub::with_clock(genesis, Arc::new(clock.clone()))?;
    let primary = hub.join(primary)?;
    let [first, second, third] = seeds;
    let (first, second, third) = (hub.join(first)?, hub.join(second)?, hub.join(third)?);

    // The Primary's proposal carries its directive, which stands unless a Seed objects in time.
    let wiki = primary
        .propose_operation(deployment("wiki", "wiki:1.4"))
        .await?;
    let mail = primary
        .propose_operation(deployment("mail", "mail:latest"))
        .await?;
    first.object(mail, "unpinned version").await?;
    let status = second.status(&mail).ok_or("the proposal has spread")?;
    println!("mail: {:?}", status.waits_for);

    // After an objection the Seeds decide, by more than half of their weight.
    first.resolve(mail, false).await?;
    second.resolve(mail, false).await?;
    println!("mail: {}", third.execute_reveal_phase(mail).await?);
    assert_eq!(third.outcome(&mail), Some(Outcome::Decided(Ballot::Reject)));

    // No Seed objects to the wiki. Windows end in two steps, in the time of seals, which may be some milliseconds ahead of
    // the clock; here the example moves the clock.
    let window = second.status(&wiki).and_then(|status| status.window);
    println!(
        "wiki: {:?}",
        window.ok_or("the objection window runs")?.then
    );
    for wait_ms in [objection_window_ms, grace_ms] {
        clock.advance(wait_ms + 1000);
        primary.tick();
    }
    println!("wiki: {}", third.execute_reveal_phase(wiki).await?);
    assert_eq!(
        third.outcome(&wiki),
        Some(Outcome::Decided(Ballot::Approve))
    );

    for (key, value) in third.config() {
        println!("configuration: {key} = {}", String::from_utf8_lossy(&value));
    }
    assert_eq!(
        third.config().get("service.wiki"),
        Some(&b"wiki:1.4".to_vec())
    );
    assert!(!third.config().contains_key("service.mail"));
    Ok(())
}
