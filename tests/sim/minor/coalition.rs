//! A coalition of less than a third, and the honest members that it is up against.

use std::collections::BTreeMap;

use mycnet_consensus::internals::sim::oracle::Mutation;
use mycnet_consensus::{
    Ballot, ClaimRule, Class, ConsensusOperation, NodeId, OperationId, PanelScoring, Spore,
};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::town::Town;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// What came closest to breaking the property.
pub struct Seen {
    pub least_trust_ppm: u32,
    pub largest_share_ppm: u32,
}

/// What the coalition does with its commits to one operation.
#[derive(Clone, Copy)]
enum Conduct {
    Prompt,
    /// Commits only once the others had their time: a freeze waits for it.
    Late,
    Never,
    /// Commits and never reveals.
    Withhold,
    /// Reveals if the honest reveals suit it.
    Choose,
}

/// What everybody means to answer to an operation.
struct Question {
    ballots: Vec<Ballot>,
    conduct: Conduct,
    /// Its electors, if it names them.
    panel: Option<Vec<NodeId>>,
}

struct Game {
    rng: ChaCha8Rng,
    town: Town,
    roles: Vec<Spore>,
    is_liar: Vec<bool>,
    /// The honest member that the coalition is after.
    victim: usize,
    /// Percent of the claims that single out the victim, and of the proposals that the coalition makes.
    singles: u32,
    proposes: u32,
    questions: BTreeMap<OperationId, Question>,
    floor_ppm: u32,
    seen: Seen,
}

/// Plays until so many operations were proposed.
///
/// # Errors
///
/// What was broken.
pub fn play(seed: u64, operations: usize, mutation: Option<Mutation>) -> Result<Seen, String> {
    let mut game = Game::new(seed, mutation);
    while game.questions.len() < operations {
        game.round()?;
    }
    game.town.compare()?;
    Ok(game.seen)
}

