//! Whose word is enough: a user's own policy, as text.
//!
//! ```text
//! policy  = rule *( " and " rule )        all of them must hold, for the same result
//! rule    = N " of " MEMBER *( "," MEMBER )   so many of these members
//!         | N " of any"                       so many of all electors with weight
//!         | "ledger"                          the ledger's own verdict
//! ```
//!
//! A member is given by its name, or by its id or its first digits. What these mean is looked up later ([`Policy::resolve`]).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use mycnet_consensus::NodeId;
use mycnet_consensus::limits::MEMBERS_MAX;

/// Rules in one policy: more of them nobody keeps in mind.
const RULES_MAX: usize = 8;

/// Bytes of a member's name or id.
const MEMBER_BYTES_MAX: usize = 64;

/// Whose word is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(Vec<Rule<String>>);

/// A policy whose members are known by their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved(pub(crate) Vec<Rule<NodeId>>);

/// One condition of a policy. `M` is a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule<M> {
    /// So many of these members gave the result.
    Of(usize, Vec<M>),
    /// So many of all electors with weight gave the result.
    OfAny(usize),
    /// The ledger decided for the result.
    Ledger,
}

/// Why a text is no policy, or a policy does not fit the members.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFault {
    /// Nothing stands where a rule is expected.
    #[error("a rule is missing: {FORM}")]
    Empty,
    /// It begins with something else.
    #[error("{0:?} is no rule: {FORM}")]
    NotARule(String),
    /// The number is no number, or cannot be met.
    #[error("{number:?} in {rule:?}: a number from 1 to {most} is expected, because {why}")]
    Number {
        /// What stands there.
        number: String,
        /// The rule.
        rule: String,
        /// The largest number.
        most: usize,
        /// Where this bound comes from.
        why: &'static str,
    },
    /// A member is named by something that cannot be a name or an id.
    #[error("{member:?} in {rule:?}: a member is given by its name (a-z, 0-9, -) or by its id")]
    Member {
        /// What stands there.
        member: String,
        /// The rule.
        rule: String,
    },
    /// A member counts once.
    #[error("{member} stands twice in {rule:?}: each member counts once")]
    Twice {
        /// The member.
        member: String,
        /// The rule.
        rule: String,
    },
    /// A rule says nothing new.
    #[error("{0:?} stands twice: leave it out once")]
    Repeated(String),
    /// Too many rules.
    #[error("it has more than {RULES_MAX} rules")]
    TooMany,
}

const FORM: &str = "a policy is \"3 of ada,ben,cyd\", \"2 of any\", \"ledger\", or several of these with \"and\" between them";

impl Policy {
    /// Looks the members up. `find` gives the present key of the one that a name or id means.
    ///
    /// # Errors
    ///
    /// What `find` says, and [`PolicyFault::Twice`] if two words of a rule mean the same member.
    pub fn resolve<E: From<PolicyFault>>(
        &self,
        mut find: impl FnMut(&str) -> Result<NodeId, E>,
    ) -> Result<Resolved, E> {
        let mut rules = Vec::new();
        for rule in &self.0 {
            rules.push(match rule {
                Rule::Ledger => Rule::Ledger,
                Rule::OfAny(least) => Rule::OfAny(*least),
                Rule::Of(least, members) => {
                    let mut keys = Vec::new();
                    for member in members {
                        let key = find(member)?;
                        if keys.contains(&key) {
                            let (member, rule) = (member.clone(), rule.to_string());
                            return Err(PolicyFault::Twice { member, rule }.into());
                        }
                        keys.push(key);
                    }
                    Rule::Of(*least, keys)
                }
            });
        }
        Ok(Resolved(rules))
    }

    /// The rules as text, in their order.
    pub fn rules(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Rule::to_string)
    }
}

impl FromStr for Policy {
    type Err = PolicyFault;

    fn from_str(text: &str) -> Result<Self, PolicyFault> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut rules = Vec::new();
        for words in words.split(|word| *word == "and") {
            if rules.len() == RULES_MAX {
                return Err(PolicyFault::TooMany);
            }
            let rule = rule(words)?;
            if rules.contains(&rule) || (is_of_any(&rule) && rules.iter().any(is_of_any)) {
                return Err(PolicyFault::Repeated(rule.to_string()));
            }
            rules.push(rule);
        }
        Ok(Self(rules))
    }
}

fn is_of_any(rule: &Rule<String>) -> bool {
    matches!(rule, Rule::OfAny(_))
}

fn rule(words: &[&str]) -> Result<Rule<String>, PolicyFault> {
    let whole = words.join(" ");
    let (number, members) = match words {
        [] => return Err(PolicyFault::Empty),
        ["ledger"] => return Ok(Rule::Ledger),
        [number, "of", members @ ..] => (*number, members.join(" ")),
        _ => return Err(PolicyFault::NotARule(whole)),
    };
    let least = |most, why| match number.parse() {
        // What `parse` takes beyond digits, nobody means.
        Ok(least) if (1..=most).contains(&least) && !number.starts_with('+') => Ok(least),
        _ => Err(PolicyFault::Number {
            number: number.to_owned(),
            rule: whole.clone(),
            most,
            why,
        }),
    };
    if members == "any" {
        let why = "a network has no more members";
        return Ok(Rule::OfAny(least(MEMBERS_MAX, why)?));
    }
    let (mut named, mut seen) = (Vec::new(), BTreeSet::new());
    for member in members.split(',').map(str::trim) {
        if !is_member(member) || named.len() == MEMBERS_MAX {
            let (member, rule) = (member.to_owned(), whole);
            return Err(PolicyFault::Member { member, rule });
        }
        if !seen.insert(member) {
            let (member, rule) = (member.to_owned(), whole);
            return Err(PolicyFault::Twice { member, rule });
        }
        named.push(member.to_owned());
    }
    let why = "so many members are named";
    Ok(Rule::Of(least(named.len(), why)?, named))
}

