//! What a genesis may not be. Each case is also refused when it comes as bytes. Rules: B2.

use mycnet_consensus::internals::limits::{
    GENESIS_BYTES_MAX, MEMBERS_MAX, TEXT_BYTES_MAX, TIME_MS_MAX,
};
use mycnet_consensus::{Founder, Genesis, Identity, NodeId, Params, Rejection, Signer as _, Spore};

use crate::samples::{ada, genesis};

type Change = fn(&mut Genesis);

fn refused(change: impl Fn(&mut Genesis)) -> Rejection {
    let mut genesis = genesis();
    change(&mut genesis);
    let rejection = genesis.check().expect_err("it must be refused");
    assert_eq!(Genesis::decode(&genesis.encode()), Err(rejection.clone()));
    rejection
}

#[test]
fn a_good_genesis_is_read_back() {
    let good = genesis();
    assert_eq!(Genesis::decode(&good.encode()), Ok(good));
}

#[test]
fn a_bad_genesis_is_refused() {
    let over = |what, limit| Rejection::OverLimit { what, limit };
    let text = "x".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(
        refused(|g| g.name.clone_from(&text)),
        over("text bytes", TEXT_BYTES_MAX)
    );
    let malformed: [(&str, Change); 12] = [
        ("another version", |g| g.v = 1),
        ("a time beyond 2^53", |g| g.time_ms = TIME_MS_MAX + 1),
        ("no member", |g| g.members.clear()),
        ("members out of order", |g| g.members.reverse()),
        ("a member twice", |g| g.members[1] = g.members[0].clone()),
        ("two Primaries", |g| {
            for member in &mut g.members {
                member.role = Spore::Primary;
            }
        }),
        ("two of one name", |g| {
            g.members[1].name = g.members[0].name.clone();
        }),
        ("suspended founders", |g| {
            g.params.founder_trust_ppm = g.params.suspend_below_ppm - 1;
        }),
        ("a share above one", |g| g.params.absent_ppm = 1_000_001),
        ("a window of centuries", |g| {
            g.params.commit_window_ms = u64::MAX;
        }),
        ("a drift of centuries", |g| g.params.drift_ms = u64::MAX),
        ("a window of three drifts", |g| {
            g.params.reveal_window_ms = 3 * g.params.drift_ms;
        }),
    ];
    for (name, change) in malformed {
        assert_eq!(refused(change).code(), "malformed", "{name}");
    }
    let graced = refused(|g| g.params.step_patience_ms = g.params.claim_grace_ms + 1);
    assert_eq!(
        graced,
        Rejection::Malformed("a commit grace is shorter than the step patience")
    );
}

#[test]
fn a_roster_has_a_limit() {
    let mut builder = Genesis::builder("many");
    for i in 0..MEMBERS_MAX {
        let member = Identity::from_seed_label(&format!("member {i}"));
        builder = builder.member(member.node_id(), Spore::Latent);
    }
    assert!(builder.clone().build().is_ok());
    let more = builder.member(ada().node_id(), Spore::Latent).build();
    assert!(matches!(
        more,
        Err(Rejection::OverLimit {
            limit: MEMBERS_MAX,
            ..
        })
    ));
}

#[test]
fn a_genesis_has_a_length() {
    let bytes = vec![0; GENESIS_BYTES_MAX + 1];
    assert_eq!(
        Genesis::decode(&bytes),
        Err(Rejection::OverLimit {
            what: "bytes",
            limit: GENESIS_BYTES_MAX
        })
    );
}

#[test]
fn the_builder_refuses_what_a_genesis_may_not_be() {
    let node = ada().node_id();
    let twice = Genesis::builder("x")
        .member(node, Spore::Seed)
        .member(node, Spore::Latent)
        .build();
    assert_eq!(twice, Err(Rejection::Malformed("a member is named twice")));
    let params = Params {
        claim_grace_ms: 1,
        ..Params::dev()
    };
    let built = Genesis::builder("x")
        .member(node, Spore::Seed)
        .params(params)
        .build();
    assert!(matches!(built, Err(Rejection::Malformed(_))));
    // All zeros are the key of a point of order four.
    let mut weak = genesis();
    weak.members
        .insert(0, Founder::new(NodeId::default(), Spore::Latent));
    assert_eq!(weak.check(), Err(Rejection::WeakKey(NodeId::default())));
}
