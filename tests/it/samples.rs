//! One value of everything that is encoded, from fixed seeds: what the hostile-input tests damage, what the schemas must
//! accept, and what the frozen encodings hold.

use mycnet_consensus::internals::commitment::{commitment, salt};
use mycnet_consensus::internals::ledger::{Ledger, refounded};
use mycnet_consensus::internals::record::{
    KnownSuccession, Plan, Seal, Statement, Verified, VoteKind, sign, sign_batch,
};
use mycnet_consensus::internals::seal::{SealCertificate, SealedBlock, list_digest};
use mycnet_consensus::{
    Ballot, ClaimItem, ClaimRule, ConsensusOperation, Consent, Digest, Founder, Genesis, Identity,
    MemberName, NetworkId, NodeId, OperationId, PanelScoring, Params, Priority, SealId, Sealing,
    Signer as _, Spore,
};

/// The network of all samples: that of [`genesis`].
pub(crate) fn net() -> NetworkId {
    genesis().network_id()
}

/// The author of the records, where no other author is named.
pub(crate) fn ada() -> Identity {
    Identity::from_seed_label("sample ada")
}

/// Another member.
pub(crate) fn bob() -> Identity {
    Identity::from_seed_label("sample bob")
}

/// Not a member.
pub(crate) fn eve() -> Identity {
    Identity::from_seed_label("sample eve")
}

/// Three members, the profile `dev` and nothing left at its default.
pub(crate) fn genesis() -> Genesis {
    Genesis::builder("sample")
        .founder(Founder {
            name: MemberName::new("ada").expect("it is a name"),
            successor: Some(Digest::from_bytes([0x12; 32])),
            ..Founder::new(ada().node_id(), Spore::Primary)
        })
        .member(bob().node_id(), Spore::Seed)
        .member(
            Identity::from_seed_label("sample cyd").node_id(),
            Spore::Latent,
        )
        .nonce([0x11; 32])
        .time_ms(1_700_000_000_000)
        .params(Params::dev())
        .sealing(Sealing::Authorities)
        .panel_scoring(PanelScoring::Authorities)
        .build()
        .expect("the sample is valid")
}

fn operation_id() -> OperationId {
    OperationId::from_bytes([0x22; 32])
}

fn node(byte: u8) -> NodeId {
    NodeId::from_bytes([byte; 32])
}

/// Every kind of operation, a claim with and without a panel.
pub(crate) fn operations() -> Vec<(&'static str, ConsensusOperation)> {
    use ConsensusOperation as Op;
    let candidate = eve();
    let consent = Consent::sign(
        &candidate,
        net(),
        Spore::Seed,
        MemberName::new("eve-2").expect("it is a name"),
        Some(Digest::from_bytes([0x13; 32])),
    )
    .expect("keys in memory sign");
    let mut all = vec![
        (
            "network_configuration",
            Op::NetworkConfiguration {
                config_type: "param.absent_ppm".into(),
                proposed_change: b"30000".to_vec(),
            },
        ),
        (
            "security_policy_update",
            Op::SecurityPolicyUpdate {
                policy: "tls".into(),
                content: b"1.3".to_vec(),
            },
        ),
        (
            "trust_score_modification",
            Op::TrustScoreModification {
                node: node(0x33),
                delta_ppm: -250_000,
                reason: "repeated outages".into(),
            },
        ),
        (
            "node_admission",
            Op::NodeAdmission {
                candidate: candidate.node_id(),
                role: Spore::Seed,
                consent,
            },
        ),
        (
            "node_exclusion",
            Op::NodeExclusion {
                node: node(0x33),
                reason: "left the federation".into(),
            },
        ),
        (
            "spore_assignment",
            Op::SporeAssignment {
                node: node(0x33),
                role: Spore::Latent,
            },
        ),
        (
            "service_deployment",
            Op::ServiceDeployment {
                service: "wiki".into(),
                manifest: b"image: wiki:7".to_vec(),
            },
        ),
        (
            "resource_allocation",
            Op::ResourceAllocation {
                resource: "disk".into(),
                allocation: b"ada: 10".to_vec(),
            },
        ),
        (
            "routine_maintenance",
            Op::RoutineMaintenance {
                task: "rotate logs".into(),
                details: Vec::new(),
            },
        ),
        (
            "performance_optimization",
            Op::PerformanceOptimization {
                target: "cache".into(),
                details: b"64 MiB".to_vec(),
            },
        ),
    ];
    all.extend(claims());
    all
}

