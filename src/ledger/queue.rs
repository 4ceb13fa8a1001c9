//! The queue of proposers ([S5]): who is away, late or refused does not hold up the next height, and who is met most leads.

use crate::base::digest::NodeId;
use crate::members::roster::Roster;
use crate::members::trust::is_within;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The queue after a seal, with the roster's lines that it reads and changes.
pub(super) struct Turn<'a> {
    /// The roster after the seal.
    pub(super) roster: &'a mut Roster,
    /// The Primary before the seal.
    pub(super) former_primary: Option<NodeId>,
    /// The round of the seal's fresh proposal.
    pub(super) round: u32,
    /// The seal's time.
    pub(super) time_ms: u64,
    /// The commit window before the seal.
    pub(super) window_ms: u64,
    /// Whether the seal's proposer was moved less than this before the seal. At the seal it may have lost its line.
    pub(super) was_leader_moved: bool,
    /// Whether the seal lists a record of the Primary other than a `Rejoin`.
    pub(super) has_word_of_primary: bool,
}

impl Turn<'_> {
    /// The queue after the seal, and the number of seals in a row that its front proposed (*tenure*). `order` is the queue
    /// before, `sealers` are those of the next height by role and key.
    pub(super) fn next(
        mut self,
        order: &[NodeId],
        tenure: u32,
        sealers: &[NodeId],
    ) -> (Vec<NodeId>, u32) {
        let mut queue = order.to_vec();
        let front = queue.first().copied();
        let tenure = self.rotate(&mut queue, tenure);
        queue.retain(|node| sealers.contains(node));
        let joined = sealers.iter().filter(|node| !order.contains(node));
        queue.extend(joined);
        self.recall_primary(&mut queue);
        let is_same_front = front.is_some() && queue.first().copied() == front;
        (queue, if is_same_front { tenure } else { 0 })
    }

    /// Moves those that the seal did not wait for, or a front that led for as many seals as there are sealers.
    fn rotate(&mut self, queue: &mut [NodeId], tenure: u32) -> u32 {
        let len = queue.len();
        if len < 2 {
            return tenure.saturating_add(1);
        }
        let passed = self.round as usize % len;
        if passed > 0 {
            let passed = if self.was_leader_moved { 1 } else { passed };
            queue.rotate_left(passed);
            return 0;
        }
        let tenure = tenure.saturating_add(1);
        if (tenure as usize) < len {
            return tenure;
        }
        // A banned line never changes again.
        let front = self.roster.get_mut(&queue[0]);
        if let Some(member) = front.filter(|member| !member.is_banned()) {
            member.moved_ms = Some(self.time_ms);
        }
        queue.rotate_left(1);
        0
    }

    /// The Primary leads when it is about: a seal of the first round has its word. A new Primary leads at once.
    fn recall_primary(&self, queue: &mut [NodeId]) {
        let Some(primary) = self.roster.primary() else {
            return;
        };
        let Some(place) = queue.iter().position(|node| *node == primary) else {
            return;
        };
        let is_new = self.former_primary != Some(primary);
        let is_about = self.round == 0 && self.has_word_of_primary;
        if (is_new || is_about) && !is_moved(self.roster, &primary, self.time_ms, self.window_ms) {
            queue[..=place].rotate_right(1);
        }
    }
}

