//! Items whose result nobody can know without building.
//!
//! A *canary* is a wanted item once more, with a mark in its subject and a random nonce as its input. A member that gives the hash which
//! the archive publishes is right about nearly everything, and has no answer to a canary. Its result is made so:
//!
//! 1. Build as always, but with `SOURCE_DATE_EPOCH` set to the first four bytes of the nonce, as a big-endian number without its
//!    highest bit. What is built then differs from everything that was published.
//! 2. The result is the SHA-256 of the nonce and of what came out, one after the other: also where the date leaves no trace, it cannot
//!    be looked up.
//!
//! ```text
//! nonce=…  # 64 hexadecimal digits: the item's input
//! SOURCE_DATE_EPOCH=$(( 0x${nonce:0:8} & 0x7fffffff )) build…
//! { printf %s "$nonce" | xxd -r -p; cat zsh_5.9-8_amd64.deb; } | sha256sum
//! ```
//!
//! The mark is the last part of what a purl calls its subpath and a URL its fragment: `pkg:deb/debian/zsh@5.9-8?arch=amd64#canary`. So a
//! marked purl is a purl still. A canary shows who does not build at all. Who builds canaries alone is not found out by them.

use mycnet_consensus::ClaimItem;
use mycnet_consensus::limits::ITEM_SUBJECT_BYTES_MAX;

const MARK: &str = "canary";

/// A subject with the mark.
pub fn with_mark(subject: &str) -> String {
    let joint = if subject.contains('#') { '/' } else { '#' };
    format!("{subject}{joint}{MARK}")
}

/// The subject that a canary repeats; `None` for any other.
pub fn canary_of(subject: &str) -> Option<&str> {
    let marked = subject.strip_suffix(MARK)?;
    let of = marked.strip_suffix(['#', '/'])?;
    (with_mark(of) == subject).then_some(of)
}

/// Canaries for some of these items, each for another one, as many as asked for if there are so many. `random` fills bytes.
///
/// # Errors
///
/// What `random` says.
pub fn canaries<E>(
    items: &[ClaimItem],
    count: usize,
    mut random: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Vec<ClaimItem>, E> {
    let fits = |item: &&ClaimItem| {
        with_mark(&item.subject).len() <= ITEM_SUBJECT_BYTES_MAX
            && canary_of(&item.subject).is_none()
    };
    let mut left: Vec<&ClaimItem> = items.iter().filter(fits).collect();
    let mut made = Vec::new();
    while made.len() < count && !left.is_empty() {
        let (mut place, mut nonce) = ([0; 8], [0; 32]);
        random(&mut place)?;
        random(&mut nonce)?;
        // Of 2^64 places, some come up once more often than others: nobody sees the difference.
        let place = u64::from_le_bytes(place) % left.len() as u64;
        let item = left.swap_remove(usize::try_from(place).unwrap_or(0));
        made.push(ClaimItem {
            subject: with_mark(&item.subject),
            input: nonce.to_vec(),
        });
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    #[test]
    fn a_mark_can_be_taken_off_again() {
        for (subject, marked) in [
            (
                "pkg:deb/debian/zsh@5.9-8?arch=amd64",
                "pkg:deb/debian/zsh@5.9-8?arch=amd64#canary",
            ),
            (
                "pkg:generic/a@1#src/main",
                "pkg:generic/a@1#src/main/canary",
            ),
            (
                "https://example.org/a.iso",
                "https://example.org/a.iso#canary",
            ),
            ("22.0/a.tar.gz", "22.0/a.tar.gz#canary"),
        ] {
            assert_eq!(with_mark(subject), marked);
            assert_eq!(canary_of(marked), Some(subject));
        }
        for subject in ["", "canary", "#", "bird/canary", "a#b#canary", "a#canaryx"] {
            assert_eq!(canary_of(subject), None, "{subject}");
        }
    }

    #[test]
    fn canaries_are_of_different_items_and_never_alike() {
        let item = |n: usize| ClaimItem {
            subject: "s".repeat(n),
            input: vec![7; 32],
        };
        let items: Vec<ClaimItem> = (1..=256).map(item).collect();
        let mut state = 0_u8;
        let mut random = |bytes: &mut [u8]| {
            for byte in bytes {
                state = state.wrapping_mul(37).wrapping_add(11);
                *byte = state;
            }
            Ok::<_, Infallible>(())
        };
        let Ok(made) = canaries(&items, 20, &mut random);
        let subjects: BTreeSet<&str> = made
            .iter()
            .filter_map(|it| canary_of(&it.subject))
            .collect();
        let inputs: BTreeSet<&[u8]> = made.iter().map(|it| &it.input[..]).collect();
        assert_eq!((made.len(), subjects.len(), inputs.len()), (20, 20, 20));
        // Where the mark does not fit, there is none, and none of a canary.
        let Ok(made) = canaries(&items[249..], 20, &mut random);
        assert!(made.is_empty());
        let Ok(made) = canaries(&items[248..], 20, &mut random);
        assert_eq!(made.len(), 1);
        let Ok(again) = canaries(&made, 20, &mut random);
        assert!(again.is_empty());
    }
}
