//! The figures of one Primary, and their mean over several, as lines and as JSON.

use super::compare::{Beside, Comparison, Delays};

/// The cores beside one bound in parts per thousand; `None` where there is nothing to compare, or too few were decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Of the operations that the bound decides at some node, those that the cores do.
    pub decided: Option<u64>,
    /// The same for operations at all nodes.
    pub decided_by_all: Option<u64>,
    /// The time to the first node that can tally: the cores' median over the bound's.
    pub first_median: Option<u64>,
    /// The same for means, over the operations that both decide.
    pub first_mean: Option<u64>,
    /// The time until all nodes can: medians.
    pub last_median: Option<u64>,
    /// Means.
    pub last_mean: Option<u64>,
}

impl Figures {
    /// The names of [`Figures::all`].
    const NAMES: [&str; 6] = [
        "decided",
        "decided_by_all",
        "first_median",
        "first_mean",
        "last_median",
        "last_mean",
    ];

    /// The figures of a comparison with one bound.
    #[must_use]
    pub fn of(beside: &Beside) -> Self {
        let Beside { first, last, .. } = beside;
        Self {
            decided: first.decided_permille(),
            decided_by_all: last.decided_permille(),
            first_median: first.median_permille(),
            first_mean: first.mean_permille(),
            last_median: last.median_permille(),
            last_mean: last.mean_permille(),
        }
    }

    fn all(&self) -> [Option<u64>; 6] {
        [
            self.decided,
            self.decided_by_all,
            self.first_median,
            self.first_mean,
            self.last_median,
            self.last_mean,
        ]
    }

    /// The mean of each figure over those that have it.
    #[must_use]
    pub fn mean(figures: &[Self]) -> Self {
        let mean = |place: usize| {
            let known = figures.iter().filter_map(|figures| figures.all()[place]);
            known.clone().sum::<u64>().checked_div(known.count() as u64)
        };
        Self {
            decided: mean(0),
            decided_by_all: mean(1),
            first_median: mean(2),
            first_mean: mean(3),
            last_median: mean(4),
            last_mean: mean(5),
        }
    }

    /// As a JSON object; parts per thousand.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let named = Self::NAMES.iter().zip(self.all());
        let fields = named.map(|(name, value)| (format!("{name}_permille"), value.into()));
        serde_json::Value::Object(fields.collect())
    }

    /// As part of a line, under [`HEADING`].
    fn columns(&self) -> String {
        let [decided, by_all, ratios @ ..] = self.all();
        let percent = |share: Option<u64>| {
            share.map_or("-".to_owned(), |share| {
                format!("{}.{}", share / 10, share % 10)
            })
        };
        let ratios = ratios.map(|ratio| {
            ratio.map_or("-".to_owned(), |ratio| {
                format!("{}.{:02}", ratio / 1000, ratio % 1000 / 10)
            })
        });
        let [first_median, first_mean, last_median, last_mean] = ratios;
        format!(
            "{:>6} {first_median:>5} {first_mean:>5}  {:>6} {last_median:>5} {last_mean:>5}",
            percent(decided),
            percent(by_all),
        )
    }
}

/// What stands over the lines: for each bound the first node and the last, each with the share decided in percent and the ratios
/// of medians and of means.
pub const HEADING: &str = "\
                first bound                              second bound
                first node           last node           first node           last node
Primary         deci %   med  mean  deci %   med  mean   deci %   med  mean  deci %   med  mean";

/// One line under [`HEADING`]: of one Primary, or a mean.
#[must_use]
pub fn line(name: &str, figures: &[Figures; 2]) -> String {
    let [first, second] = figures;
    format!("{name:<15} {}   {}", first.columns(), second.columns())
}

/// The figures of a comparison, beside the first and the second bound.
#[must_use]
pub fn figures(found: &Comparison) -> [Figures; 2] {
    [&found.first_bound, &found.second_bound].map(Figures::of)
}

/// A comparison as a JSON object; times in seconds, `null` where too few were decided.
#[must_use]
pub fn json(found: &Comparison) -> serde_json::Value {
    let side = |delays: &Delays| {
        let at = |percent| {
            let delays = delays.at_percent(percent);
            delays.map(|(bound, cores)| (cores, bound))
        };
        serde_json::json!({ "decided": delays.decided(), "bound_decides": delays.possible(), "median_s": at(50),
            "p90_s": at(90) })
    };
    let bound = |beside: &Beside| {
        let mut object = Figures::of(beside).json();
        object["first_node"] = side(&beside.first);
        object["last_node"] = side(&beside.last);
        object["sooner"] = beside.sooner.into();
        object
    };
    serde_json::json!({ "operations": found.operations, "first_bound": bound(&found.first_bound),
        "second_bound": bound(&found.second_bound), "stages_s": found.stages(), "seals": found.replayed.rounds.len(),
        "nudges": found.replayed.nudges, "messages": found.replayed.messages, "refused": found.replayed.refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Figures = Figures {
        decided: Some(1000),
        decided_by_all: Some(953),
        first_median: Some(1238),
        first_mean: Some(1100),
        last_median: Some(2000),
        last_mean: Some(999),
    };

    #[test]
    fn a_mean_leaves_out_what_is_unknown() {
        let other = Figures {
            decided: Some(500),
            first_median: None,
            ..SOME
        };
        let mean = Figures::mean(&[SOME, other]);
        assert_eq!((mean.decided, mean.first_median), (Some(750), Some(1238)));
        assert_eq!(Figures::mean(&[]).decided, None);
    }

    #[test]
    fn a_line_stands_under_its_heading() {
        let none = Figures::mean(&[]);
        let text = line("7", &[SOME, none]);
        let heading = HEADING.lines().last().unwrap();
        assert_eq!(text.len(), heading.len());
        assert_eq!(
            text,
            "7                \
             100.0  1.23  1.10    95.3  2.00  0.99        -     -     -       -     -     -"
        );
        assert_eq!(SOME.json()["first_median_permille"], 1238);
    }
}
