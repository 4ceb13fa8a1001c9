//! Rejections of operations and ballots, one by one. Most limits are tested with the largest accepted value too. Rules: B1.

use mycnet_consensus::internals::limits::{
    ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, MEMBERS_MAX, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX,
    SET_ITEMS_MAX, SET_PAYLOAD_BYTES_MAX, SET_RECORD_BYTES_MAX, TEXT_BYTES_MAX, TRUST_MAX_PPM,
};
use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{
    Ballot, ClaimItem, ClaimRule, ConsensusOperation as Op, Consent, MemberName, NodeId,
    OperationId, Signer as _, Spore,
};

use super::forged;
use super::offer::{claim, judge, malformed, over, propose};
use crate::samples::{eve, net};

fn objection(length: usize) -> Vec<u8> {
    forged(Statement::Objection {
        operation: OperationId::default(),
        reason: "x".repeat(length),
    })
}

fn reveal(length: usize) -> Vec<u8> {
    forged(Statement::Reveal {
        operation: OperationId::default(),
        ballot: Ballot::Result(vec![0; length]),
        salt: [0; 32].into(),
    })
}

fn panel(size: usize) -> Vec<NodeId> {
    let member = |i: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(i as u64).to_be_bytes());
        NodeId::from_bytes(key)
    };
    (0..size).map(member).collect()
}

#[test]
fn over_a_limit() {
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let (text, payload) = ("text bytes", "payload bytes");
    let named = |name: &str, length: usize| {
        propose(Op::ServiceDeployment {
            service: name.into(),
            manifest: vec![0; length],
        })
    };
    let (most, more) = (PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1);
    let modified = Op::TrustScoreModification {
        node: NodeId::default(),
        delta_ppm: 0,
        reason: long.clone(),
    };
    let excluded = Op::NodeExclusion {
        node: NodeId::default(),
        reason: long.clone(),
    };
    judge(vec![
        (
            "record",
            vec![0; SET_RECORD_BYTES_MAX + 1],
            over("bytes", SET_RECORD_BYTES_MAX),
        ),
        (
            "record of a full payload and panel",
            claim("x", most, Some(panel(MEMBERS_MAX))),
            over("bytes", RECORD_BYTES_MAX),
        ),
        ("the longest objection", objection(TEXT_BYTES_MAX), None),
        (
            "objection",
            objection(TEXT_BYTES_MAX + 1),
            over(text, TEXT_BYTES_MAX),
        ),
        ("the largest result", reveal(most), None),
        ("result", reveal(more), over(payload, most)),
        ("the largest input", claim("x", most, None), None),
        ("input", claim("x", more, None), over(payload, most)),
        ("subject", claim(&long, 0, None), over(text, TEXT_BYTES_MAX)),
        (
            "the largest panel",
            claim("x", 0, Some(panel(MEMBERS_MAX))),
            None,
        ),
        (
            "panel",
            claim("x", 0, Some(panel(MEMBERS_MAX + 1))),
            over("panel members", MEMBERS_MAX),
        ),
        ("the longest name", named(&long[1..], most), None),
        ("name", named(&long, 0), over(text, TEXT_BYTES_MAX)),
        ("manifest", named("x", more), over(payload, most)),
        ("key", config(&long, b""), over(text, TEXT_BYTES_MAX)),
        ("value", config("x", &vec![0; more]), over(payload, most)),
        (
            "reason of a modification",
            propose(modified),
            over(text, TEXT_BYTES_MAX),
        ),
        (
            "reason of an exclusion",
            propose(excluded),
            over(text, TEXT_BYTES_MAX),
        ),
    ]);
}

fn results(results: Vec<Option<Vec<u8>>>) -> Vec<u8> {
    forged(Statement::Reveal {
        operation: OperationId::default(),
        ballot: Ballot::Results(results),
        salt: [0; 32].into(),
    })
}

fn set_of(items: Vec<ClaimItem>, panel: Option<Vec<NodeId>>) -> Vec<u8> {
    propose(Op::ClaimSet {
        subject: "x".into(),
        items,
        panel,
        rule: ClaimRule::MAJORITY,
    })
}

/// Sorted items with subjects of one length.
fn items(count: usize, subject: usize, input: usize) -> Vec<ClaimItem> {
    let item = |n: usize| ClaimItem {
        subject: format!("{n:0subject$}"),
        input: vec![0; input],
    };
    (0..count).map(item).collect()
}

