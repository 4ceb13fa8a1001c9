//! Builders, for people.

use mycnet_builds::{Builder, Builders};
use mycnet_consensus::engine::MemberView;
use mycnet_consensus::{NodeId, Standing};

use crate::names::node_shown;
use crate::output::{percent, short};

/// The members of a ledger.
pub(super) fn as_builders(members: Vec<MemberView>) -> Builders {
    let members = members.into_iter().map(|member| Builder {
        node: member.node,
        name: member.name,
        skill_ppm: Some(member.skill_ppm),
        standing: Some(member.standing),
        former: member.former,
    });
    Builders::new(members.collect())
}

/// A builder by its name.
pub(super) fn shown(key: &NodeId, builders: &Builders) -> String {
    let builder = builders.get(key);
    // Of founders nothing but their names is known.
    let is_of_genesis = || builders.iter().all(|it| it.standing.is_none());
    if builder.is_none() && is_of_genesis() {
        return format!("{} (not in the genesis)", short(key));
    }
    node_shown(key, builder.map(|it| &it.name))
}

/// The same, with what its word was worth so far.
pub(super) fn builder_shown(key: &NodeId, builders: &Builders) -> String {
    let Some(builder) = builders.get(key) else {
        return shown(key, builders);
    };
    let digits = short(key);
    // The name of a member for whom nobody chose one is these digits.
    let has_name = builder.name.as_str() != digits;
    let mut said: Vec<String> = has_name.then_some(digits).into_iter().collect();
    said.extend(
        builder
            .skill_ppm
            .map(|ppm| format!("skill {}", percent(ppm))),
    );
    let standing = builder.standing.filter(|it| *it != Standing::Active);
    said.extend(standing.map(|it| it.to_string()));
    format!("{} ({})", builder.name, said.join(", "))
}
