//! The columns as the caller names them: `task=NAME,worker=NAME,answer=NAME`.

use std::str::FromStr;

use super::Role;

/// Between the names of the columns that make a task together.
const JOINED_BY: char = '+';

/// Columns as the caller names them, each by its header or its number from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// The text for the role, in the order of [`Role::ALL`].
    named: [Option<String>; Role::ALL.len()],
}

impl FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut named: [Option<String>; Role::ALL.len()] = Default::default();
        for part in text.split(',') {
            let (key, name) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not of the form task=NAME"))?;
            let (key, name) = (key.trim(), name.trim());
            let role = Role::ALL.into_iter().find(|role| role.name() == key);
            let role = role.ok_or_else(|| {
                format!("{key:?} is no column to name: task, worker, answer, gold and time are")
            })?;
            if name.is_empty() {
                return Err(format!("{key} names no column"));
            }
            if named[role as usize].replace(name.to_owned()).is_some() {
                return Err(format!("{key} is named twice"));
            }
        }
        let needed = Role::ALL.into_iter().filter(|role| role.is_needed());
        let mut missing = needed.filter(|role| named[*role as usize].is_none());
        match missing.next() {
            Some(role) => Err(format!(
                "{} is missing; only gold and time may be left out",
                role.name()
            )),
            None => Ok(Self { named }),
        }
    }
}

impl Columns {
    /// The text for a role.
    pub(super) fn of(&self, role: Role) -> Option<&str> {
        self.named[role as usize].as_deref()
    }

    /// Whether a column is named for the time.
    pub(crate) fn has_time(&self) -> bool {
        self.of(Role::Time).is_some()
    }

    /// The columns from 0, if all are given as numbers that a line of this many fields has.
    pub(crate) fn by_number(&self, fields: usize) -> Option<Vec<usize>> {
        let names = Role::ALL.into_iter().filter_map(|role| self.of(role));
        let names = names.flat_map(parts);
        let numbers = names.map(|name| name.parse().ok().filter(|n| (1..=fields).contains(n)));
        numbers.map(|number| number.map(|n: usize| n - 1)).collect()
    }
}

/// The names in a text that joins several.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(JOINED_BY).map(str::trim)
}