/// Rules: B1.
#[test]
fn claim_sets_and_their_results() {
    let set = |items| set_of(items, None);
    let item = |subject: &str| ClaimItem {
        subject: subject.into(),
        input: Vec::new(),
    };
    let full = SET_PAYLOAD_BYTES_MAX / SET_ITEMS_MAX;
    let many = "items of a claim set";
    let bytes = "bytes of an item's input or result";
    let longest = || Some(vec![0; ITEM_BYTES_MAX]);
    judge(vec![
        ("the smallest", set(items(1, 1, 0)), None),
        ("the largest", set(items(SET_ITEMS_MAX, full, 0)), None),
        (
            "the largest, of full inputs",
            set(items(SET_ITEMS_MAX, full - ITEM_BYTES_MAX, ITEM_BYTES_MAX)),
            None,
        ),
        (
            "no items",
            set(Vec::new()),
            malformed("a claim set has no items"),
        ),
        (
            "too many",
            set(items(SET_ITEMS_MAX + 1, 4, 0)),
            over(many, SET_ITEMS_MAX),
        ),
        (
            "too much in all",
            set(items(SET_ITEMS_MAX, full, 1)),
            over("payload bytes of a claim set", SET_PAYLOAD_BYTES_MAX),
        ),
        (
            "a full set and panel",
            set_of(items(SET_ITEMS_MAX, full, 0), Some(panel(MEMBERS_MAX))),
            over("bytes", SET_RECORD_BYTES_MAX),
        ),
        (
            "the longest subject",
            set(items(1, ITEM_SUBJECT_BYTES_MAX, 0)),
            None,
        ),
        (
            "too long a subject",
            set(items(1, ITEM_SUBJECT_BYTES_MAX + 1, 0)),
            over("bytes of an item's subject", ITEM_SUBJECT_BYTES_MAX),
        ),
        (
            "no subject",
            set(vec![item("")]),
            malformed("an item's subject is empty"),
        ),
        (
            "too long an input",
            set(items(1, 1, ITEM_BYTES_MAX + 1)),
            over(bytes, ITEM_BYTES_MAX),
        ),
        (
            "equal subjects",
            set(vec![item("a"), item("a")]),
            malformed("two items of a claim set have one subject"),
        ),
        (
            "unsorted items",
            set(vec![item("b"), item("a")]),
            malformed("the items of a claim set must be sorted by subject"),
        ),
        (
            "the most results",
            results(vec![longest(); SET_ITEMS_MAX]),
            None,
        ),
        ("no results", results(Vec::new()), None),
        (
            "too many results",
            results(vec![None; SET_ITEMS_MAX + 1]),
            over(many, SET_ITEMS_MAX),
        ),
        (
            "too long a result",
            results(vec![Some(vec![0; ITEM_BYTES_MAX + 1])]),
            over(bytes, ITEM_BYTES_MAX),
        ),
    ]);
}

fn config(config_type: &str, value: &[u8]) -> Vec<u8> {
    propose(Op::NetworkConfiguration {
        config_type: config_type.into(),
        proposed_change: value.to_vec(),
    })
}

#[test]
fn malformed_configuration() {
    let own = malformed("another kind of operation sets this key of the configuration map");
    let number = malformed("a parameter's value is not a number in decimal digits");
    let range = malformed("a parameter's value is out of range");
    let unknown = malformed("no parameter has this name");
    for (key, value, expected) in [
        ("motd", "hello", None),
        ("motd", "", None),
        ("", "hello", malformed("a name is empty")),
        ("policy.tls", "", own.clone()),
        ("service.wiki", "", own.clone()),
        ("resource.disk", "", own.clone()),
        ("maintenance.logs", "", own.clone()),
        ("performance.cache", "", own),
        ("param.absent_ppm", "500000", None),
        ("param.absent_ppm", "500001", range),
        ("param.absent_ppm", "", number.clone()),
        ("param.absent_ppm", "+1", number.clone()),
        ("param.drift_ms", "18446744073709551616", number),
        ("param.nothing", "1", unknown.clone()),
        ("param.", "1", unknown),
    ] {
        judge(vec![(key, config(key, value.as_bytes()), expected)]);
    }
}

#[test]
fn malformed_operations() {
    let empty = malformed("a name is empty");
    let order = malformed("a panel must be sorted and without repetition");
    let beyond = malformed("delta_ppm is beyond 1,000,000");
    let most = TRUST_MAX_PPM.cast_signed();
    let delta = |delta_ppm| {
        propose(Op::TrustScoreModification {
            node: NodeId::default(),
            delta_ppm,
            reason: String::new(),
        })
    };
    let policy = |policy: &str| {
        propose(Op::SecurityPolicyUpdate {
            policy: policy.into(),
            content: Vec::new(),
        })
    };
    let panel = |bytes: [u8; 2]| {
        let panel = bytes.map(|byte| [byte; 32].into()).to_vec();
        claim("x", 0, Some(panel))
    };
    let primary = propose(Op::NodeAdmission {
        candidate: eve().node_id(),
        role: Spore::Primary,
        consent: Consent::sign(
            &eve(),
            net(),
            Spore::Primary,
            MemberName::of_key(&eve().node_id()),
            None,
        )
        .unwrap(),
    });
    let assign = malformed("a candidate cannot be admitted as Primary; assign the role later");
    judge(vec![
        ("no policy name", policy(""), empty.clone()),
        ("a policy name", policy("x"), None),
        ("no subject", claim("", 0, None), empty),
        ("the largest rise of trust", delta(most), None),
        ("the largest fall of trust", delta(-most), None),
        ("too large a rise", delta(most + 1), beyond.clone()),
        ("too large a fall", delta(i32::MIN), beyond),
        ("admission as Primary", primary, assign),
        ("a sorted panel", panel([1, 2]), None),
        ("an unsorted panel", panel([2, 1]), order.clone()),
        ("a member twice", panel([1, 1]), order),
    ]);
}
