//! Rules that a test takes back, to see that it notices.

/// A rule that an oracle does not follow. Each answers an attack, or keeps a promise, that a comparison with the right
/// oracle or with the production ledger must notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// Scores as in the first edition: claims by plurality, weighed by trust; dissent costs 5 % of it; whatever was decided
    /// counts, panels too.
    FirstEdition,
    /// P3: a freeze needs a quorum of the weight, not of the electors with weight.
    FreezeByWeight,
    /// P3: no quarter of the grace has to pass.
    FreezeAtOnce,
    /// P3: those who have not been seen for a commit window are waited for.
    WaitForTheUnseen,
    /// P3: those without weight are waited for as long as the others.
    WaitForTheWeightless,
    /// P5: every claim is decided by plurality.
    PluralityOnly,
    /// P5: the number of electors that a rule asks for is not counted.
    ElectorsUncounted,
    /// P5: a claim set is decided as soon as one of its items is.
    SetsAtOnce,
    /// P7: no effect is refused because of the votes that it takes.
    VotesUnguarded,
    /// P7: a parameter may have any value.
    BoundsUnchecked,
    /// P8: who has no weight keeps an operation open for the whole window.
    WeightlessKeepOpen,
    /// P9: panels move trust, rows and chances.
    PanelsMoveTrust,
    /// P9: the results of another number of items than the claim set has count as far as they go.
    OtherLengthsCount,
    /// P9: every panel moves skill.
    SmallPanelsMoveSkill,
    /// P1: equal claims may be open at once.
    EqualClaims,
    /// S6: a `Rejoin` may follow another at once.
    RejoinsAtOnce,
    /// Two members may have one name.
    NamesTwice,
    /// Trust: a gain needs no seconded outcome.
    GainUnseconded,
    /// Trust: a loss by dissent needs no backed outcome.
    LossUnbacked,
    /// Skill: it moves by outcomes that are not carried.
    SkillUncarried,
    /// Trust: dissent on claims can suspend.
    DissentSuspends,
    /// Skill: there is no least weight.
    NoFloorOfSkill,
    /// A claim set gives the whole gain for one right item, and takes the whole penalty for one wrong item.
    ItemsCountWhole,
    /// A row grows by a claim set of which less than half was right.
    RowsByOneItem,
    /// A wrong item of a claim set does not end a row.
    RowsOutliveItems,
    /// A row grows at every seconded outcome.
    RowsAtOnce,
    /// A proposer's operations are all chances.
    ChancesAtOnce,
    /// An operation with few votes is a chance.
    ChancesWithoutVotes,
    /// Absence is charged to members that are seen.
    AbsentAlthoughSeen,
    /// Withholding is charged as it stands in the parameters, although dissent costs more.
    WithholdingIsCheap,
    /// Withholding is charged each time, also to a member that is silent.
    WithheldEachTime,
    /// Objections are free.
    ObjectionsFree,
    /// S5: the front stays however long it leads.
    NoTenure,
    /// S5: a leader that was moved lately sends everybody before it to the end.
    MovedLeaderMovesAll,
    /// S5: the Primary returns although it was moved lately.
    MovedPrimaryReturns,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 35] = [
        Self::FirstEdition,
        Self::FreezeByWeight,
        Self::FreezeAtOnce,
        Self::WaitForTheUnseen,
        Self::WaitForTheWeightless,
        Self::PluralityOnly,
        Self::ElectorsUncounted,
        Self::SetsAtOnce,
        Self::VotesUnguarded,
        Self::BoundsUnchecked,
        Self::WeightlessKeepOpen,
        Self::PanelsMoveTrust,
        Self::OtherLengthsCount,
        Self::SmallPanelsMoveSkill,
        Self::EqualClaims,
        Self::RejoinsAtOnce,
        Self::NamesTwice,
        Self::GainUnseconded,
        Self::LossUnbacked,
        Self::SkillUncarried,
        Self::DissentSuspends,
        Self::NoFloorOfSkill,
        Self::ItemsCountWhole,
        Self::RowsByOneItem,
        Self::RowsOutliveItems,
        Self::RowsAtOnce,
        Self::ChancesAtOnce,
        Self::ChancesWithoutVotes,
        Self::AbsentAlthoughSeen,
        Self::WithholdingIsCheap,
        Self::WithheldEachTime,
        Self::ObjectionsFree,
        Self::NoTenure,
        Self::MovedLeaderMovesAll,
        Self::MovedPrimaryReturns,
    ];
}
