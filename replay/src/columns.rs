//! Finds the columns of a header: by common names, or as the caller names them.
//!
//! Where two columns fit, one rule chooses: an id before the name or text that it stands for (`question_id` before `question`).
//! Everything else is an error that says what to type.

use std::str::FromStr;

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Task,
    Worker,
    Answer,
    Gold,
}

impl Role {
    const ALL: [Self; 4] = [Self::Task, Self::Worker, Self::Answer, Self::Gold];

    fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Worker => "worker",
            Self::Answer => "answer",
            Self::Gold => "gold",
        }
    }

    /// Names of such a column in public data sets, as [`squeezed`] leaves them. `--columns` is for all others. No name stands
    /// in two lists, and none means the row itself (`id`, `annotation_id`) or a flag about gold (`golden`).
    #[rustfmt::skip]
    fn common_names(self) -> &'static [&'static str] {
        match self {
            Self::Task => &[
                "task", "taskid", "item", "itemid", "question", "questionid", "example", "exampleid", "unitid", "origid",
                "instance", "object", "hitid", "subjectid", "workunit", "assignmenttaskid", "artifact",
            ],
            Self::Worker => &[
                "worker", "workerid", "amtworkerids", "annotator", "annotatorid", "user", "userid", "username", "source",
                "host", "rebuilder", "assignmentworkerid",
            ],
            Self::Answer => &[
                "answer", "label", "response", "value", "vote", "annotation", "judgment", "result", "outputresult", "hash",
            ],
            Self::Gold => &["gold", "goldlabel", "truth", "groundtruth", "gt", "correct", "expert", "truelabel"],
        }
    }
}

/// A header name without case, punctuation and space: `!amt_worker_ids` and `AMT worker-IDs` are the same name.
fn squeezed(header: &str) -> String {
    header
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Columns as the caller names them, each by its header or its number from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    task: String,
    worker: String,
    answer: String,
    gold: Option<String>,
}

impl FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut named: [Option<String>; 4] = Default::default();
        for part in text.split(',') {
            let (key, name) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not of the form task=NAME"))?;
            let (key, name) = (key.trim(), name.trim());
            let role = Role::ALL.into_iter().find(|role| role.name() == key);
            let role = role.ok_or_else(|| {
                format!("{key:?} is no column to name: task, worker, answer and gold are")
            })?;
            if name.is_empty() {
                return Err(format!("{key} names no column"));
            }
            if named[role as usize].replace(name.to_owned()).is_some() {
                return Err(format!("{key} is named twice"));
            }
        }
        let [task, worker, answer, gold] = named;
        let needed = |name: Option<String>, role: Role| {
            name.ok_or_else(|| format!("{} is missing; only gold may be left out", role.name()))
        };
        Ok(Self {
            task: needed(task, Role::Task)?,
            worker: needed(worker, Role::Worker)?,
            answer: needed(answer, Role::Answer)?,
            gold,
        })
    }
}

impl Columns {
    /// The columns from 0, if all are given as numbers that a line of this many fields has.
    pub(crate) fn by_number(&self, fields: usize) -> Option<Vec<usize>> {
        let names = [&self.task, &self.worker, &self.answer];
        let names = names.into_iter().chain(&self.gold);
        let numbers = names.map(|name| name.parse().ok().filter(|n| (1..=fields).contains(n)));
        numbers.map(|number| number.map(|n: usize| n - 1)).collect()
    }
}

/// Where the columns stand in a line, from 0; no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) task: usize,
    pub(crate) worker: usize,
    pub(crate) answer: usize,
    pub(crate) gold: Option<usize>,
}

impl Places {
    /// The same columns behind one more.
    pub(crate) fn shifted(self) -> Self {
        Self {
            task: self.task + 1,
            worker: self.worker + 1,
            answer: self.answer + 1,
            gold: self.gold.map(|gold| gold + 1),
        }
    }

    /// What to type for these columns, with another one for a role.
    pub(crate) fn typed(&self, headers: &[String], role: &str, other: usize) -> String {
        let places = [
            Some(self.task),
            Some(self.worker),
            Some(self.answer),
            self.gold,
        ];
        let typed = Role::ALL.into_iter().zip(places).filter_map(|(of, place)| {
            let place = if of.name() == role { other } else { place? };
            Some(format!("{}={}", of.name(), headers[place]))
        });
        typed.collect::<Vec<_>>().join(",")
    }
}

/// The other columns whose names are common for a role.
pub(crate) fn others(headers: &[String], role: &str, column: usize) -> Vec<usize> {
    let role = Role::ALL.into_iter().find(|known| known.name() == role);
    let names = role.map_or(&[][..], Role::common_names);
    let mut found = positions(headers, |header| names.contains(&&*squeezed(header)));
    found.retain(|other| *other != column);
    found
}

