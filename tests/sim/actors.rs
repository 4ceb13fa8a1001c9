//! Every kind of liar, alone among honest members; what only it causes must be seen to happen.

use mycnet_consensus::internals::sim::actors::ActorKind;
use mycnet_consensus::internals::sim::plan::Plan;

use crate::schedules::run_clean;
use crate::sweep::seeds;

#[test]
fn every_actor_is_borne() {
    for kind in ActorKind::ALL {
        let (mut evidence, mut refused) = (0, 0);
        let seeds = seeds(4);
        let many = seeds.clone().count() >= 4;
        for seed in seeds {
            let mut plan = Plan::with_actor(seed ^ 0xac70, kind);
            plan.proposals = 4;
            let report = run_clean(plan);
            evidence += report.evidence;
            refused += report.refused.get("does-not-open").copied().unwrap_or(0);
        }
        match kind {
            ActorKind::EquivocatingCommitter | ActorKind::DoubleVoter if many => {
                assert!(evidence > 0, "{kind:?} is convicted");
            }
            ActorKind::Forger if many => assert!(refused > 0, "forged openings are refused"),
            _ => {}
        }
    }
}
