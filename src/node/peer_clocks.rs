//! The time that a node goes by: its own clock, unless more than half of the sealers contradict it ([S6]).

use std::time::Duration;

use tokio::time::Instant;

use crate::core::Core;
use crate::net::{Transport, correction_ms};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The least time between two looks at the peers' clocks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the peers' clocks add to a node's own.
///
/// With three sealers all must agree on each seal. One whose clock is an hour behind would refuse every time at which a window
/// ends, until its own clock gets there. So it goes by the others' clocks. Its own is still what it tells them, and what people
/// are warned of ([N6]).
#[derive(Debug, Default)]
pub(super) struct PeerClocks {
    correction_ms: i64,
    looked: Option<Instant>,
}

impl PeerClocks {
    /// Compares the clocks again, if the last time is long enough ago.
    pub(super) fn look(&mut self, core: &mut Core, transport: &Transport) {
        let now = Instant::now();
        if self.looked.is_some_and(|looked| now - looked < LOOK_EVERY) {
            return;
        }
        self.looked = Some(now);
        let state = core.ledger().state();
        let peers = transport.peers().into_iter();
        let sealers = peers.filter(|peer| state.sealers().contains(&peer.author));
        let correction_ms = correction_ms(
            sealers.map(|peer| peer.ahead_ms).collect(),
            state.sealers().len(),
            state.params().drift_ms,
        );
        if (correction_ms == 0) != (self.correction_ms == 0) {
            tracing::warn!(
                correction_ms,
                "more than half of the sealers contradict this node's clock, or do no longer"
            );
        }
        self.correction_ms = correction_ms;
        core.set_correction(correction_ms);
    }
}
