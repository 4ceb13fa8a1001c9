use super::*;
use crate::base::digest::OperationId;
use crate::statement::operation::Class;

mod log;
mod properties;
mod scoring;
mod standing;
mod table;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// An event at this seal time, in an operation in which everybody took part and agreed.
fn at(time_ms: u64, event: Participation) -> ParticipationRecord {
    ParticipationRecord::new(1, time_ms, OperationId::from_bytes([7; 32]), event)
}

/// The same event, in an operation with this support.
fn under(support: Support, record: ParticipationRecord) -> ParticipationRecord {
    ParticipationRecord { support, ..record }
}

fn revealed(time_ms: u64) -> ParticipationRecord {
    at(time_ms, Participation::Revealed)
}

/// A founding member that joined at time 0, after these records, under default parameters.
fn founder_after(records: &[ParticipationRecord]) -> TrustState {
    let mut state = TrustState::founder(&Params::default(), 0);
    apply_all(&mut state, records);
    state
}

fn apply_all(state: &mut TrustState, records: &[ParticipationRecord]) {
    for record in records {
        state.apply(&Params::default(), record);
    }
}

/// Agreement once a day, so that each lengthens the row.
fn coherent(days: std::ops::Range<u64>) -> Vec<ParticipationRecord> {
    let event = Participation::Coherent(Class::Critical);
    days.map(|day| at(day * DAY_MS, event)).collect()
}

fn modified(delta_ppm: i32) -> ParticipationRecord {
    at(9, Participation::Modified { delta_ppm })
}
