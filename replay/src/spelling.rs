//! Values that look alike and differ: in case, normal form, space, quotation marks or invisible characters. They count as
//! different, but for space around them, so people are told.

use std::collections::BTreeMap;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// Values that look alike, as they stand in the file, and how often each does.
pub(crate) type Alike = Vec<(String, usize)>;

/// Groups of values that look alike, by what they look like. A value that looks like no other is in none.
pub(crate) fn look_alikes(written: &BTreeMap<String, usize>) -> Vec<Alike> {
    let mut groups: BTreeMap<String, Vec<(&String, usize)>> = BTreeMap::new();
    for (value, count) in written {
        groups.entry(look(value)).or_default().push((value, *count));
    }
    let groups = groups.into_values().filter(|group| group.len() > 1);
    let owned = |(value, count): (&String, usize)| (value.clone(), count);
    groups
        .map(|group| group.into_iter().map(owned).collect())
        .collect()
}

/// What a value looks like: composed, in one case, without invisible characters and quotation marks around it, with one space
/// between words.
pub(crate) fn look(value: &str) -> String {
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(value);
    let visible: String = composed.chars().filter(|c| !is_invisible(*c)).collect();
    // Capitals first: they are the same for more letters, as for both forms of the Greek sigma, and for "ß" and "ss".
    let folded = visible.to_uppercase();
    let folded = folded.chars().flat_map(char::to_lowercase);
    let folded: String = ComposingNormalizerBorrowed::new_nfkc()
        .normalize_iter(folded)
        .collect();
    let words: Vec<&str> = folded.split_whitespace().collect();
    let words = words.join(" ");
    match words.trim_matches(is_quotation_mark).trim() {
        "" => words,
        bare => bare.to_owned(),
    }
}

fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '«' | '»' | '\u{2018}'..='\u{201f}')
}

/// Characters that take no room: marks of direction, joiners, soft hyphens, the byte order mark.
fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || (c.is_control() && !c.is_whitespace())
}

/// Whether nothing of a value can be seen.
pub(crate) fn is_blank(value: &str) -> bool {
    // Most values begin with a character that no table has to be asked about.
    let is_seen = |c: char| c.is_ascii_graphic() || !(c.is_whitespace() || is_invisible(c));
    !value.contains(is_seen)
}

/// Whether a value says that nothing is known, with whatever marks around: `N/A`, `<NA>`, `(unknown)`, `??`, `--`.
pub(crate) fn is_unknown(value: &str) -> bool {
    const WORDS: [&str; 22] = [
        "dontknow",
        "idk",
        "missing",
        "na",
        "nan",
        "nil",
        "noanswer",
        "nodata",
        "nogold",
        "nolabel",
        "none",
        "notapplicable",
        "notavailable",
        "null",
        "tba",
        "tbd",
        "undefined",
        "unk",
        "unknown",
        "unlabeled",
        "unlabelled",
        "unspecified",
    ];
    let look = look(value);
    let word: String = look.chars().filter(|c| c.is_alphanumeric()).collect();
    if word.is_empty() {
        return !look.is_empty() && look.chars().all(|c| "?.-\u{2013}\u{2014}_*#/ ".contains(c));
    }
    WORDS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(values: &[&str]) -> Vec<Vec<String>> {
        let written = values.iter().map(|value| ((*value).to_owned(), 2));
        let groups = look_alikes(&written.collect());
        let values = |group: Alike| group.into_iter().map(|(value, _)| value).collect();
        groups.into_iter().map(values).collect()
    }

    #[test]
    fn values_that_look_alike_are_found() {
        for alike in [
            &[
                "Yes",
                "yes",
                "yes ",
                "yes\u{a0}",
                "\u{200b}yes",
                "\u{feff}yes",
                "\u{ff59}\u{ff45}\u{ff53}",
            ][..],
            &["cafe\u{301}", "caf\u{e9}"],
            &["a  b", "a\u{a0}b", "a\u{3000}b"],
            &["STRASSE", "stra\u{df}e"],
            &[
                "\u{39f}\u{394}\u{39f}\u{3a3}",
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
            ],
            &["\u{2611}", "\u{2611}\u{fe0f}"],
            &["\"yes\"", "yes", "\u{201c}yes\u{201d}"],
            &["co\u{ad}op", "coop", "co\u{34f}op"],
        ] {
            let found = groups(alike);
            assert_eq!(found.len(), 1, "{alike:?}: {found:?}");
            assert_eq!(found[0].len(), alike.len(), "{alike:?}");
        }
        assert!(groups(&["1", "1.0", "no", "not", "\"", "'", "-1", "+1"]).is_empty());
    }

    #[test]
    fn unknown_is_said_in_many_ways() {
        for value in [
            "NA",
            "n/a",
            " Unknown ",
            "?",
            "None",
            "<NA>",
            "#N/A",
            "N.A.",
            "??",
            "--",
            "\u{2014}",
            "(missing)",
            "NaN",
            "null",
            "\u{ff1f}",
            "not available",
        ] {
            assert!(is_unknown(value), "{value}");
        }
        for value in ["0", "no", "nay", "", "nano", "-1", "+", "1/2", "\u{200b}"] {
            assert!(!is_unknown(value), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_blank() {
        assert!(
            ["", " ", "\u{a0}\u{200b}", "\u{feff}\t"]
                .iter()
                .all(|it| is_blank(it))
        );
        assert!(["0", "-", "."].iter().all(|it| !is_blank(it)));
    }
}
