//! Finds the columns of a header: by common names, or as the caller names them.
//!
//! Where two columns fit, one rule chooses: an id before the name or text that it stands for (`question_id` before `question`).
//! Everything else is an error that says what to type.

pub(crate) use self::named::Columns;
use super::spelling::look;

mod named;

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Task,
    Worker,
    Answer,
    Gold,
    Time,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Task,
        Self::Worker,
        Self::Answer,
        Self::Gold,
        Self::Time,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Worker => "worker",
            Self::Answer => "answer",
            Self::Gold => "gold",
            Self::Time => "time",
        }
    }

    /// Whether no file can do without such a column.
    fn is_needed(self) -> bool {
        !matches!(self, Self::Gold | Self::Time)
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
                "host", "builder", "rebuilder", "assignmentworkerid",
            ],
            Self::Answer => &[
                "answer", "label", "response", "value", "vote", "annotation", "judgment", "result", "outputresult", "hash",
                "sha256",
            ],
            Self::Gold => &["gold", "goldlabel", "truth", "groundtruth", "gt", "correct", "expert", "truelabel"],
            Self::Time => &["time", "minute", "date", "timestamp"],
        }
    }
}

/// What a header name looks like, without punctuation and space: `!amt_worker_ids` and `AMT worker-IDs` are the same name.
fn squeezed(header: &str) -> String {
    let look = look(header);
    look.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Where the columns stand in a line, from 0; no two are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// One column or several, which name the task together.
    pub(crate) task: Vec<usize>,
    pub(crate) worker: usize,
    pub(crate) answer: usize,
    pub(crate) gold: Option<usize>,
    pub(crate) time: Option<usize>,
}

impl Places {
    /// The same columns behind one more.
    pub(crate) fn shifted(self) -> Self {
        Self {
            task: self.task.into_iter().map(|column| column + 1).collect(),
            worker: self.worker + 1,
            answer: self.answer + 1,
            gold: self.gold.map(|column| column + 1),
            time: self.time.map(|column| column + 1),
        }
    }

    /// All columns.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        let roles = self.by_role().map(|(_, places)| places);
        roles.into_iter().flatten()
    }

    /// The columns of each role.
    fn by_role(&self) -> [(Role, Vec<usize>); Role::ALL.len()] {
        [
            (Role::Task, self.task.clone()),
            (Role::Worker, vec![self.worker]),
            (Role::Answer, vec![self.answer]),
            (Role::Gold, self.gold.into_iter().collect()),
            (Role::Time, self.time.into_iter().collect()),
        ]
    }

    /// Which column is which, for people.
    pub(crate) fn said(&self, headers: &[String]) -> String {
        let said = self.by_role().into_iter().flat_map(|(role, places)| {
            let places = places.into_iter();
            places
                .map(move |at| format!("{} is column {} ({:?})", role.name(), at + 1, headers[at]))
        });
        said.collect::<Vec<_>>().join(", ")
    }

    /// What to type for these columns, with another one in the place of one of them.
    pub(crate) fn typed(&self, headers: &[String], column: usize, other: usize) -> String {
        let typed = (self.by_role().into_iter())
            .filter(|(_, places)| !places.is_empty())
            .map(|(role, places)| {
                let names = places.into_iter().map(|place| {
                    let place = if place == column { other } else { place };
                    headers[place].as_str()
                });
                let names: Vec<&str> = names.collect();
                format!("{}={}", role.name(), names.join("+"))
            });
        typed.collect::<Vec<_>>().join(",")
    }
}

/// The other columns whose names are common for a role, and then those that say what of it they hold (`worker_email`).
pub(crate) fn others(headers: &[String], role: &str, column: usize) -> Vec<usize> {
    const PARTS: [&str; 11] = [
        "code", "email", "hash", "id", "ip", "key", "login", "name", "number", "text", "uuid",
    ];
    let role = Role::ALL.into_iter().find(|known| known.name() == role);
    let names = role.map_or(&[][..], Role::common_names);
    let mut found = positions(headers, |header| names.contains(&&*squeezed(header)));
    found.extend(positions(headers, |header| {
        let header = squeezed(header);
        let whole = PARTS.iter().filter_map(|part| header.strip_suffix(part));
        whole.into_iter().any(|whole| names.contains(&whole)) && !names.contains(&&*header)
    }));
    found.retain(|other| *other != column);
    found
}

/// Whether a first line has common names for two of the columns that every file needs. Data have not.
pub(crate) fn is_header(first: &[String]) -> bool {
    let is_there = |role: &Role| {
        let names = role.common_names();
        role.is_needed() && first.iter().any(|field| names.contains(&&*squeezed(field)))
    };
    Role::ALL.iter().filter(|role| is_there(role)).count() > 1
}

/// Finds the columns in a header. A column for the time that nobody named is looked for only if it is wanted.
///
/// # Errors
///
/// A text for people: what is missing or ambiguous, the headers, and what to type.
pub(crate) fn locate(
    headers: &[String],
    columns: Option<&Columns>,
    wants_time: bool,
) -> Result<Places, String> {
    match columns {
        Some(columns) => locate_named(headers, columns),
        None => locate_common(headers, wants_time),
    }
}

fn locate_named(headers: &[String], columns: &Columns) -> Result<Places, String> {
    let mut found: Vec<(Role, usize)> = Vec::new();
    for role in Role::ALL {
        let Some(text) = columns.of(role) else {
            continue;
        };
        // A header may have the sign that joins names in its own name.
        let is_one = role != Role::Task || headers.iter().any(|header| header == text);
        let names = if is_one {
            vec![text]
        } else {
            named::parts(text).collect()
        };
        for name in names {
            let column = locate_name(headers, role, name)?;
            if let Some((other, _)) = found.iter().find(|(_, other)| *other == column) {
                return Err(format!(
                    "--columns gives {} and {} the same column, {:?}",
                    other.name(),
                    role.name(),
                    headers[column],
                ));
            }
            found.push((role, column));
        }
    }
    let columns = |role: Role| {
        let found = found.iter().filter(move |(of, _)| *of == role);
        found.map(|(_, column)| *column)
    };
    let needed = |role| {
        columns(role)
            .next()
            .expect("the option names what is needed")
    };
    Ok(Places {
        task: columns(Role::Task).collect(),
        worker: needed(Role::Worker),
        answer: needed(Role::Answer),
        gold: columns(Role::Gold).next(),
        time: columns(Role::Time).next(),
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

fn locate_common(headers: &[String], wants_time: bool) -> Result<Places, String> {
    let found = Role::ALL.map(|role| match role {
        Role::Time if !wants_time => Vec::new(),
        _ => candidates(headers, role),
    });
    match found.each_ref().map(Vec::as_slice) {
        [
            &[task],
            &[worker],
            &[answer],
            gold @ ([] | [_]),
            time @ ([] | [_]),
        ] => Ok(Places {
            task: vec![task],
            worker,
            answer,
            gold: gold.first().copied(),
            time: time.first().copied(),
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
fn unclear(headers: &[String], found: &[Vec<usize>; Role::ALL.len()]) -> String {
    let (mut missing, mut why, mut typed) = (Vec::new(), Vec::new(), Vec::new());
    for (role, found) in Role::ALL.into_iter().zip(found) {
        let mut name = "NAME";
        match found[..] {
            [] if !role.is_needed() => continue,
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
         Say which is which: --columns '{}'; if the first line is data, add --no-header and give the columns' numbers, from 1.",
        why.join(", and "),
        listed(headers),
        typed.join(","),
    )
}

/// Headers for people, quoted and escaped.
pub(crate) fn listed(headers: &[String]) -> String {
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
