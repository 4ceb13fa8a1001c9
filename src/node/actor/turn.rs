//! One turn: inputs through the core, what follows from them onto the disk, and then out to peers and callers.

use tokio::time::Instant;

use super::{Actor, Inputs, Rejoin, TURN_BYTES_MAX};
use crate::core::{Core, Event, Input, Output, Outputs, PeerId, Refusal, Write};
use crate::engine::random_bytes;
use crate::node::NodeError;
use crate::node::handle::check_branch;
use crate::node::shares::is_gain;

/// Rounds that a seal may take before this node dials peers beyond those it has: it may be connected to the wrong ones only.
const ROUNDS_WITH_THESE_PEERS: u32 = 2;

impl Actor {
    /// Takes inputs through the core, until much is to be said or none is left, writes what follows, then does the rest.
    pub(super) fn turn(&mut self, inputs: &mut Inputs) -> Result<(), NodeError> {
        let now_ms = self.clock.now_ms();
        self.told_ms = now_ms;
        let shared = self.shared.clone();
        let mut core = shared.core();
        core.set_timing(self.rhythm.timing());
        let (mut outputs, mut answers) = (Vec::new(), Vec::new());
        let mut said = 0;
        while said < TURN_BYTES_MAX
            && let Some((input, reply)) = inputs.pop_front()
        {
            let done = self.take(&mut core, input, now_ms);
            said += done.list.iter().map(weight).sum::<usize>();
            outputs.extend(done.list);
            answers.extend(reply.map(|reply| (reply, done.answer)));
        }
        self.keep_time(&mut core, now_ms, &mut outputs);
        let (writes, rest) = self.sort(outputs);
        self.check_branch(&rest)?;
        shared.store.write(&writes)?;
        // Before anything else is signed: the next write would be refused.
        if rest
            .iter()
            .any(|output| matches!(output, Output::Event(Event::JournalLost)))
        {
            shared.store.note_journal_lost()?;
            self.rejoin = Rejoin::Owed;
        }
        shared.store.checkpoint_if_due(core.ledger())?;
        self.keep_addresses(now_ms)?;
        let asks_anew = self.note_seals(&core, &rest);
        self.rhythm.settle(&core);
        drop(core);
        for output in rest {
            self.perform(output);
        }
        if let Some(connected) = &self.connected
            && asks_anew
        {
            connected.transport.recheck();
            // Who left is not dialled after the next start either.
            self.has_new_addresses = true;
        }
        for (reply, answer) in answers {
            // Who does not wait any more loses nothing.
            let _ = reply.send(answer);
        }
        shared.signals.turned();
        Ok(())
    }

    /// Takes one input through the core.
    fn take(&mut self, core: &mut Core, input: Input, now_ms: u64) -> Outputs {
        match input {
            Input::Message { from, .. } => self.hear(core, from, input, now_ms),
            Input::PeerDown(peer) => {
                // Only now, after all that the peer said: whoever leaves at once answers for it all the same.
                self.rhythm.peer_down(peer);
                self.parted.remove(&peer);
                self.strangers.remove(&peer);
                if let Some(connected) = &self.connected {
                    connected.requests.forget(peer);
                }
                core.handle(input, now_ms)
            }
            _ => core.handle(input, now_ms),
        }
    }

    /// Takes a peer's message through the core. What it takes without bringing anything is its author's account.
    fn hear(&mut self, core: &mut Core, from: PeerId, input: Input, now_ms: u64) -> Outputs {
        if self.parted.contains(&from) {
            return Outputs::nothing();
        }
        let began = Instant::now();
        let done = core.handle(input, now_ms);
        let now = Instant::now();
        let (Some(author), Some(connected)) = (self.rhythm.author(from), &self.connected) else {
            return done;
        };
        let is_part = |output: &Output| matches!(output, Output::Part(_));
        if done.list.iter().any(is_part) {
            self.parted.insert(from);
            connected.transport.shun(from, author);
        }
        if !is_gain(&done.list)
            && let Some(pause) = self.shares.charge(author, now - began, now)
        {
            connected.transport.slow(author, pause);
        }
        done
    }

