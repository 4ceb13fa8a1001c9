//! Trust and skill when an operation closes (T3).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::course::End;
use super::log::{Case, quorum};
use super::mutation::Mutation;
use super::roster::{Electorate, Member, Standing, within};
use super::vote::answers;
use super::{Entry, Oracle};
use crate::base::digest::NodeId;
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Outcome};
use crate::statement::record::Statement;

const FULL_PPM: u64 = 1_000_000;

/// So many of the questions of an operation.
#[derive(Clone, Copy)]
struct Part {
    part: u64,
    of: u64,
}

/// All there is.
const WHOLE: Part = Part { part: 1, of: 1 };

/// A score after a gain: a share of what is missing, in proportion, rounded down once.
fn gained(score: u32, share_ppm: u32, Part { part, of }: Part) -> u32 {
    let missing = FULL_PPM - u64::from(score);
    let gain = u64::from(share_ppm) * missing * part / (FULL_PPM * of);
    score + u32::try_from(gain).expect("a share of what is missing to a score is no more than it")
}

/// A score after a penalty: a share of it, in proportion, rounded up once.
fn lost(score: u32, share_ppm: u32, Part { part, of }: Part) -> u32 {
    let product = u64::from(share_ppm) * u64::from(score) * part;
    let penalty = product.div_ceil(FULL_PPM * of);
    score - u32::try_from(penalty).expect("a share of a score is no more than the score")
}

/// How an operation was decided.
struct Verdict {
    /// What was decided of each of its questions; none for those without a quorum.
    decided: Vec<Option<Decided>>,
    /// It is a chance of its electors.
    chance: bool,
}

/// How far the outcome of a question was agreed to.
struct Decided {
    answer: Ballot,
    /// More than half of all votes revealed it.
    seconded: bool,
    /// More than two thirds of all votes did.
    backed: bool,
    /// More than half of the electors with weight, and of the weight, did.
    carried: bool,
}

impl Verdict {
    /// Whether the outcome of some question is seconded.
    fn seconded(&self) -> bool {
        self.decided.iter().flatten().any(|it| it.seconded)
    }

    /// The number of decided questions to which an elector gave the right or a wrong answer.
    fn count(&self, answers: &[Ballot], is_right: bool, counts: impl Fn(&Decided) -> bool) -> u64 {
        let mut count = 0;
        for (decided, answer) in self.decided.iter().zip(answers) {
            if let Some(decided) = decided
                && *answer != Ballot::Abstain
                && (*answer == decided.answer) == is_right
                && counts(decided)
            {
                count += 1;
            }
        }
        count
    }
}

/// An elector's conduct, as far as it is scored.
enum Deed<'a> {
    Revealed(&'a Ballot),
    Withheld,
    /// Its reveal is missing, but the operation closed before the end of the window.
    Late,
    /// It has no frozen commit.
    Away,
}

impl Oracle {
    /// Settles the scores of an operation that closed at the last seal.
    pub(super) fn score(&mut self, case: &Case) {
        for author in overruled(case) {
            self.charge_objection(case, author);
        }
        let (Some(electorate), Some((_, commits))) = (&case.course.electorate, &case.course.frozen)
        else {
            return;
        };
        let verdict = self.verdict(case);
        let now_ms = self.now().time_ms;
        for elector in electorate.electors.keys() {
            let deed = match case.course.revealed.get(elector) {
                Some(ballot) => Deed::Revealed(ballot),
                None if !commits.contains_key(elector) => Deed::Away,
                None if case.course.end == Some(End::Window) => Deed::Withheld,
                None => Deed::Late,
            };
            self.enter(Some(case), *elector, |member| match deed {
                Deed::Revealed(ballot) => member.revealed(case, &verdict, ballot, now_ms),
                Deed::Withheld => member.withheld(case, &verdict, now_ms),
                Deed::Late => member.late(case, &verdict, now_ms),
                Deed::Away => member.away(case, &verdict, now_ms),
            });
        }
    }