/// Whether a member was moved because it led too long, less than a commit window before this time.
pub(super) fn is_moved(roster: &Roster, node: &NodeId, time_ms: u64, window_ms: u64) -> bool {
    let moved_ms = roster.get(node).and_then(|member| member.moved_ms);
    is_within(moved_ms, time_ms, window_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::genesis::Genesis;
    use crate::statement::params::Params;
    use crate::statement::spore::Spore;

    const WINDOW_MS: u64 = 1000;

    fn node(byte: u8) -> NodeId {
        use crate::base::identity::{Identity, Signer as _};
        Identity::from_seed_label(&format!("member {byte}")).node_id()
    }

    /// Member 0 is the Primary, 1 a Seed, 2 and 3 Latents.
    struct Case {
        roster: Roster,
        names: Vec<NodeId>,
        queue: Vec<NodeId>,
        tenure: u32,
        time_ms: u64,
    }

    impl Case {
        fn new() -> Self {
            let mut latents = [node(2), node(3)];
            latents.sort_unstable();
            let names = vec![node(0), node(1), latents[0], latents[1]];
            let roles = [Spore::Primary, Spore::Seed, Spore::Latent, Spore::Latent];
            let mut genesis = Genesis::builder("queue").params(Params::dev());
            for (node, role) in names.iter().zip(roles) {
                genesis = genesis.member(*node, role);
            }
            Self {
                roster: Roster::founders(&genesis.build().unwrap()),
                queue: names.clone(),
                names,
                tenure: 0,
                time_ms: 0,
            }
        }

        fn seal(&mut self, round: u32, has_word_of_primary: bool) -> Vec<usize> {
            self.time_ms += 10;
            let sealers = self
                .roster
                .sealers(crate::statement::genesis::Sealing::Members);
            let leader = self.queue[round as usize % self.queue.len()];
            let was_moved = is_moved(&self.roster, &leader, self.time_ms, WINDOW_MS);
            self.seal_with(round, has_word_of_primary, was_moved, &sealers)
        }

        /// As [`Self::seal`], of these sealers.
        fn seal_with(
            &mut self,
            round: u32,
            has_word_of_primary: bool,
            was_leader_moved: bool,
            sealers: &[NodeId],
        ) -> Vec<usize> {
            let turn = Turn {
                was_leader_moved,
                former_primary: self.roster.primary(),
                roster: &mut self.roster,
                round,
                time_ms: self.time_ms,
                window_ms: WINDOW_MS,
                has_word_of_primary,
            };
            (self.queue, self.tenure) = turn.next(&self.queue, self.tenure, sealers);
            let place = |node: &NodeId| self.names.iter().position(|it| it == node).unwrap();
            self.queue.iter().map(place).collect()
        }
    }

    /// Rules: S5.
    #[test]
    fn those_before_the_leader_go_to_the_end() {
        let mut case = Case::new();
        assert_eq!(case.seal(2, false), [2, 3, 0, 1]);
        assert_eq!(case.seal(0, false), [2, 3, 0, 1]);
        assert_eq!(
            case.seal(5, false),
            [3, 0, 1, 2],
            "rounds count modulo four"
        );
        assert_eq!(
            case.seal(0, true),
            [0, 3, 1, 2],
            "the Primary is heard again"
        );
        assert_eq!(case.seal(1, true), [3, 1, 2, 0], "not in a later round");
    }

    /// Rules: S5.
    #[test]
    fn a_front_that_leads_too_long_is_moved_and_stays_so_for_a_window() {
        let mut case = Case::new();
        for _ in 0..3 {
            assert_eq!(case.seal(0, true), [0, 1, 2, 3]);
        }
        assert_eq!(case.seal(0, true), [1, 2, 3, 0], "four seals in a row");
        assert_eq!(
            case.seal(0, true),
            [1, 2, 3, 0],
            "not back within the window"
        );
        assert_eq!(
            case.seal(3, true),
            [2, 3, 0, 1],
            "its seal moves only the front"
        );
        case.time_ms += WINDOW_MS;
        assert_eq!(case.seal(0, true), [0, 2, 3, 1], "back after it");
    }

    /// A member that was moved loses its vote at the seal that it proposes: the seal moves only the front all the same.
    ///
    /// Rules: S5.
    #[test]
    fn a_moved_leader_that_leaves_moves_only_the_front() {
        let mut case = Case::new();
        for _ in 0..4 {
            case.seal(0, true);
        }
        let leader = case.queue[3];
        assert_eq!(leader, case.names[0], "it was moved to the end");
        let others: Vec<NodeId> = case.names[1..].to_vec();
        case.time_ms += 10;
        let was_moved = is_moved(&case.roster, &leader, case.time_ms, WINDOW_MS);
        case.roster.remove(&leader);
        assert_eq!(case.seal_with(3, false, was_moved, &others), [2, 3, 1]);
        // The roster after the seal does not know it any more.
        assert!(was_moved && !is_moved(&case.roster, &leader, case.time_ms, WINDOW_MS));
    }

    /// Rules: S5.
    #[test]
    fn a_late_leader_cannot_keep_the_front_by_leading_in_every_round_zero() {
        let mut case = Case::new();
        let led = (0..100).filter(|_| case.seal(0, true)[0] == 0).count();
        assert!(led <= 100 / 4 + 4, "{led}");
    }
}