fn claims() -> Vec<(&'static str, ConsensusOperation)> {
    use ConsensusOperation as Op;
    let claim = |panel| Op::Claim {
        subject: "build of release 1".into(),
        input: b"source tree".to_vec(),
        rule: match panel {
            Some(_) => ClaimRule::PLURALITY,
            None => Params::builds().claim_rule(),
        },
        panel,
    };
    vec![
        ("claim", claim(None)),
        (
            "claim with a panel",
            claim(Some(vec![node(1), node(2), node(3)])),
        ),
        (
            "claim_set",
            Op::ClaimSet {
                subject: "trixie, night 7".into(),
                items: vec![
                    ClaimItem {
                        subject: "hello 2.10-3 amd64".into(),
                        input: vec![0x77; 32],
                    },
                    ClaimItem {
                        subject: "sed 4.9-2 amd64".into(),
                        input: Vec::new(),
                    },
                ],
                panel: Some(vec![node(1), node(2), node(3)]),
                rule: Params::builds().claim_rule(),
            },
        ),
    ]
}

/// A seal of height 1.
pub(crate) fn seal() -> Seal {
    Seal {
        net: net(),
        height: 1,
        prev: SealId::from_bytes([0x44; 32]),
        time_ms: 1_700_000_000_500,
        count: 1,
        records: list_digest(&[sealed_record().id()]),
        state: Digest::from_bytes([0x55; 32]),
        roster: Digest::from_bytes([0x66; 32]),
        sealers: Digest::from_bytes([0x66; 32]),
        round: 0,
    }
}

fn sealed_record() -> Verified {
    let statement = Statement::Directive {
        operation: operation_id(),
        approve: true,
    };
    sign(&ada(), net(), statement).expect("the sample is valid")
}

/// Every kind of statement in every shape its fields take, with a name for messages and for the frozen encodings.
pub(crate) fn statements() -> Vec<(String, Statement)> {
    let mut all: Vec<(String, Statement)> = operations()
        .into_iter()
        .map(|(kind, operation)| {
            let statement = Statement::Propose {
                operation,
                priority: Priority::Normal,
                last: SealId::from_bytes([0x44; 32]),
                nonce: 7,
            };
            (format!("propose {kind}"), statement)
        })
        .collect();
    if let Statement::Propose { priority, .. } = &mut all[0].1 {
        *priority = Priority::High;
    }
    let operation = operation_id();
    let opened = salt(&ada(), net(), operation).expect("keys in memory sign");
    let ballots = [
        Ballot::Approve,
        Ballot::Reject,
        Ballot::Abstain,
        Ballot::Result(b"sha256:00".to_vec()),
        Ballot::Results(vec![Some(vec![0x88; 32]), None, Some(Vec::new())]),
    ];
    let made = commitment(net(), operation, ada().node_id(), &ballots[3], &opened);
    all.push((
        "commit".into(),
        Statement::Commit {
            operation,
            commitment: made,
        },
    ));
    for ballot in ballots {
        all.push((
            format!("reveal {ballot}"),
            Statement::Reveal {
                operation,
                ballot,
                salt: opened,
            },
        ));
    }
    all.push((
        "directive".into(),
        Statement::Directive {
            operation,
            approve: true,
        },
    ));
    all.push((
        "objection".into(),
        Statement::Objection {
            operation,
            reason: "the disk is full".into(),
        },
    ));
    all.push((
        "resolution".into(),
        Statement::Resolution {
            operation,
            approve: false,
        },
    ));
    for (name, round, lock) in [("fresh", 0, None), ("locked", 2, Some(1))] {
        let statement = Statement::SealProposal {
            round,
            lock,
            seal: seal(),
        };
        all.push((format!("seal_proposal {name}"), statement));
    }
    for (name, kind, vote) in [
        ("prevote", VoteKind::Prevote, Some(seal().id())),
        ("precommit", VoteKind::Precommit, Some(seal().id())),
        ("precommit nil", VoteKind::Precommit, None),
    ] {
        let statement = Statement::SealVote {
            height: 1,
            round: 0,
            kind,
            seal: vote,
        };
        all.push((format!("seal_vote {name}"), statement));
    }
    all.push((
        "rejoin".into(),
        Statement::Rejoin {
            nonce: Digest::from_bytes([0x77; 32]),
        },
    ));
    for (name, next) in [
        ("with a successor", Some(Digest::from_bytes([0x78; 32]))),
        ("last", None),
    ] {
        let old = bob().node_id();
        all.push((format!("succeed {name}"), Statement::Succeed { old, next }));
    }
    all.extend(endorsements());
    all
}