    /// Applies an event to a member that is there and not banned, judges its standing, and notes why.
    fn enter(
        &mut self,
        case: Option<&Case>,
        node: NodeId,
        event: impl FnOnce(&mut Member) -> &'static str,
    ) {
        let height = self.height();
        let mut entry = None;
        self.update(node, |member| {
            let before = (member.trust, member.skill);
            let reason = event(member);
            if let Some(case) = case {
                member.restand(&case.params);
            }
            let after = (member.trust, member.skill);
            entry = Some(Entry {
                height,
                operation: case.map(|case| case.id),
                node,
                reason,
                before,
                after,
            });
        });
        self.entries.extend(entry);
    }

    /// Evidence counts once: both scores are gone, for ever.
    pub(super) fn ban(&mut self, equivocators: &BTreeSet<NodeId>) {
        for node in equivocators {
            self.enter(None, *node, |member| {
                member.standing = Standing::Banned;
                (member.trust, member.skill, member.row) = (0, 0, 0);
                "equivocation"
            });
        }
    }

    fn charge_objection(&mut self, case: &Case, author: NodeId) {
        let now_ms = self.now().time_ms;
        let is_free = self.mutation == Some(Mutation::ObjectionsFree);
        self.enter(Some(case), author, |member| {
            let window_ms = case.params.objection_window_ms;
            if is_free || within(member.times.objection, now_ms, window_ms) {
                return "overruled_uncharged";
            }
            member.trust = lost(member.trust, case.params.overruled_ppm, WHOLE);
            member.times.objection = Some(now_ms);
            "overruled"
        });
    }

    /// Judges an operation that froze, and notes on its proposer's line that it was a chance.
    fn verdict(&mut self, case: &Case) -> Verdict {
        let chance = self.is_chance(case);
        if chance {
            // Also on a banned line, so that a banned proposer gives no more chances than any other.
            let now_ms = self.now().time_ms;
            if let Some(line) = Arc::make_mut(&mut self.roster).get_mut(&case.by) {
                line.times.chance = Some(now_ms);
            }
        }
        let decided = match case.course.outcome() {
            Some(Outcome::Decided(ballot)) => Some(ballot.clone()),
            _ => None,
        };
        let (Some(electorate), Some(ballot)) = (&case.course.electorate, &decided) else {
            let decided = Vec::new();
            return Verdict { decided, chance };
        };
        let outcomes = answers(case, ballot).into_iter().enumerate();
        let decided = outcomes.map(|(question, answer)| {
            // An item of a claim set without a quorum.
            let has_quorum = answer != Ballot::Abstain;
            has_quorum.then(|| decided_of(case, electorate, question, answer))
        });
        Verdict {
            decided: decided.collect(),
            chance,
        }
    }

    /// Whether electors with more than two thirds of all votes were frozen, and the proposer may give a chance again.
    fn is_chance(&self, case: &Case) -> bool {
        let (Some(electorate), Some((_, commits))) = (&case.course.electorate, &case.course.frozen)
        else {
            return false;
        };
        let frozen = electorate.votes_of(commits.keys());
        let is_general = quorum(frozen as u128, electorate.all_votes as u128)
            || case.mutation == Some(Mutation::ChancesWithoutVotes);
        let window_ms = case.params.commit_window_ms;
        let may_give = self.roster.get(&case.by).is_some_and(|line| {
            !within(line.times.chance, self.now().time_ms, window_ms)
                || case.mutation == Some(Mutation::ChancesAtOnce)
        });
        case.moves_trust() && is_general && may_give
    }
}

/// Judges the outcome of one question by the votes and weights of those who revealed it.
fn decided_of(case: &Case, electorate: &Electorate, question: usize, answer: Ballot) -> Decided {
    let revealed = case.course.revealed.iter();
    let agree = revealed.filter(|(_, shown)| answers(case, shown)[question] == answer);
    let agree: Vec<&NodeId> = agree.map(|(author, _)| author).collect();
    let votes = electorate.votes_of(agree.iter().copied());
    let all = electorate.all_votes;
    let is = |rule| case.mutation == Some(rule);
    let first_edition = is(Mutation::FirstEdition);
    let by_heads = 2 * electorate.heads_of(agree.iter().copied()) > electorate.heads();
    let by_weight = 2 * electorate.weight_of(agree) > electorate.total();
    Decided {
        answer,
        seconded: 2 * votes > all || first_edition || is(Mutation::GainUnseconded),
        backed: 3 * votes > 2 * all || first_edition || is(Mutation::LossUnbacked),
        carried: by_heads && by_weight || first_edition || is(Mutation::SkillUncarried),
    }
}

