//! Values that look alike and differ: in case, normal form, space or invisible characters. They count as different, so people
//! are told.

use std::collections::{BTreeMap, BTreeSet};

use icu_normalizer::ComposingNormalizerBorrowed;

/// Groups of values that look alike, by what they look like. A value that looks like no other is in none.
pub(crate) fn look_alikes<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for value in values.into_iter().collect::<BTreeSet<_>>() {
        groups.entry(look(value)).or_default().insert(value);
    }
    let groups = groups.into_values().filter(|group| group.len() > 1);
    groups.map(|group| group.into_iter().collect()).collect()
}

/// What a value looks like: composed, in lower case, without invisible characters, with one space between words.
fn look(value: &str) -> String {
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(value);
    let visible = composed.chars().filter(|c| !is_invisible(*c));
    let lower: String = visible.flat_map(char::to_lowercase).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters that take no room: marks of direction, joiners, soft hyphens, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || (c.is_control() && !c.is_whitespace())
}

/// Whether a value says that nothing is known.
pub(crate) fn is_unknown(value: &str) -> bool {
    let unknown = [
        "?", "-", "na", "n/a", "nan", "null", "nil", "none", "unknown", "unk", "tbd", "missing",
    ];
    unknown.contains(&look(value).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_alike_are_found() {
        let values = [
            "yes",
            "Yes",
            "\u{200b}yes",
            "no",
            "caf\u{e9}",
            "cafe\u{301}",
            "a  b",
            "a\u{a0}b",
        ];
        assert_eq!(
            look_alikes(values),
            [
                vec!["a  b", "a\u{a0}b"],
                vec!["cafe\u{301}", "caf\u{e9}"],
                vec!["Yes", "yes", "\u{200b}yes"],
            ]
        );
        assert!(look_alikes(["1", "1.0", "no", "not"]).is_empty());
    }

    #[test]
    fn unknown_is_said_in_many_ways() {
        assert!(
            ["NA", "n/a", " Unknown ", "?", "None"]
                .iter()
                .all(|it| is_unknown(it))
        );
        assert!(
            ["0", "no", "nay", "", "nano"]
                .iter()
                .all(|it| !is_unknown(it))
        );
    }
}