/// Whether this can be a name or the digits of an id.
fn is_member(text: &str) -> bool {
    let is_expected = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MEMBER_BYTES_MAX).contains(&text.len()) && text.chars().all(is_expected)
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> = self.rules().collect();
        f.write_str(&rules.join(" and "))
    }
}

impl fmt::Display for Rule<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(least, members) => write!(f, "{least} of {}", members.join(",")),
            Self::OfAny(least) => write!(f, "{least} of any"),
            Self::Ledger => f.write_str("ledger"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write_is_read_or_told_why_not() {
        for (text, expected) in [
            ("3 of ada,ben,cyd", Ok("3 of ada,ben,cyd")),
            (" 1  of ada , ben ", Ok("1 of ada,ben")),
            ("2 of any", Ok("2 of any")),
            ("ledger", Ok("ledger")),
            (
                "3 of ada,ben,cyd and ledger",
                Ok("3 of ada,ben,cyd and ledger"),
            ),
            ("1 of a and 1 of b", Ok("1 of a and 1 of b")),
            // Members may have such names.
            ("1 of any,ledger", Ok("1 of any,ledger")),
            ("", Err("a rule is missing")),
            ("ledger and", Err("a rule is missing")),
            ("and ledger", Err("a rule is missing")),
            ("ada", Err("\"ada\" is no rule")),
            ("all of any", Err("a number from 1 to 1024")),
            ("2 ada,ben", Err("\"2 ada,ben\" is no rule")),
            ("ledger or 2 of any", Err("is no rule")),
            ("0 of any", Err("a number from 1 to 1024")),
            ("+1 of any", Err("\"+1\"")),
            ("9999999999999999999999 of any", Err("a number from 1")),
            ("3 of ada,ben", Err("a number from 1 to 2")),
            ("-1 of ada", Err("a number from 1 to 1")),
            ("1 of", Err("\"\" in \"1 of\"")),
            ("1 of ada,,ben", Err("\"\" in")),
            ("1 of ada ben", Err("\"ada ben\" in")),
            ("1 of Ada", Err("\"Ada\" in")),
            ("2 of ada,ben,ada", Err("ada stands twice")),
            ("ledger and ledger", Err("\"ledger\" stands twice")),
            ("1 of any and 2 of any", Err("\"2 of any\" stands twice")),
            (
                "1 of a and 1 of b and 1 of c and 1 of d and 1 of e and 1 of f and 1 of g and 1 of h and 1 of i",
                Err("more than 8"),
            ),
        ] {
            let read = text.parse::<Policy>();
            match (read, expected) {
                (Ok(policy), Ok(expected)) => assert_eq!(policy.to_string(), expected, "{text}"),
                (Err(fault), Err(says)) => {
                    let fault = fault.to_string();
                    assert!(fault.contains(says), "{text}: {fault}");
                }
                (read, expected) => panic!("{text}: {read:?}, {expected:?}"),
            }
        }
    }

    #[test]
    fn two_words_for_one_member_are_noticed() {
        let keys = |member: &str| match member {
            "ada" | "aaaaaaaa" => Ok(NodeId::from_bytes([1; 32])),
            "ben" => Ok(NodeId::from_bytes([2; 32])),
            _ => Err(PolicyFault::Empty),
        };
        let resolve = |text: &str| text.parse::<Policy>().unwrap().resolve(keys);
        assert!(resolve("2 of ada,ben").is_ok());
        let fault = resolve("2 of ada,aaaaaaaa").unwrap_err().to_string();
        assert!(fault.contains("aaaaaaaa stands twice"), "{fault}");
        assert_eq!(resolve("2 of ada,zoe"), Err(PolicyFault::Empty));
    }

    fn any_rule() -> impl Strategy<Value = Rule<String>> {
        let members = proptest::collection::btree_set("[a-z0-9-]{1,12}", 1..6);
        prop_oneof![
            Just(Rule::Ledger),
            (1..=MEMBERS_MAX).prop_map(Rule::OfAny),
            (members, any::<prop::sample::Index>()).prop_map(|(members, least)| {
                let members: Vec<String> = members.into_iter().filter(|it| it != "any").collect();
                match members.len() {
                    0 => Rule::Ledger,
                    count => Rule::Of(least.index(count) + 1, members),
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(mut rules in vec(any_rule(), 1..5)) {
            // A rule stands once, and so does "of any".
            let mut kept = Vec::new();
            for rule in rules.drain(..) {
                let twice = kept.contains(&rule) || (is_of_any(&rule) && kept.iter().any(is_of_any));
                let and = matches!(&rule, Rule::Of(_, members) if members.iter().any(|it| it == "and"));
                if !twice && !and {
                    kept.push(rule);
                }
            }
            prop_assume!(!kept.is_empty());
            let policy = Policy(kept);
            prop_assert_eq!(policy.to_string().parse::<Policy>(), Ok(policy));
        }

        #[test]
        fn any_text_is_read_as_what_it_prints_or_refused(text in "[0-4a-c, ]{0,12}( of |ledger| and | any|,|\\PC){0,4}[a-c,]{0,6}") {
            if let Ok(policy) = text.parse::<Policy>() {
                prop_assert_eq!(policy.to_string().parse::<Policy>(), Ok(policy));
            }
        }
    }
}
