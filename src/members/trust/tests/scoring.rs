//! `TrustScoring` on its own.

use super::*;

fn node(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 32])
}

#[test]
fn a_node_never_seen_has_the_score_of_a_founder() {
    let params = Params {
        founder_trust_ppm: 640_000,
        ..Params::default()
    };
    let mut scoring = TrustScoring::with_params(params.clone());
    assert_eq!(scoring.get_trust_score(&node(1)), 640_000);
    assert_eq!(scoring.standing(&node(1)), Standing::Active);
    assert_eq!(scoring.explain(&node(1)), []);
    scoring.update_trust_score(node(1), at(9, Participation::Coherent(Class::Claim)));
    assert_eq!(scoring.get_trust_score(&node(1)), 647_200);
    assert_eq!(
        scoring.get_trust_score(&node(2)),
        640_000,
        "each node has its own"
    );

    scoring.admit(node(2), TrustState::admitted(&params, 0));
    assert_eq!(scoring.get_trust_score(&node(2)), 200_000);
    assert_eq!(scoring.standing(&node(2)), Standing::Probation);
}

#[test]
fn the_ledger_and_the_scoring_share_the_arithmetic() {
    let records = [
        at(1, Participation::Coherent(Class::Claim)),
        at(2, Participation::Withheld(Class::Claim)),
        at(3, Participation::Missed),
    ];
    let mut scoring = TrustScoring::new();
    for record in records {
        scoring.update_trust_score(node(1), record);
    }
    assert_eq!(scoring.state(&node(1)), founder_after(&records));
}

#[test]
fn explain_lists_the_changes_for_people() {
    let mut scoring = TrustScoring::new();
    for record in [
        at(1, Participation::Coherent(Class::Claim)),
        at(2, Participation::Neutral),
        at(3, Participation::Dissent(Class::Claim)),
        modified(-204_901),
        ParticipationRecord {
            height: 8,
            operation: None,
            ..at(5, Participation::Equivocation)
        },
        at(6, Participation::Coherent(Class::Claim)),
    ] {
        scoring.update_trust_score(node(1), record);
    }
    let lines: Vec<String> = scoring
        .explain(&node(1))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "height 1: trust 500000 -> 510000 (+10000), skill 500000 -> 510000 (+10000), revealed the outcome, \
             operation 07070707, active",
            "height 1: trust 510000 -> 504900 (-5100), skill 510000 -> 484500 (-25500), revealed another result than \
             the outcome, operation 07070707, active",
            "height 1: trust 504900 -> 299999 (-204901), its score was modified by decision, operation 07070707, \
             active -> suspended",
            "height 8: trust 299999 -> 0 (-299999), skill 484500 -> 0 (-484500), signed two different statements in \
             one slot, suspended -> banned",
        ]
    );
}

#[test]
fn the_oldest_entries_go_first() {
    let mut scoring = TrustScoring::new();
    // Up and down by turns, so that each record is a change.
    for height in 0..ENTRIES_PER_NODE_MAX as u64 + 2 {
        let delta_ppm = if height % 2 == 0 { 1 } else { -1 };
        let record = ParticipationRecord {
            height,
            ..at(height, Participation::Modified { delta_ppm })
        };
        scoring.update_trust_score(node(1), record);
    }
    let entries = scoring.explain(&node(1));
    assert_eq!(entries.len(), ENTRIES_PER_NODE_MAX);
    assert_eq!(entries[0].height, 2);
}
