//! Logs of records: generated ones, and the pseudo-random numbers of long runs.

use proptest::prelude::*;

use super::*;
use crate::statement::operation::Class;

/// The `SplitMix64` generator (Steele, Lea, Flood 2014): the same numbers on every machine.
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn event() -> impl Strategy<Value = Participation> {
    let class = || prop_oneof![Just(Class::Claim), Just(Class::Critical)];
    prop_oneof![
        8 => class().prop_map(Participation::Coherent),
        4 => class().prop_map(Participation::Dissent),
        2 => Just(Participation::Seen),
        2 => Just(Participation::Revealed),
        2 => class().prop_map(Participation::Withheld),
        1 => Just(Participation::Unrevealed),
        1 => Just(Participation::Overruled),
        8 => Just(Participation::Missed),
        2 => Just(Participation::Neutral),
        1 => any::<i32>().prop_map(|delta_ppm| Participation::Modified { delta_ppm }),
        1 => Just(Participation::Judged),
    ]
}

fn support() -> impl Strategy<Value = Support> {
    any::<[bool; 5]>().prop_map(|[seconded, backed, carried, chance, panel]| Support {
        seconded,
        backed,
        carried,
        chance,
        panel,
    })
}

fn record() -> impl Strategy<Value = ParticipationRecord> {
    (0..10 * DAY_MS, event(), support())
        .prop_map(|(time_ms, event, support)| under(support, at(time_ms, event)))
}

/// Records of a member, perhaps with an equivocation among them.
pub(super) fn logs() -> impl Strategy<Value = Vec<ParticipationRecord>> {
    let records = proptest::collection::vec(record(), 0..200);
    (records, proptest::option::weighted(0.3, 0..200_usize)).prop_map(|(mut records, banned_at)| {
        if let Some(index) = banned_at.filter(|index| *index < records.len()) {
            records[index].event = Participation::Equivocation;
        }
        records
    })
}

/// Any parameters, even those that no network would accept.
pub(super) fn any_params() -> impl Strategy<Value = Params> {
    (any::<[u32; 14]>(), any::<u64>(), any::<bool>()).prop_map(|(numbers, window_ms, sane)| {
        let [
            gain,
            skill_gain,
            claim,
            skill_dissent,
            overruled,
            skill,
            critical,
            withheld,
            absent,
            founder,
            admitted,
            below,
            from,
            row,
        ] = numbers.map(|number| if sane { number % 1_000_001 } else { number });
        Params {
            coherent_gain_ppm: gain,
            skill_gain_ppm: skill_gain,
            claim_dissent_ppm: claim,
            skill_dissent_ppm: skill_dissent,
            overruled_ppm: overruled,
            start_skill_ppm: skill,
            critical_dissent_ppm: critical,
            withheld_ppm: withheld,
            absent_ppm: absent,
            founder_trust_ppm: founder,
            admitted_trust_ppm: admitted,
            suspend_below_ppm: below,
            activate_from_ppm: from,
            activate_row: row % 20,
            commit_window_ms: window_ms,
            ..Params::default()
        }
    })
}