/// The authors of objections that the outcome overrules: it is what the one directive said, or an approval without one.
fn overruled(case: &Case) -> BTreeSet<NodeId> {
    let mut directives = BTreeSet::new();
    let mut objectors = BTreeSet::new();
    for record in &case.records {
        match record.what {
            Statement::Directive { approve, .. } => {
                directives.insert(approve);
            }
            Statement::Objection { .. } => {
                objectors.insert(record.by);
            }
            _ => {}
        }
    }
    let overruling = match (directives.len(), directives.first()) {
        (0, _) | (1, Some(true)) => Ballot::Approve,
        (1, Some(false)) => Ballot::Reject,
        _ => return BTreeSet::new(),
    };
    if case.course.outcome() != Some(&Outcome::Decided(overruling)) {
        return BTreeSet::new();
    }
    objectors
}

impl Case {
    /// Whether trust, rows and chances move: in panels they do not.
    fn moves_trust(&self) -> bool {
        let panels_do = [Mutation::PanelsMoveTrust, Mutation::FirstEdition];
        !self.has_panel || self.mutation.is_some_and(|it| panels_do.contains(&it))
    }

    fn is_set(&self) -> bool {
        matches!(self.operation, ConsensusOperation::ClaimSet { .. })
    }

    /// How many questions it asks.
    fn questions(&self) -> u64 {
        match &self.operation {
            ConsensusOperation::ClaimSet { items, .. } => items.len() as u64,
            _ => 1,
        }
    }

    /// The part that so many of its questions are.
    fn part(&self, questions: u64) -> Part {
        if self.mutation == Some(Mutation::ItemsCountWhole) && questions > 0 {
            return WHOLE;
        }
        Part {
            part: questions,
            of: self.questions(),
        }
    }

    fn moves_skill(&self) -> bool {
        self.class == Class::Claim && self.scored
    }

    /// The price of dissent in trust.
    fn dissent_ppm(&self) -> u32 {
        match self.class {
            Class::Claim if self.mutation == Some(Mutation::FirstEdition) => 50_000,
            Class::Claim => self.params.claim_dissent_ppm,
            Class::Critical | Class::Standard => self.params.critical_dissent_ppm,
        }
    }
}

