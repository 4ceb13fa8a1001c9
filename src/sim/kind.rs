//! The kinds of liars, by name: their files stand in `actors`, their schemes in `people`.

/// The kinds of liars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActorKind {
    /// Commits differently to different peers.
    EquivocatingCommitter,
    /// Commits to ballots that others have revealed, and copies their commitments.
    LateCopier,
    /// Commits and never reveals.
    Withholder,
    /// Reveals ballots that it did not commit to, and changes reveals of others.
    Forger,
    /// A Primary that never seals.
    SilentPrimary,
    /// Signs two seals and votes for both.
    DoubleVoter,
    /// A Primary that never lists the records of a victim.
    CensoringPrimary,
    /// Its clock is wrong by much.
    LyingClock,
    /// A Primary whose clock stands: it states the earliest possible time in every seal.
    SlowPrimary,
    /// A Primary that proposes only once somebody has given up waiting.
    LateLeader,
    /// Never votes on operations.
    NeverCommitter,
    /// Reveals only what somebody else has revealed too.
    ChoosyRevealer,
    /// Says `Rejoin` again and again.
    RejoinFlooder,
    /// A Seed that objects to everything.
    FreeObjector,
    /// Proposes what nobody needs, and commits late.
    JunkProposer,
    /// Proposes claims to which only its like know the answer.
    Farmer,
    /// A Seed that names panels with a victim in them.
    PanelSeed,
    /// Votes against every critical operation.
    Contrarian,
    /// One of two hosts with one identity.
    Twin,
}

impl ActorKind {
    /// All kinds that one host can play.
    pub const ALL: [Self; 18] = [
        Self::EquivocatingCommitter,
        Self::LateCopier,
        Self::Withholder,
        Self::Forger,
        Self::SilentPrimary,
        Self::DoubleVoter,
        Self::CensoringPrimary,
        Self::LyingClock,
        Self::SlowPrimary,
        Self::LateLeader,
        Self::NeverCommitter,
        Self::ChoosyRevealer,
        Self::RejoinFlooder,
        Self::FreeObjector,
        Self::JunkProposer,
        Self::Farmer,
        Self::PanelSeed,
        Self::Contrarian,
    ];

    /// The founder whose role the kind needs: the Primary, or the first Seed.
    #[must_use]
    pub fn place(self) -> Option<usize> {
        match self {
            Self::SilentPrimary | Self::CensoringPrimary | Self::SlowPrimary | Self::LateLeader => {
                Some(0)
            }
            Self::FreeObjector | Self::PanelSeed => Some(1),
            _ => None,
        }
    }

    /// Whether the person behind the host votes and proposes as usual.
    #[must_use]
    pub fn acts_as_usual(self) -> bool {
        !matches!(self, Self::LateCopier | Self::NeverCommitter)
    }
}
