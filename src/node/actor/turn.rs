//! One turn: inputs go through the core, their results to the disk, and then out to peers and callers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Actor, Inputs, Rejoin, TURN_BYTES_MAX};
use crate::core::patience::Advice;
use crate::core::{Core, Event, Input, Output, Outputs, PeerId, Refusal, Write};
use crate::engine::random_bytes;
use crate::node::NodeError;
use crate::node::cpu_budget::is_gain;
use crate::node::shared::check_branch;

/// Rounds that a seal may take before this node dials additional peers, in case it is connected to the wrong ones.
const ROUNDS_WITH_THESE_PEERS: u32 = 2;

impl Actor {
    /// Takes inputs through the core until many bytes are to be sent or no input is left; then writes, and does the rest.
    pub(super) fn turn(&mut self, inputs: &mut Inputs) -> Result<(), NodeError> {
        let now_ms = self.clock.now_ms();
        self.last_turn_ms = now_ms;
        let shared = self.shared.clone();
        let mut core = shared.core();
        core.set_timing(self.timers.timing());
        if let Some(connected) = &self.connected {
            self.peer_clocks.look(&mut core, &connected.transport);
        }
        let (mut outputs, mut answers) = (Vec::new(), Vec::new());
        let mut said = 0;
        core.check_ahead(inputs.iter().filter_map(|(input, _)| match input {
            Input::Message { from, message } if !self.misbehaved.contains(from) => Some(message),
            _ => None,
        }));
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
        if !answers.is_empty() {
            // An answer says that what the caller gave is kept, such as what it imported.
            shared.store.sync()?;
        }
        // This comes before anything else is signed, because the next write would be refused.
        if rest
            .iter()
            .any(|output| matches!(output, Output::Event(Event::JournalLost)))
        {
            shared.store.note_journal_lost()?;
            self.rejoin = Rejoin::Owed;
        }
        if shared.store.checkpoint_if_due(core.ledger())? {
            self.packer.wake();
        }
        self.keep_addresses(now_ms)?;
        let is_endorsed = |write: &Write| matches!(write, Write::Endorsed(_));
        let has_endorsed = writes.iter().any(is_endorsed);
        let asks_anew =
            self.note_seals(&core, &rest) | (has_endorsed && shared.relations.set_founders(&core));
        let is_news = shared.relations.set_signing(core.signing_state());
        self.timers.settle(&core);
        drop(core);
        for output in joined(rest) {
            self.perform(output);
        }
        if let Some(connected) = &self.connected
            && asks_anew
        {
            connected.transport.recheck();
            // Former members are not dialled after the next start either.
            self.has_new_addresses = true;
        }
        if let Some(connected) = self.connected.as_ref().filter(|_| is_news) {
            connected.transport.report();
        }
        for (reply, answer) in answers {
            // A caller that stopped waiting loses nothing.
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
                // This comes after all messages of the peer, so that it answers for them even if it left at once.
                self.timers.peer_down(peer);
                self.misbehaved.remove(&peer);
                self.strangers.remove(&peer);
                if let Some(connected) = &self.connected {
                    connected.requests.forget(peer);
                }
                core.handle(input, now_ms)
            }
            _ => core.handle(input, now_ms),
        }
    }

    /// Takes a peer's message through the core. Time without a gain is charged to its author.
    fn hear(&mut self, core: &mut Core, from: PeerId, input: Input, now_ms: u64) -> Outputs {
        if self.misbehaved.contains(&from) {
            return Outputs::nothing();
        }
        let began = Instant::now();
        let done = core.handle(input, now_ms);
        let now = Instant::now();
        let (Some(author), Some(connected)) = (self.timers.author(from), &self.connected) else {
            return done;
        };
        let is_part = |output: &Output| matches!(output, Output::Part(_));
        if done.list.iter().any(is_part) {
            self.misbehaved.insert(from);
            connected.transport.quarantine(from, author);
        }
        if !is_gain(&done.list)
            && let Some(pause) = self.cpu_budget.charge(author, now - began, now)
        {
            connected.transport.slow(author, pause);
        }
        done
    }

    /// Adds what is due by time.
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
                    tracing::warn!(%refusal, "the rejoin is refused for now");
                    self.rejoin = Rejoin::Refused;
                }
            }
        }
        if self.hold.end(Instant::now()) {
            outputs.extend(core.handle(Input::Hold(false), now_ms).list);
        }
        for input in self.timers.take_due(now_ms) {
            outputs.extend(core.handle(input, now_ms).list);
        }
        match self.timers.look(core) {
            Advice::Wait => {}
            Advice::Lead => outputs.extend(core.handle(Input::Lead, now_ms).list),
            Advice::GiveUp => {
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
        }
        if let Some(connected) = &self.connected {
            for peer in self.timers.take_silent() {
                connected.transport.suspect(peer);
            }
        }
    }

    /// Separates what must be durable from what comes after it.
    fn sort(&mut self, outputs: Vec<Output>) -> (Vec<Write>, Vec<Output>) {
        let (mut writes, mut rest) = (Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Persist(write) => {
                    if let Write::Record(record) | Write::Vote(record) = &write {
                        self.timers.heard(record.author());
                    }
                    writes.push(write);
                }
                other => rest.push(other),
            }
        }
        (writes, rest)
    }

    /// Stops before the disk gets a seal that the ticket excludes.
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
            let book = &mut self.saved_peers;
            self.has_new_addresses = !book.keep_some(&self.shared.store, known, now_ms)?;
        }
        Ok(())
    }

    /// Records the sealed changes. Returns whether the peers' relations must be checked again.
    fn note_seals(&mut self, core: &Core, outputs: &[Output]) -> bool {
        let (mut is_roster_changed, mut is_sealed) = (false, false);
        for output in outputs {
            let Output::Event(Event::Sealed { applied, .. }) = output else {
                continue;
            };
            let state = core.ledger().state();
            is_sealed = true;
            let records = applied.records.len() as u64;
            self.shared
                .sealed_records
                .fetch_add(records, Ordering::Relaxed);
            is_roster_changed |= self.shared.relations.apply(state, applied);
            if let Some(params) = &applied.params {
                self.timers.set_params(params);
            }
            self.timers.grew();
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
                if let Some(author) = self.timers.author(to) {
                    connected.requests.serve(to, author, (from, bytes));
                }
            }
            // Already written, already done, or without a recipient.
            (
                Output::Persist(_) | Output::Send { .. } | Output::Serve { .. } | Output::Part(_),
                _,
            ) => {}
        }
    }
}

/// Joins messages of one turn to one peer, in their order.
fn joined(outputs: Vec<Output>) -> Vec<Output> {
    let mut all: Vec<Output> = Vec::with_capacity(outputs.len());
    let mut last: BTreeMap<PeerId, usize> = BTreeMap::new();
    for output in outputs {
        let output = match output {
            Output::Send { to, message } => match last.get(&to).map(|at| &mut all[*at]) {
                Some(Output::Send {
                    message: before, ..
                }) => match before.join(message) {
                    Ok(()) => continue,
                    Err(message) => Output::Send { to, message },
                },
                _ => Output::Send { to, message },
            },
            other => other,
        };
        if let Output::Send { to, .. } = &output {
            last.insert(*to, all.len());
        }
        all.push(output);
    }
    all
}

/// Approximate bytes of memory that an output takes until it is sent.
fn weight(output: &Output) -> usize {
    match output {
        Output::Send { message, .. } => message.weight(),
        _ => 0,
    }
}
