//! The members behind the keys that gave results.

use std::collections::BTreeMap;

use mycnet_consensus::{Genesis, MemberName, NodeId, Standing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Digits that an abbreviated id has at least.
const DIGITS_MIN: usize = 8;

/// A member, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Builder {
    /// Its present key.
    pub node: NodeId,
    /// Its name.
    pub name: MemberName,
    /// Its skill now, in parts per million; `None` if only the genesis is known. Advice: no policy counts it.
    pub skill_ppm: Option<u32>,
    /// Its standing now; `None` if only the genesis is known.
    pub standing: Option<Standing>,
    /// The keys that it had before.
    pub former: Vec<NodeId>,
}

/// The members, by any key that they have or had. A member whose key was replaced is one builder.
#[derive(Debug, Clone, Default)]
pub struct Builders {
    members: Vec<Builder>,
    by_key: BTreeMap<NodeId, usize>,
}

/// Why nobody is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// Nobody has the name or such an id.
    #[error("no member is named {name} or has an id that begins so; the members are {}", members.join(", "))]
    Nobody {
        /// What was asked for.
        name: String,
        /// Names that there are.
        members: Vec<String>,
    },
    /// Several ids begin so.
    #[error(
        "several members are named {0} or have an id that begins so: give more digits of the id"
    )]
    Several(String),
}

impl Builders {
    /// These members.
    pub fn new(members: Vec<Builder>) -> Self {
        let mut by_key = BTreeMap::new();
        for (place, member) in members.iter().enumerate() {
            for key in member.former.iter().chain([&member.node]) {
                by_key.insert(*key, place);
            }
        }
        Self { members, by_key }
    }

    /// The founding members: all that whoever has only the genesis can know by name. Who was admitted later, and keys that replaced
    /// others, are known by their ids alone.
    pub fn of_founders(genesis: &Genesis) -> Self {
        let founders = genesis.members.iter().map(|founder| Builder {
            node: founder.node,
            name: founder.name.clone(),
            skill_ppm: None,
            standing: None,
            former: Vec::new(),
        });
        Self::new(founders.collect())
    }

    /// The member that has this key, or had it.
    pub fn get(&self, key: &NodeId) -> Option<&Builder> {
        self.by_key.get(key).map(|place| &self.members[*place])
    }

    /// The member's present key, or the key itself if it is no member's.
    pub fn present(&self, key: &NodeId) -> NodeId {
        self.get(key).map_or(*key, |member| member.node)
    }

    /// Whether nothing that this key signs counts: its member signed two different statements where one is allowed.
    pub fn is_banned(&self, key: &NodeId) -> bool {
        let standing = self.get(key).and_then(|member| member.standing);
        standing == Some(Standing::Banned)
    }

    /// The members, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Builder> {
        self.members.iter()
    }

    /// The present key of the member with this name, or whose id, of now or before, begins with these digits. A whole id need not be
    /// that of a member now: who was excluded is found so.
    ///
    /// # Errors
    ///
    /// [`NotFound`].
    pub fn find(&self, name: &str) -> Result<NodeId, NotFound> {
        if let Ok(id) = name.parse() {
            return Ok(self.present(&id));
        }
        let is_digits = name.len() >= DIGITS_MIN && name.bytes().all(|it| it.is_ascii_hexdigit());
        let is_meant = |member: &&Builder| {
            let mut keys = member.former.iter().chain([&member.node]);
            let begins = |key: &NodeId| key.to_string().starts_with(name);
            member.name.as_str() == name || (is_digits && keys.any(begins))
        };
        let mut meant = self.members.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(member), None) => Ok(member.node),
            (Some(_), Some(_)) => Err(NotFound::Several(name.to_owned())),
            (None, _) => Err(NotFound::Nobody {
                name: name.to_owned(),
                members: self.iter().map(|it| it.name.to_string()).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(byte: u8, name: &str, former: &[u8]) -> Builder {
        Builder {
            node: NodeId::from_bytes([byte; 32]),
            name: MemberName::new(name).unwrap(),
            skill_ppm: None,
            standing: None,
            former: former
                .iter()
                .map(|it| NodeId::from_bytes([*it; 32]))
                .collect(),
        }
    }

    #[test]
    fn members_are_found_by_name_and_by_any_of_their_keys() {
        let builders = Builders::new(vec![
            builder(0xaa, "ada", &[0x11]),
            builder(0xbb, "ben", &[]),
            // A name that looks like the digits of another's id is no way to be taken for it.
            builder(0xcc, "bbbbbbbb", &[]),
        ]);
        let key = |byte: u8| NodeId::from_bytes([byte; 32]);
        let id = |byte: u8| key(byte).to_string();
        for (name, expected) in [
            ("ada", Some(0xaa)),
            (&id(0xaa), Some(0xaa)),
            (&id(0x11), Some(0xaa)),
            ("11111111", Some(0xaa)),
            (&id(0xbb), Some(0xbb)),
            // Nobody's now.
            (&id(0xdd), Some(0xdd)),
            ("bbbbbbbb", None),
            ("dddddddd", None),
            ("1111111", None),
            ("cyd", None),
        ] {
            assert_eq!(builders.find(name).ok(), expected.map(key), "{name}");
        }
        let nobody = builders.find("cyd").unwrap_err().to_string();
        assert!(nobody.contains("ada, ben"), "{nobody}");
        assert_eq!(builders.get(&key(0x11)).unwrap().name.as_str(), "ada");
        assert_eq!(builders.present(&key(0x11)), key(0xaa));
    }
}