impl Game {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let members: usize = rng.random_range(4..=16);
        let most = (members - 1) / 3;
        let liars = if rng.random_ratio(3, 4) {
            most
        } else {
            rng.random_range(1..=most)
        };
        let mut is_liar = vec![false; members];
        is_liar[..liars].fill(true);
        is_liar.shuffle(&mut rng);
        let seeds = rng.random_range(0..=4);
        let role = |who| match who {
            0 => Spore::Primary,
            _ if who <= seeds => Spore::Seed,
            _ => Spore::Latent,
        };
        let roles: Vec<Spore> = (0..members).map(role).collect();
        let scoring = [PanelScoring::Quorum, PanelScoring::Authorities][rng.random_range(0..2)];
        let town = Town::new(&roles, scoring, mutation);
        let honest: Vec<usize> = (0..members).filter(|who| !is_liar[*who]).collect();
        Self {
            victim: *honest.choose(&mut rng).expect("most are honest"),
            singles: [20, 50, 95][rng.random_range(0..3)],
            proposes: [40, 80, 100][rng.random_range(0..3)],
            questions: BTreeMap::new(),
            floor_ppm: if mutation == Some(Mutation::NoFloorOfSkill) {
                0
            } else {
                town.genesis.params.skill_floor_ppm
            },
            seen: Seen {
                least_trust_ppm: 1_000_000,
                largest_share_ppm: 0,
            },
            rng,
            town,
            roles,
            is_liar,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    fn everybody(&self) -> std::ops::Range<usize> {
        0..self.roles.len()
    }

    /// Proposals and prompt commits; late commits; reveals; then time passes.
    fn round(&mut self) -> Result<(), String> {
        let awake: Vec<bool> = self.everybody().map(|_| self.chance(90)).collect();
        let prompt: Vec<bool> = awake
            .iter()
            .map(|awake| *awake && self.chance(60))
            .collect();
        let mut fresh = Vec::new();
        for _ in 0..self.rng.random_range(1..=5) {
            fresh.extend(self.propose());
        }
        for id in &fresh {
            self.commit(*id, &prompt, false);
        }
        self.seal(1)?;
        let grace_ms = self.town.genesis.params.claim_grace_ms;
        let pauses = [
            1,
            grace_ms / 4,
            grace_ms / 2,
            grace_ms,
            15 * MINUTE_MS,
            HOUR_MS,
        ];
        let pause_ms = pauses[self.rng.random_range(0..pauses.len())];
        if self.chance(50) {
            // The coalition hurries: what it waited with freezes before the honest latecomers have committed.
            self.commit_to_open(&vec![false; self.roles.len()]);
            self.seal(pause_ms)?;
        }
        self.commit_to_open(&awake);
        self.seal(pause_ms)?;
        self.seal(HOUR_MS)?;
        self.reveal();
        self.seal(MINUTE_MS)?;
        let rest_ms = match self.rng.random_range(0..10) {
            0..2 => MINUTE_MS,
            2..7 => self.rng.random_range(1..=6) * HOUR_MS,
            _ => self.rng.random_range(24..=30) * HOUR_MS,
        };
        // Nobody may have more than 64 proposals open.
        let is_crowded = self.town.open().len() > 40;
        self.town.now_ms += if is_crowded { 30 * HOUR_MS } else { rest_ms };
        Ok(())
    }

    fn commit_to_open(&mut self, awake: &[bool]) {
        for (id, operation) in self.town.open() {
            if operation.phase == "committing" {
                self.commit(id, awake, true);
            }
        }
    }

    /// Commits of the honest members that are awake, and of the coalition as it conducts itself.
    #[allow(clippy::needless_range_loop, reason = "several lists by one index")]
    fn commit(&mut self, id: OperationId, awake: &[bool], is_late: bool) {
        let question = &self.questions[&id];
        for who in 0..self.roles.len() {
            let votes = match (self.is_liar[who], question.conduct) {
                (false, _) => awake[who],
                (true, Conduct::Never) => false,
                (true, Conduct::Late) => is_late,
                (true, _) => true,
            };
            let node = self.town.id(who);
            let panel = question.panel.as_ref();
            if votes && panel.is_none_or(|panel| panel.contains(&node)) {
                self.town.commit(who, id, &question.ballots[who]);
            }
        }
    }

    /// Every honest member reveals; the coalition does as it likes.
    fn reveal(&mut self) {
        for (id, operation) in self.town.open() {
            if !matches!(operation.phase, "revealing" | "decided") {
                continue;
            }
            let question = &self.questions[&id];
            let suits = self.suits(question);
            for who in 0..self.roles.len() {
                let node = self.town.id(who);
                let reveals = match (self.is_liar[who], question.conduct) {
                    (true, Conduct::Withhold) => false,
                    (true, Conduct::Choose) => suits,
                    _ => true,
                };
                if reveals
                    && operation.frozen.contains(&node)
                    && !operation.revealed.contains(&node)
                {
                    self.town.reveal(who, id);
                }
            }
        }
    }

    /// Whether more honest members answer as the coalition than as any one of them alone.
    fn suits(&self, question: &Question) -> bool {
        let liar = self.is_liar.iter().position(|is_liar| *is_liar);
        let wish = &question.ballots[liar.expect("a coalition has a member")];
        let honest = self.everybody().filter(|who| !self.is_liar[*who]);
        honest.filter(|who| question.ballots[*who] == *wish).count() > 1
    }

    fn propose(&mut self) -> Option<OperationId> {
        let by_liar = self.chance(self.proposes);
        let able: Vec<usize> = self
            .everybody()
            .filter(|who| self.is_liar[*who] == by_liar)
            .collect();
        let who = *able.choose(&mut self.rng).expect("there are some of both");
        let (operation, ballots) = if self.chance(70) {
            self.claim(who)
        } else {
            self.critical()
        };
        let conduct = match self.rng.random_range(0..10) {
            0..4 => Conduct::Prompt,
            4..6 => Conduct::Late,
            6 => Conduct::Never,
            7 => Conduct::Withhold,
            _ => Conduct::Choose,
        };
        let panel = operation.panel().map(<[NodeId]>::to_vec);
        let id = self.town.propose(who, operation)?;
        let question = Question {
            ballots,
            conduct,
            panel,
        };
        self.questions.insert(id, question);
        Some(id)
    }

    /// A claim about which honest answers split by chance, or the victim's differs, or nobody but the coalition knows; the
    /// coalition answers together.
    #[allow(clippy::needless_range_loop, reason = "several lists by one index")]
    fn claim(&mut self, proposer: usize) -> (ConsensusOperation, Vec<Ballot>) {
        let result = |number: usize| Ballot::Result(vec![u8::try_from(number).unwrap_or(255)]);
        let members = self.roles.len();
        let (mut answers, mut wish) = (vec![0; members], 0);
        match self.rng.random_range(0..100) {
            roll if roll < self.singles => answers[self.victim] = 1,
            roll if roll < self.singles + (100 - self.singles) / 2 => {
                let groups = self.rng.random_range(2..=3);
                for answer in &mut answers {
                    *answer = self.rng.random_range(0..groups);
                }
                // The coalition is with the most of those that do not answer as the victim does.
                let count = |answer| {
                    let honest = (0..members).filter(|who| !self.is_liar[*who]);
                    honest.filter(|who| answers[*who] == answer).count()
                };
                let others = (0..groups).filter(|answer| *answer != answers[self.victim]);
                wish = others.max_by_key(|answer| count(*answer)).unwrap_or(0);
            }
            _ => {
                // A secret: all honest answers differ.
                answers = (1..=members).collect();
            }
        }
        let mut ballots: Vec<Ballot> = answers.into_iter().map(result).collect();
        let wish = if self.chance(10) {
            Ballot::Abstain
        } else {
            result(wish)
        };
        for who in 0..members {
            if self.is_liar[who] {
                ballots[who] = wish.clone();
            }
        }
        let shares = [0, 0, 500_000, 500_000, 600_000, 666_667];
        let nonce = self.town.nonce();
        let claim = ConsensusOperation::Claim {
            subject: format!("claim {nonce}"),
            input: Vec::new(),
            panel: self.choose_panel(proposer),
            rule: ClaimRule {
                share_ppm: shares[self.rng.random_range(0..shares.len())],
                electors: self.rng.random_range(1..=3),
            },
        };
        (claim, ballots)
    }

    /// Friends and the victim, and sometimes others.
    fn choose_panel(&mut self, proposer: usize) -> Option<Vec<NodeId>> {
        if self.roles[proposer] == Spore::Latent || self.chance(50) {
            return None;
        }
        let others = [0, 30, 90][self.rng.random_range(0..3)];
        let mut panel: Vec<NodeId> = Vec::new();
        for who in self.everybody() {
            if self.is_liar[who] || who == self.victim || self.chance(others) {
                panel.push(self.town.id(who));
            }
        }
        panel.sort_unstable();
        (panel.len() >= 3).then_some(panel)
    }

    /// Honest members agree but for a few; the coalition is against it, or wants what harms the victim.
    fn critical(&mut self) -> (ConsensusOperation, Vec<Ballot>) {
        let harm = self.chance(30);
        let victim = self.town.id(self.victim);
        let reason = String::new();
        let operation = match self.rng.random_range(0..3) {
            0 if harm => ConsensusOperation::NodeExclusion {
                node: victim,
                reason,
            },
            1 if harm => ConsensusOperation::TrustScoreModification {
                node: victim,
                delta_ppm: -400_000,
                reason,
            },
            2 if harm => ConsensusOperation::NetworkConfiguration {
                config_type: "param.critical_dissent_ppm".to_owned(),
                proposed_change: b"500000".to_vec(),
            },
            _ => ConsensusOperation::NetworkConfiguration {
                config_type: "motd".to_owned(),
                proposed_change: b"hello".to_vec(),
            },
        };
        assert_eq!(operation.class(), Class::Critical);
        let (good, bad) = if harm {
            (Ballot::Reject, Ballot::Approve)
        } else {
            (Ballot::Approve, Ballot::Reject)
        };
        let wish = [&good, &bad, &bad, &Ballot::Abstain][self.rng.random_range(0..4)].clone();
        let mut ballots = Vec::new();
        for who in self.everybody() {
            let is_odd = !harm && self.chance(4);
            ballots.push(match (self.is_liar[who], is_odd) {
                (true, _) => wish.clone(),
                (false, true) => bad.clone(),
                (false, false) => good.clone(),
            });
        }
        (operation, ballots)
    }

    fn seal(&mut self, after_ms: u64) -> Result<(), String> {
        self.town.seal(after_ms)?;
        self.judge()
    }

    /// The property itself.
    fn judge(&mut self) -> Result<(), String> {
        let members = self.town.oracle.members();
        let (mut votes, mut weights) = ([0_u64; 2], [0_u64; 2]);
        for who in self.everybody() {
            let member = members
                .get(&self.town.id(who))
                .ok_or("a member is excluded")?;
            let side = usize::from(self.is_liar[who]);
            votes[side] += u64::from(member.standing == "active");
            weights[side] += u64::from(member.skill_ppm.max(self.floor_ppm));
            if side == 0 {
                self.seen.least_trust_ppm = self.seen.least_trust_ppm.min(member.trust_ppm);
                if member.standing != "active" {
                    return Err(format!("honest member {who} is {}", member.standing));
                }
            }
        }
        let total = weights[0] + weights[1];
        let share = u32::try_from(1_000_000 * weights[1] / total).expect("a share of one");
        self.seen.largest_share_ppm = self.seen.largest_share_ppm.max(share);
        if 2 * weights[1] >= total {
            return Err(format!("the coalition weighs {weights:?} in claims"));
        }
        if 3 * votes[1] >= votes[0] + votes[1] {
            return Err(format!("the coalition has {votes:?} of the votes"));
        }
        Ok(())
    }
}
