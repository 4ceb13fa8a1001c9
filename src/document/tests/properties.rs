//! Random sets of records, with equivocation, in any order and grouping.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::*;
use crate::document::OperationDocument;
use crate::statement::record::Record;

/// What one author says about the operation.
#[derive(Debug, Clone)]
struct Says {
    ballots: Vec<Ballot>,
    reveals: Vec<bool>,
    directives: Vec<bool>,
    objections: Vec<String>,
    resolutions: Vec<bool>,
}

fn says() -> impl Strategy<Value = Says> {
    let ballots = vec![
        Ballot::Approve,
        Ballot::Reject,
        Ballot::Abstain,
        Ballot::Result(vec![1]),
        Ballot::Result(vec![]),
        Ballot::Results(vec![None, Some(vec![1])]),
    ];
    let either = || subsequence(vec![true, false], 0..=2);
    (
        subsequence(ballots, 0..=3),
        prop::collection::vec(any::<bool>(), 3),
        either(),
        prop::collection::vec(".{0,20}", 0..=2),
        either(),
    )
        .prop_map(
            |(ballots, reveals, directives, objections, resolutions)| Says {
                ballots,
                reveals,
                directives,
                objections,
                resolutions,
            },
        )
}

fn records(kind: Index, nonce: u64, authors: &[Says]) -> Vec<Verified> {
    let proposal = propose(&identity(0), kind.get(&every_kind()).clone(), nonce);
    let operation = OperationId::from(proposal.id());
    let mut records = vec![proposal];
    for (index, says) in authors.iter().enumerate() {
        let by = identity(index);
        for (ballot, revealed) in says.ballots.iter().zip(&says.reveals) {
            let [commit, reveal] = vote(&by, operation, ballot.clone());
            records.push(commit);
            records.extend(revealed.then_some(reveal));
        }
        for &approve in &says.directives {
            records.push(signed(&by, Statement::Directive { operation, approve }));
        }
        for reason in &says.objections {
            let reason = reason.clone();
            records.push(signed(&by, Statement::Objection { operation, reason }));
        }
        for &approve in &says.resolutions {
            records.push(signed(&by, Statement::Resolution { operation, approve }));
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order and any repetition of the same records builds the same heads; the records read back are exactly those
    /// that went in; and one record less is another document.
    #[test]
    fn any_order_builds_the_same_and_reads_back(
        kind: Index,
        nonce: u64,
        authors in prop::collection::vec(says(), 0..6),
        keys in prop::collection::vec(any::<(u64, bool)>(), 64),
        left_out: Index,
    ) {
        let records = records(kind, nonce, &authors);
        let document = OperationDocument::build(&records).unwrap();

        let mut shuffled: Vec<(u64, Verified)> = Vec::new();
        for (record, (key, twice)) in records.iter().zip(keys.iter().cycle()) {
            shuffled.push((*key, record.clone()));
            if *twice {
                shuffled.push((key.rotate_left(32), record.clone()));
            }
        }
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Verified> = shuffled.into_iter().map(|(_, record)| record).collect();
        let other = OperationDocument::build(&shuffled).unwrap();
        prop_assert_eq!(document.heads(), other.heads());

        let loaded = OperationDocument::load(&other.save()).unwrap();
        let mut distinct = records.clone();
        distinct.sort_by_key(Verified::id);
        distinct.dedup();
        let expected: Vec<Record> = distinct.iter().map(|record| record.record().clone()).collect();
        prop_assert_eq!(loaded.records().unwrap(), expected);
        prop_assert!(loaded.check().is_ok());
        prop_assert!(loaded.to_json().is_ok());

        let mut fewer = distinct;
        fewer.remove(left_out.index(fewer.len()));
        if let Ok(fewer) = OperationDocument::build(&fewer) {
            prop_assert_ne!(document.heads(), fewer.heads());
        }
    }
}