fn endorsements() -> [(String, Statement); 2] {
    let of = |plan, attempt| Statement::Refound { plan, attempt };
    [
        ("refound".into(), of(Some(plan()), 3)),
        ("refound nothing".into(), of(None, 4)),
    ]
}

/// A plan that leaves the third member out, makes Bob the Primary and knows of a change of keys.
pub(crate) fn plan() -> Plan {
    let succeed = Statement::Succeed {
        old: bob().node_id(),
        next: None,
    };
    let succeed = sign(&eve(), net(), succeed).expect("the sample is valid");
    let mut plan = Plan {
        without: vec![Identity::from_seed_label("sample cyd").node_id()],
        roles: vec![
            (ada().node_id(), Spore::Seed),
            (bob().node_id(), Spore::Primary),
        ],
        succeeded: vec![KnownSuccession::of(succeed.record()).expect("it is a `Succeed`")],
        ..Plan::new(12, SealId::from_bytes([0x44; 32]))
    };
    plan.sort();
    plan
}

/// A genesis that follows the sample network, right after its own.
pub(crate) fn following() -> Genesis {
    let ledger = Ledger::new(&genesis());
    let mut plan = Plan {
        succeeded: Vec::new(),
        ..plan()
    };
    (plan.height, plan.seal) = (0, ledger.genesis_seal().id());
    let founding = refounded(&genesis(), ledger.state(), &plan).expect("the sample is valid");
    founding.genesis().clone()
}

/// Every statement, each signed alone by Ada.
pub(crate) fn records() -> Vec<(String, Verified)> {
    statements()
        .into_iter()
        .map(|(name, statement)| {
            let record = sign(&ada(), net(), statement).expect("the samples are valid");
            (name, record)
        })
        .collect()
}

/// Three commits signed at once: records with a Merkle path.
pub(crate) fn batch() -> Vec<Verified> {
    let commits = (0..3)
        .map(|i| Statement::Commit {
            operation: OperationId::from_bytes([i; 32]),
            commitment: [i + 100; 32].into(),
        })
        .collect();
    sign_batch(&ada(), net(), commits).expect("the samples are valid")
}

/// A sealed height with its certificate of two precommits.
pub(crate) fn block() -> SealedBlock {
    let vote = Statement::SealVote {
        height: 1,
        round: 0,
        kind: VoteKind::Precommit,
        seal: Some(seal().id()),
    };
    let mut votes: Vec<Verified> = [ada(), bob()]
        .iter()
        .map(|sealer| sign(sealer, net(), vote.clone()).expect("the samples are valid"))
        .collect();
    votes.sort_by_key(Verified::id);
    SealedBlock {
        seal: seal(),
        certificate: SealCertificate {
            votes: votes.iter().map(|vote| vote.record().clone()).collect(),
        },
        records: vec![sealed_record().record().clone()],
    }
}

/// `bytes` with the only occurrence of `old` replaced.
pub(crate) fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = bytes
        .windows(old.len())
        .enumerate()
        .filter(|(_, window)| *window == old)
        .map(|(place, _)| place)
        .collect();
    assert_eq!(places.len(), 1, "it must be there once: {old:02x?}");
    let (before, after) = bytes.split_at(places[0]);
    [before, new, &after[old.len()..]].concat()
}