    /// What is due because time passed.
    fn keep_time(&mut self, core: &mut Core, now_ms: u64, outputs: &mut Vec<Output>) {
        if self.rejoin == Rejoin::Owed {
            self.rejoin = Rejoin::NotOwed;
            let nonce = random_bytes();
            let nonce = nonce.inspect_err(|error| tracing::error!(%error, "no rejoin"));
            if let Ok(nonce) = nonce {
                let done = core.handle(Input::Rejoin { nonce }, now_ms);
                outputs.extend(done.list);
                if let Err(refusal) = done.answer
                    && refusal != Refusal::NotLost
                {
                    tracing::warn!(%refusal, "the rejoin waits");
                    self.rejoin = Rejoin::Refused;
                }
            }
        }
        for input in self.rhythm.take_due(now_ms) {
            outputs.extend(core.handle(input, now_ms).list);
        }
        if self.rhythm.gives_up(core) {
            let waiting = core.waiting();
            tracing::debug!(
                height = waiting.height,
                round = waiting.round,
                step = ?waiting.step,
                "gave up waiting"
            );
            if let Some(connected) = &self.connected
                && waiting.round >= ROUNDS_WITH_THESE_PEERS
            {
                connected.transport.dial_another();
            }
            outputs.extend(core.handle(Input::Nudge, now_ms).list);
        }
        if let Some(connected) = &self.connected {
            for peer in self.rhythm.take_silent() {
                connected.transport.suspect(peer);
            }
        }
    }

    /// Parts what has to be durable from what comes after it.
    fn sort(&mut self, outputs: Vec<Output>) -> (Vec<Write>, Vec<Output>) {
        let (mut writes, mut rest) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Persist(write) => {
                    if let Write::Record(record) | Write::Vote(record) = &write {
                        self.rhythm.heard(record.author());
                    }
                    writes.push(write);
                }
                other => rest.push(other),
            }
        }
        (writes, rest)
    }

    /// Stops before the disk has a seal that the ticket excludes.
    fn check_branch(&self, outputs: &[Output]) -> Result<(), NodeError> {
        let Some((expected_height, expected)) = self.expected else {
            return Ok(());
        };
        for output in outputs {
            if let Output::Event(Event::Sealed { height, seal, .. }) = output
                && *height == expected_height
            {
                check_branch(*height, expected, Some(*seal))?;
            }
        }
        Ok(())
    }

    fn keep_addresses(&mut self, now_ms: u64) -> Result<(), NodeError> {
        if let Some(connected) = &self.connected
            && self.has_new_addresses
        {
            let known = || connected.transport.known_peers();
            let book = &mut self.address_book;
            self.has_new_addresses = !book.keep_some(&self.shared.store, known, now_ms)?;
        }
        Ok(())
    }

    /// Takes note of what was sealed. Says whether it has to be asked anew who the peers are.
    fn note_seals(&mut self, core: &Core, outputs: &[Output]) -> bool {
        let (mut is_roster_changed, mut is_sealed) = (false, false);
        for output in outputs {
            let Output::Event(Event::Sealed { applied, .. }) = output else {
                continue;
            };
            let state = core.ledger().state();
            is_sealed = true;
            is_roster_changed |= self.shared.standings.apply(state, applied);
            self.has_documents_to_write |= !applied.closed.is_empty();
            if let Some(params) = &applied.params {
                self.rhythm.set_params(params);
            }
            self.rhythm.grew();
        }
        if is_roster_changed && self.rejoin == Rejoin::Refused {
            self.rejoin = Rejoin::Owed;
        }
        is_roster_changed || (is_sealed && !self.strangers.is_empty())
    }

    fn perform(&self, output: Output) {
        match (output, &self.connected) {
            (Output::Event(event), _) => self.shared.signals.tell(event),
            (Output::Send { to, message }, Some(connected)) => connected.send(to, &message),
            (Output::Serve { to, from, bytes }, Some(connected)) => {
                if let Some(author) = self.rhythm.author(to) {
                    connected.requests.serve(to, author, (from, bytes));
                }
            }
            // It was written, or done when it was heard, or there is nobody to hear it.
            (
                Output::Persist(_) | Output::Send { .. } | Output::Serve { .. } | Output::Part(_),
                _,
            ) => {}
        }
    }
}

/// About how many bytes an output keeps in memory until it is sent.
fn weight(output: &Output) -> usize {
    match output {
        Output::Send { message, .. } => message.weight(),
        _ => 0,
    }
}
