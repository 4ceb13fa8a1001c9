use super::*;
use crate::base::digest::OperationId;

mod log;
mod properties;
mod scoring;
mod standing;
mod table;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// An event at this seal time, in an operation that scores its electors.
fn at(time_ms: u64, event: Participation) -> ParticipationRecord {
    ParticipationRecord::new(1, time_ms, OperationId::from_bytes([7; 32]), event)
}

fn unscored(record: ParticipationRecord) -> ParticipationRecord {
    ParticipationRecord {
        scored: false,
        ..record
    }
}

fn withheld(frozen_ms: u64, closed_ms: u64) -> ParticipationRecord {
    at(closed_ms, Participation::Withheld { frozen_ms })
}

fn revealed(time_ms: u64) -> ParticipationRecord {
    at(time_ms, Participation::Revealed)
}

/// A founding member after these records, under default parameters.
fn founder_after(records: &[ParticipationRecord]) -> TrustState {
    let params = Params::default();
    let mut state = TrustState::founder(&params);
    for record in records {
        state.apply(&params, record);
    }
    state
}
