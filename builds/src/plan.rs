//! What is to be built, put into claim sets.
//!
//! | module | knows |
//! |---|---|
//! | `canary` | items whose result nobody can know without building |
//! | `wanted` | what a coordinator's files ask for |

mod canary;
mod wanted;

pub use self::canary::{canaries, canary_of, with_mark};
pub use self::wanted::{Wanted, WantedFault, WantedProblem};

use mycnet_consensus::ClaimItem;
use mycnet_consensus::limits::SET_PAYLOAD_BYTES_MAX;

/// Puts items into sets of at most `items_max`, each sorted and within the limits of a claim set. Of items with one subject and different
/// inputs, each comes into another set, because a set asks about a subject once.
pub fn pack(mut items: Vec<ClaimItem>, items_max: usize) -> Vec<Vec<ClaimItem>> {
    items.sort_unstable_by(|one, other| {
        (&one.subject, &one.input).cmp(&(&other.subject, &other.input))
    });
    let mut sets = Vec::new();
    while !items.is_empty() {
        let (mut set, mut bytes, mut later) = (Vec::<ClaimItem>::new(), 0, Vec::new());
        let mut last_subject: Option<String> = None;
        for item in items {
            if last_subject.as_ref() == Some(&item.subject) {
                later.push(item);
                continue;
            }
            let size = item.subject.len() + item.input.len();
            if set.len() >= items_max.max(1) || bytes + size > SET_PAYLOAD_BYTES_MAX {
                sets.push(std::mem::take(&mut set));
                bytes = 0;
            }
            bytes += size;
            last_subject = Some(item.subject.clone());
            set.push(item);
        }
        if !set.is_empty() {
            sets.push(set);
        }
        items = later;
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycnet_consensus::limits::SET_ITEMS_MAX;
    use mycnet_consensus::{ClaimRule, ConsensusOperation};

    fn item(subject: &str, input: &[u8]) -> ClaimItem {
        ClaimItem {
            subject: subject.into(),
            input: input.into(),
        }
    }

    #[test]
    fn sets_are_what_the_rules_take_and_have_every_item_once() {
        let many = |count: usize, length: usize, input: usize| -> Vec<ClaimItem> {
            let subject = |n| format!("{n:0length$}");
            (0..count)
                .rev()
                .map(|n| item(&subject(n), &vec![1; input]))
                .collect()
        };
        for (desc, items, items_max, expected) in [
            ("none", vec![], 512, vec![]),
            ("one", vec![item("a", b"")], 512, vec![1]),
            (
                "a full set and one more",
                many(513, 8, 0),
                512,
                vec![512, 1],
            ),
            ("smaller sets", many(10, 8, 32), 4, vec![4, 4, 2]),
            ("longest items", many(512, 256, 64), 512, vec![409, 103]),
            (
                "equal subjects",
                vec![
                    item("a", b"x"),
                    item("b", b""),
                    item("a", b"y"),
                    item("a", b""),
                ],
                512,
                vec![2, 1, 1],
            ),
            ("sets of none", many(2, 8, 0), 0, vec![1, 1]),
        ] {
            let mut given = items.clone();
            let sets = pack(items, items_max);
            let lengths: Vec<usize> = sets.iter().map(Vec::len).collect();
            assert_eq!(lengths, expected, "{desc}");
            for items in &sets {
                let operation = ConsensusOperation::ClaimSet {
                    subject: "night".into(),
                    items: items.clone(),
                    panel: None,
                    rule: ClaimRule::MAJORITY,
                };
                assert_eq!(operation.check(), Ok(()), "{desc}");
                assert!(items.len() <= SET_ITEMS_MAX, "{desc}");
            }
            let key = |item: &ClaimItem| (item.subject.clone(), item.input.clone());
            given.sort_by_key(key);
            let mut packed = sets.concat();
            packed.sort_by_key(key);
            assert_eq!(packed, given, "{desc}");
        }
    }
}