/// Finds the columns in a header.
///
/// # Errors
///
/// A text for people: what is missing or ambiguous, the headers, and what to type.
pub(crate) fn locate(headers: &[String], columns: Option<&Columns>) -> Result<Places, String> {
    match columns {
        Some(columns) => locate_named(headers, columns),
        None => locate_common(headers),
    }
}

fn locate_named(headers: &[String], columns: &Columns) -> Result<Places, String> {
    let names = [&columns.task, &columns.worker, &columns.answer];
    let names = names.into_iter().chain(&columns.gold);
    let mut found: Vec<usize> = Vec::new();
    for (role, name) in Role::ALL.into_iter().zip(names) {
        let column = locate_name(headers, role, name)?;
        if let Some(other) = found.iter().position(|other| *other == column) {
            return Err(format!(
                "--columns gives {} and {} the same column, {:?}",
                Role::ALL[other].name(),
                role.name(),
                headers[column],
            ));
        }
        found.push(column);
    }
    Ok(Places {
        task: found[0],
        worker: found[1],
        answer: found[2],
        gold: found.get(3).copied(),
    })
}

/// The column of this name, else of this name without case and punctuation, else of this number from 1.
fn locate_name(headers: &[String], role: Role, name: &str) -> Result<usize, String> {
    let mut found = positions(headers, |header| header == name);
    if found.is_empty() {
        let wanted = squeezed(name);
        found = positions(headers, |header| {
            !wanted.is_empty() && squeezed(header) == wanted
        });
    }
    let number = name.parse().ok();
    let number = number.filter(|number| (1..=headers.len()).contains(number));
    let wrong = match (&found[..], number) {
        (&[column], _) => return Ok(column),
        ([], Some(number)) => return Ok(number - 1),
        ([], None) => "no such column",
        _ => "several columns of that name; give the number of one, from 1",
    };
    Err(format!(
        "--columns says {}={name}, and the header has {wrong}. It has {}.",
        role.name(),
        listed(headers),
    ))
}

fn positions(headers: &[String], fits: impl Fn(&str) -> bool) -> Vec<usize> {
    let columns = 0..headers.len();
    columns.filter(|column| fits(&headers[*column])).collect()
}

fn locate_common(headers: &[String]) -> Result<Places, String> {
    let found = Role::ALL.map(|role| candidates(headers, role));
    match [&found[0][..], &found[1][..], &found[2][..], &found[3][..]] {
        [&[task], &[worker], &[answer], gold @ ([] | [_])] => Ok(Places {
            task,
            worker,
            answer,
            gold: gold.first().copied(),
        }),
        _ => Err(unclear(headers, &found)),
    }
}

/// The columns whose names stand for the role. A name or text is left out where the header has its id too.
fn candidates(headers: &[String], role: Role) -> Vec<usize> {
    let names = role.common_names();
    let squeezed: Vec<String> = headers.iter().map(|header| squeezed(header)).collect();
    let mut found = positions(&squeezed, |header| names.contains(&header));
    found.retain(|column| {
        let name = &squeezed[*column];
        let id = format!("{}id", name.strip_suffix("name").unwrap_or(name));
        !(names.contains(&&*id) && squeezed.contains(&id))
    });
    found
}

/// Says for each role that is not clear why, and what to type. The part to type holds the columns that are clear.
fn unclear(headers: &[String], found: &[Vec<usize>; 4]) -> String {
    let (mut missing, mut why, mut typed) = (Vec::new(), Vec::new(), Vec::new());
    for (role, found) in Role::ALL.into_iter().zip(found) {
        let mut name = "NAME";
        match found[..] {
            [] if role == Role::Gold => continue,
            [] => missing.push(role.name()),
            [column] => name = &headers[column],
            _ => {
                let several = found.iter().map(|column| headers[*column].clone());
                let several = listed(&several.collect::<Vec<_>>());
                why.push(format!("{several} may each be the {}", role.name()));
            }
        }
        typed.push(format!("{}={name}", role.name()));
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        why.push(format!("no column has a common name for {missing}"));
    }
    let separators = if headers.len() == 1 {
        " Columns are separated by tabs, commas or semicolons."
    } else {
        ""
    };
    format!(
        "expected a header that names task, worker and answer, but {}. The header has {}.{separators} \
         Say which is which: --columns '{}'; if the first line is data, by the columns' numbers, from 1",
        why.join(", and "),
        listed(headers),
        typed.join(","),
    )
}

/// Headers for people, quoted and escaped.
fn listed(headers: &[String]) -> String {
    /// Nobody reads a longer list.
    const SHOWN_MAX: usize = 40;
    let shown = headers.iter().take(SHOWN_MAX);
    let mut shown: Vec<String> = shown.map(|header| format!("{header:?}")).collect();
    if headers.len() > SHOWN_MAX {
        shown.push(format!("and {} more", headers.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests;
