//! Columns that say the same as another one which is empty in places: they would do in its place.

use std::collections::BTreeMap;

/// Columns that are compared with one that is empty in places. More are not looked at.
const COMPARED_MAX: usize = 8;

/// Columns that are never empty, beside one that is.
pub(super) struct Twins {
    /// The column that is empty in places.
    column: usize,
    others: Vec<Twin>,
}

/// Whether two columns have been the same but for their spelling so far.
struct Twin {
    column: usize,
    to: BTreeMap<String, String>,
    from: BTreeMap<String, String>,
}

impl Twins {
    pub(super) fn new(column: usize, others: impl IntoIterator<Item = usize>) -> Self {
        let others = others.into_iter().take(COMPARED_MAX);
        let twin = |column| Twin {
            column,
            to: BTreeMap::new(),
            from: BTreeMap::new(),
        };
        Self {
            column,
            others: others.map(twin).collect(),
        }
    }

    /// Compares the columns on a line.
    pub(super) fn look_at(&mut self, fields: &[&str]) {
        let value = fields[self.column];
        if !value.is_empty() {
            self.others.retain_mut(|twin| {
                let other = fields[twin.column];
                stays(&mut twin.to, value, other) && stays(&mut twin.from, other, value)
            });
        }
    }

    /// The columns that would do in the place of this one, those with the same values first.
    pub(super) fn of(&self, column: usize) -> Vec<usize> {
        if self.column != column {
            return Vec::new();
        }
        // One value alone tells nothing.
        let twins = self.others.iter().filter(|twin| twin.to.len() > 1);
        let differs = |twin: &&Twin| twin.to.iter().any(|(value, other)| value != other);
        let (differ, same): (Vec<&Twin>, Vec<&Twin>) = twins.partition(differs);
        same.iter().chain(&differ).map(|twin| twin.column).collect()
    }
}

/// Whether a value has the same partner as before, if it had one.
fn stays(partners: &mut BTreeMap<String, String>, value: &str, partner: &str) -> bool {
    if let Some(before) = partners.get(value) {
        return before == partner;
    }
    partners.insert(value.to_owned(), partner.to_owned());
    true
}