impl Member {
    fn revealed(
        &mut self,
        case: &Case,
        verdict: &Verdict,
        ballot: &Ballot,
        now_ms: u64,
    ) -> &'static str {
        if verdict.chance {
            self.count_chance(false);
        }
        let answers = answers(case, ballot);
        let has_answered = answers.iter().any(|answer| *answer != Ballot::Abstain);
        if !has_answered || verdict.decided.is_empty() {
            return "neutral";
        }
        if case.moves_trust() {
            self.move_trust(case, verdict, &answers);
            self.move_row(case, verdict, &answers, now_ms);
        }
        if case.moves_skill() {
            let right = verdict.count(&answers, true, |it| it.carried);
            let wrong = verdict.count(&answers, false, |it| it.carried);
            self.skill = gained(self.skill, case.params.skill_gain_ppm, case.part(right));
            self.skill = lost(self.skill, case.params.skill_dissent_ppm, case.part(wrong));
        }
        // What is wrong with an item of a set that moves nothing is not told.
        let is_told = |it: &Decided| !case.is_set() || it.carried || it.seconded || it.backed;
        match case.class {
            _ if verdict.count(&answers, false, is_told) == 0 => "coherent",
            Class::Claim => "dissent_claim",
            Class::Critical | Class::Standard => "dissent_critical",
        }
    }

    /// The gain by what is seconded, then the penalty by what is backed.
    fn move_trust(&mut self, case: &Case, verdict: &Verdict, answers: &[Ballot]) {
        let right = verdict.count(answers, true, |it| it.seconded);
        let wrong = verdict.count(answers, false, |it| it.backed);
        self.trust = gained(self.trust, case.params.coherent_gain_ppm, case.part(right));
        let after = lost(self.trust, case.dissent_ppm(), case.part(wrong));
        let suspends = [Mutation::DissentSuspends, Mutation::FirstEdition];
        let has_limit =
            case.class == Class::Claim && !case.mutation.is_some_and(|it| suspends.contains(&it));
        let limit = if has_limit {
            case.params.activate_from_ppm
        } else {
            0
        };
        self.trust = after.max(limit).min(self.trust);
    }

    /// What is seconded ends a row by one wrong answer, and else lets it grow if at least half of all answers are right.
    fn move_row(&mut self, case: &Case, verdict: &Verdict, answers: &[Ballot], now_ms: u64) {
        let right = verdict.count(answers, true, |it| it.seconded);
        let wrong = verdict.count(answers, false, |it| it.seconded);
        let is = |rule| case.mutation == Some(rule);
        if wrong > 0 && !(right > 0 && is(Mutation::RowsOutliveItems)) {
            self.row = 0;
            return;
        }
        let is_enough = 2 * right >= case.questions() || right > 0 && is(Mutation::RowsByOneItem);
        let grew_lately = within(self.times.row, now_ms, case.params.commit_window_ms);
        if is_enough && (!grew_lately || is(Mutation::RowsAtOnce)) {
            self.row += 1;
            self.times.row = Some(now_ms);
        }
    }

    /// Charges once per reveal window if the member revealed nothing in it.
    fn withheld(&mut self, case: &Case, verdict: &Verdict, now_ms: u64) -> &'static str {
        let params = &case.params;
        let window_ms = params.reveal_window_ms;
        let silent = !within(self.times.reveal, now_ms, window_ms)
            && case.mutation != Some(Mutation::WithheldEachTime);
        let price = |dissent_ppm: u32| match case.mutation {
            Some(Mutation::WithholdingIsCheap) => params.withheld_ppm,
            _ => params.withheld_ppm.max(dissent_ppm),
        };
        let mut reason = "withheld_uncharged";
        if verdict.chance {
            self.count_chance(false);
        }
        if case.moves_trust() {
            if !(silent && within(self.times.withheld, now_ms, window_ms)) {
                self.trust = lost(self.trust, price(case.dissent_ppm()), WHOLE);
                self.times.withheld = Some(now_ms);
                reason = "withheld";
            }
            if verdict.seconded() {
                self.row = 0;
            }
        }
        let is_charged = !(silent && within(self.times.skill_withheld, now_ms, window_ms));
        if case.class == Class::Claim && is_charged {
            self.skill = lost(self.skill, price(params.skill_dissent_ppm), WHOLE);
            self.times.skill_withheld = Some(now_ms);
            reason = "withheld";
        }
        reason
    }

    fn late(&mut self, case: &Case, verdict: &Verdict, now_ms: u64) -> &'static str {
        if verdict.seconded() && case.moves_trust() {
            self.row = 0;
        }
        match self.miss(case, verdict, now_ms) {
            "absent" => "late_absent",
            _ => "late",
        }
    }

    fn away(&mut self, case: &Case, verdict: &Verdict, now_ms: u64) -> &'static str {
        self.miss(case, verdict, now_ms)
    }

    /// Charges a missed chance only after more than half of the last 100 were missed, once per commit window, and only a
    /// member none of whose records was sealed in it.
    fn miss(&mut self, case: &Case, verdict: &Verdict, now_ms: u64) -> &'static str {
        if !verdict.chance {
            return "no_chance";
        }
        self.count_chance(true);
        let window_ms = case.params.commit_window_ms;
        let is_seen = within(Some(self.times.seen), now_ms, window_ms)
            && case.mutation != Some(Mutation::AbsentAlthoughSeen);
        if self.missed() <= 50 || is_seen || within(self.times.absence, now_ms, window_ms) {
            return "missed";
        }
        self.times.absence = Some(now_ms);
        self.trust = lost(self.trust, case.params.absent_ppm, WHOLE);
        "absent"
    }
}
