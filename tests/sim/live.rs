//! `P-live`, `S-live`: with an honest quorum that exchanges records everything is sealed and every operation closes.

use mycnet_consensus::internals::sim::actors::ActorKind;
use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::internals::sim::world::run;

use crate::schedules::run_clean;
use crate::sweep::seeds;

#[test]
fn p_live() {
    let mut closed = 0;
    for seed in seeds(8) {
        let report = run_clean(Plan::random(seed ^ 0x11fe));
        let (opened, done) = report.operations;
        assert!(
            opened == done || report.assumption_lost.is_some() || report.founded.is_some(),
            "seed {seed}"
        );
        closed += done;
    }
    assert!(closed > 0 || seeds(8).count() < 8);
}

/// The records of honest members are sealed although a member is silent, lies about the time or censors.
#[test]
fn s_live() {
    for seed in seeds(5) {
        for kind in [
            ActorKind::SilentPrimary,
            ActorKind::CensoringPrimary,
            ActorKind::LyingClock,
        ] {
            let mut plan = Plan::with_actor(seed, kind);
            plan.proposals = 3;
            let report = run_clean(plan);
            assert!(
                report.height > 0 || report.operations.0 == 0,
                "seed {seed}, {kind:?}"
            );
        }
    }
}

#[test]
fn p_live_and_s_live_fire_when_half_is_silent() {
    let mut plan = Plan::quiet(1, 4);
    for host in 0..2 {
        plan.hosts[host].actor = Some(ActorKind::SilentPrimary);
    }
    plan.goes_on_above_a_third = true;
    plan.calm_ms = 20_000;
    let report = run(plan);
    assert_eq!(report.height, 0, "no quorum votes");
    assert!(report.violations.iter().any(|v| v.property == "p_live"));
}
