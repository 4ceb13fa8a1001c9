//! Sync by bundle: two machines that never connect decide together, because a person carries files between them.
//!
//! `cargo run --example bundle`

use std::fs::File;
use std::path::Path;

use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimRule, ConsensusOperation, Genesis, Outcome, Signer, Spore,
};

/// Carries the records that the receiver lacks from one machine to another, on a stick.
async fn carry(
    stick: &Path,
    from: (&str, &BFTConsensusEngine),
    to: (&str, &BFTConsensusEngine),
) -> Result<(), Box<dyn std::error::Error>> {
    let lacks = to.1.height() + 1;
    let written = from.1.export_bundle(lacks, &mut File::create(stick)?)?;
    let bytes = std::fs::metadata(stick)?.len();
    let read = to.1.import_bundle(File::open(stick)?).await?;
    println!(
        "{} -> {}: {bytes:5} bytes, {} heights and {} records; new to {}: {} heights, {} records; now at height {}",
        from.0,
        to.0,
        written.header.height + 1 - written.header.from,
        written.unsealed,
        to.0,
        read.applied,
        read.new,
        read.height
    );
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A village on each side of a mountain, with the genesis of their network on both machines.
    let (ada, bob) = (new_identity()?, new_identity()?);
    let genesis = Genesis::builder("two villages")
        .member(ada.node_id(), Spore::Primary)
        .member(bob.node_id(), Spore::Seed)
        .build()?;
    let ada = Hub::new(genesis.clone())?.join(ada)?;
    let bob = Hub::new(genesis)?.join(bob)?;
    let folder = std::env::temp_dir().join(format!("mycnet-bundle-{}", ada.node_id()));
    std::fs::create_dir_all(&folder)?;
    let stick = folder.join("stick");

    // Bob proposes a claim, with his own result.
    let claim = ConsensusOperation::Claim {
        subject: "water level at the spring, cm".into(),
        input: Vec::new(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    };
    let found = b"112".to_vec();
    let id = bob.propose_claim(claim, found.clone()).await?;
    carry(&stick, ("bob", &bob), ("ada", &ada)).await?;

    // Ada has the same result. From here on only bundles are carried: the proposals of seals, the votes on them and the
    // reveals are in them too.
    ada.vote(id, Ballot::Result(found.clone())).await?;
    let mut walks = 1;
    let is_final = |engine: &BFTConsensusEngine| {
        let status = engine.status(&id);
        status.is_some_and(|status| status.phase == "closed")
    };
    while !(is_final(&ada) && is_final(&bob)) {
        carry(&stick, ("ada", &ada), ("bob", &bob)).await?;
        carry(&stick, ("bob", &bob), ("ada", &ada)).await?;
        walks += 2;
        assert!(walks < 30, "two who agree need a few walks per seal");
    }
    println!("final on both sides after {walks} walks");
    assert_eq!(
        ada.outcome(&id),
        Some(Outcome::Decided(Ballot::Result(found)))
    );
    assert_eq!(ada.outcome(&id), bob.outcome(&id));
    assert_eq!(ada.seal(), bob.seal());

    // A damaged file is read up to the damage, and the error names its place.
    ada.export_bundle(1, &mut File::create(&stick)?)?;
    let mut bytes = std::fs::read(&stick)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    match bob.import_bundle(bytes.as_slice()).await {
        Err(error) => println!("a damaged bundle: {error}"),
        Ok(_) => return Err("damage must be noticed".into()),
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
