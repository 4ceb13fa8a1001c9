//! The verdict on a task: what its waves decided, taken together.

use std::collections::BTreeMap;

/// What was said about a task in all its waves so far. An answer weighs what its worker weighed when its wave was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally<'a> {
    results: BTreeMap<&'a str, Support>,
}

/// What is behind a result.
#[derive(Debug, Clone, Copy, Default)]
struct Support {
    weight: u64,
    /// Whether a wave decided it.
    is_decided: bool,
}

impl<'a> Tally<'a> {
    /// Counts an answer.
    pub(super) fn add(&mut self, answer: &'a str, weight: u64) {
        self.results.entry(answer).or_default().weight += weight;
    }

    /// Notes that a wave decided a result. `false` if nobody answered so.
    pub(super) fn decide(&mut self, result: &[u8]) -> bool {
        let result = str::from_utf8(result).ok();
        let support = result.and_then(|result| self.results.get_mut(result));
        support.is_some_and(|support| {
            support.is_decided = true;
            true
        })
    }

    /// The result that a wave decided and that the weight of all waves is for, as the rule of one wave asks for it: one late answer
    /// does not undo what many had decided, and results that scatter over waves are no verdicts. Of one wave it is what was decided.
    pub(super) fn verdict(&self, share_ppm: u32) -> Option<&'a str> {
        let (result, first) = self.results.iter().max_by_key(|(_, it)| it.weight)?;
        let all: u64 = self.results.values().map(|support| support.weight).sum();
        let is_enough = if share_ppm == 0 {
            let as_heavy = self.results.values();
            as_heavy.filter(|it| it.weight == first.weight).count() == 1
        } else {
            u128::from(first.weight) * 1_000_000 > u128::from(all) * u128::from(share_ppm)
        };
        (is_enough && first.is_decided).then_some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_was_decided_and_has_the_weight_of_all_waves() {
        let (plurality, majority, two_thirds) = (0, 500_000, 666_667);
        #[rustfmt::skip]
        let cases = [
            ("nothing", &[][..], &[][..], majority, None),
            ("one wave", &[("a", 2), ("b", 1)], &["a"], majority, Some("a")),
            ("one wave without a decision", &[("a", 1), ("b", 1)], &[], plurality, None),
            ("a late one differs", &[("a", 3), ("b", 1)], &["a", "b"], majority, Some("a")),
            ("exactly the share", &[("a", 1), ("b", 1)], &["a", "b"], majority, None),
            ("exactly the share", &[("a", 2), ("b", 1)], &["a", "b"], two_thirds, None),
            ("more than the share", &[("a", 201), ("b", 100)], &["a", "b"], two_thirds, Some("a")),
            ("a tie", &[("a", 1), ("b", 1)], &["a", "b"], plurality, None),
            ("most, and decided", &[("a", 2), ("b", 1), ("c", 1)], &["a", "b", "c"], plurality, Some("a")),
            ("most, and never decided", &[("a", 3), ("b", 4), ("c", 3)], &["a", "c"], plurality, None),
            ("scattered", &[("a", 1), ("b", 1), ("c", 1)], &["a", "b", "c"], majority, None),
        ];
        for (what, given, decided, share_ppm, expected) in cases {
            let mut tally = Tally::default();
            for (answer, weight) in given {
                tally.add(answer, *weight);
            }
            for result in decided {
                assert!(tally.decide(result.as_bytes()), "{what}");
            }
            assert_eq!(tally.verdict(share_ppm), expected, "{what}");
        }
        let mut tally = Tally::default();
        tally.add("a", 1);
        assert!(!tally.decide(b"b") && !tally.decide(b"\xff"));
    }
}
