#![doc = include_str!("../docs/PROTOCOL.md")]

macro_rules! rules {
    ($($name:ident $anchor:literal,)*) => {
        /// The rules by name, so that a citation such as `[P4]` is a link that `cargo doc` checks.
        ///
        /// This module is compiled for the documentation only. A file that cites rules in its documentation says
        /// `#[cfg(doc)] use crate::protocol::Rule::*;` and writes `[P4]`. In other comments the plain name stands, `P4`.
        /// `tests/it/protocol.rs` checks both forms.
        #[derive(Debug)]
        pub enum Rule {
            $(
                #[doc = concat!("[The text of ", stringify!($name), "](self#", $anchor, ").")]
                $name,
            )*
        }
    };
}

rules! {
    V1 "v1-vote-and-weight",
    V2 "v2-quorum",
    V3 "v3-classes",
    R1 "r1-canonical-form",
    R2 "r2-ids-and-signatures",
    R3 "r3-keys",
    R4 "r4-domains",
    R5 "r5-statements",
    R6 "r6-commitment-and-salt",
    R7 "r7-slots-and-equivocation",
    R8 "r8-what-a-cap-may-drop",
    R9 "r9-names-of-members",
    P1 "p1-open",
    P2 "p2-commit",
    P3 "p3-freeze",
    P4 "p4-reveal",
    P5 "p5-tally",
    P6 "p6-decide",
    P7 "p7-effect",
    P8 "p8-close",
    P9 "p9-panels",
    W1 "w1-windows-end-in-two-steps",
    W2 "w2-once-per-window",
    A1 "a1-directive",
    A2 "a2-resolution",
    A3 "a3-full-vote",
    A4 "a4-stages",
    A5 "a5-urgency",
    S1 "s1-quorums-over-sets",
    S2 "s2-locks",
    S3 "s3-nudges",
    S4 "s4-sealers",
    S5 "s5-the-queue",
    S6 "s6-prevotes",
    S7 "s7-quiescence",
    S8 "s8-late-and-far-votes",
    S9 "s9-what-a-seal-takes",
    S10 "s10-evidence",
    S11 "s11-leading-out-of-turn",
    H1 "h1-the-seal",
    H2 "h2-applying-a-seal",
    H3 "h3-certificates",
    H4 "h4-catching-up",
    H5 "h5-two-certificates-for-one-height",
    T1 "t1-two-scores",
    T2 "t2-seconded-backed-carried",
    T3 "t3-scores-at-the-close",
    T4 "t4-chances",
    T5 "t5-rows",
    T6 "t6-the-floor",
    T7 "t7-standings",
    T8 "t8-entries",
    C1 "c1-one-machine",
    C2 "c2-sign-guard",
    C3 "c3-a-lost-journal",
    C4 "c4-a-declared-journal",
    C5 "c5-the-disk",
    D1 "d1-no-foreign-bytes",
    D2 "d2-one-record-one-change",
    D3 "d3-readable",
    D4 "d4-a-projection",
    D5 "d5-publishing",
    N1 "n1-hello",
    N2 "n2-seals-first",
    N3 "n3-reconciliation",
    N4 "n4-live-records",
    N5 "n5-bundles-and-discovery",
    N6 "n6-clocks-of-peers",
    B1 "b1-sizes",
    B2 "b2-counts",
    B3 "b3-parameters",
    B4 "b4-profiles",
    F1 "f1-the-plan",
    F2 "f2-the-new-genesis",
    F3 "f3-endorsing",
    F4 "f4-taking-effect",
    F5 "f5-a-second-endorsement",
    F6 "f6-secession",
    K1 "k1-successor",
    K2 "k2-succession",
    K3 "k3-the-old-key",
    K4 "k4-equivocation-by-an-old-key",
}
