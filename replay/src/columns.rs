//! Which column of a header holds what: found by common names, or said by the caller.
//!
//! Nothing is guessed. Of two names that both could be meant, only one rule chooses: an id before the name or text that it
//! stands for (`question_id` before `question`). Everything else is an error that says what to type.

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

    /// Header names that stand for the role, as [`squeezed`] leaves them. No name stands in two lists. Names that mean the
    /// row itself (`id`, `annotation_id`) stand in none, nor do flags about gold (`golden`).
    #[rustfmt::skip]
    fn common_names(self) -> &'static [&'static str] {
        match self {
            Self::Task => &[
                "task", "taskid", "taskname", "item", "itemid", "itemname", "question", "questionid", "example",
                "exampleid", "unit", "unitid", "origid", "instance", "instanceid", "object", "objectid", "sample",
                "sampleid", "hit", "hitid", "case", "caseid", "problem", "problemid", "query", "queryid", "document",
                "documentid", "doc", "docid", "subject", "subjectid", "subjectids", "image", "imageid", "tweet",
                "tweetid", "entity", "entityid", "workunit", "workunitid", "workunitname", "artifact", "artifactid",
                "package", "assignmenttaskid",
            ],
            Self::Worker => &[
                "worker", "workerid", "workerids", "workername", "amtworkerid", "amtworkerids", "annotator",
                "annotatorid", "annotatorname", "user", "userid", "username", "labeler", "labelerid", "labeller",
                "labellerid", "source", "sourceid", "sourcename", "judge", "judgeid", "rater", "raterid", "voter",
                "voterid", "coder", "coderid", "reviewer", "reviewerid", "assessor", "assessorid", "contributor",
                "contributorid", "participant", "participantid", "performer", "performerid", "turker", "turkerid",
                "host", "hostid", "hostname", "node", "nodeid", "rebuilder", "rebuilderid", "member", "memberid",
                "assignmentworkerid",
            ],
            Self::Answer => &[
                "answer", "answervalue", "label", "labelid", "labelvalue", "response", "responsevalue", "value", "vote",
                "annotation", "annotationvalue", "judgement", "judgment", "rating", "result", "output", "outputresult",
                "outputlabel", "choice", "verdict", "opinion", "decision", "category", "class", "score", "hash",
                "digest", "checksum", "workeranswer", "workerlabel", "workerresponse",
            ],
            Self::Gold => &[
                "gold", "goldlabel", "goldanswer", "goldvalue", "goldstandard", "truth", "truelabel", "trueanswer",
                "truevalue", "trueclass", "groundtruth", "groundtruthlabel", "gt", "gtlabel", "correct",
                "correctanswer", "correctlabel", "correctresponse", "correctvalue", "expert", "expertlabel",
                "expertanswer", "reference", "referencelabel", "expected", "expectedanswer", "goldenresult",
                "goldenlabel",
            ],
        }
    }
}

/// A header name without case, punctuation and space: `!amt_worker_ids`, `AMT worker-IDs` and `amtWorkerIds` are one.
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

/// Where the columns stand in a line, from 0; no two are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) task: usize,
    pub(crate) worker: usize,
    pub(crate) answer: usize,
    pub(crate) gold: Option<usize>,
}

/// Finds the columns in a header.
///
/// # Errors
///
/// A text for people: what is missing or ambiguous, which headers there are, and what to type.
pub(crate) fn locate(headers: &[String], columns: Option<&Columns>) -> Result<Places, String> {
    match columns {
        Some(columns) => locate_named(headers, columns),
        None => locate_common(headers),
    }
}

fn locate_named(headers: &[String], columns: &Columns) -> Result<Places, String> {
    let places = Places {
        task: locate_name(headers, Role::Task, &columns.task)?,
        worker: locate_name(headers, Role::Worker, &columns.worker)?,
        answer: locate_name(headers, Role::Answer, &columns.answer)?,
        gold: (columns.gold.as_deref())
            .map(|name| locate_name(headers, Role::Gold, name))
            .transpose()?,
    };
    let used = [
        Some(places.task),
        Some(places.worker),
        Some(places.answer),
        places.gold,
    ];
    for (i, first) in used.iter().enumerate() {
        if let Some(column) = first
            && let Some(second) = used[i + 1..].iter().position(|other| other == first)
        {
            return Err(format!(
                "--columns gives {} and {} the same column, {:?}",
                Role::ALL[i].name(),
                Role::ALL[i + 1 + second].name(),
                headers[*column],
            ));
        }
    }
    Ok(places)
}

/// A name as it stands in the header, else without case and punctuation, else a number from 1.
fn locate_name(headers: &[String], role: Role, name: &str) -> Result<usize, String> {
    let exact = positions(headers, |header| header == name);
    let found = if exact.is_empty() {
        let wanted = squeezed(name);
        positions(headers, |header| {
            !wanted.is_empty() && squeezed(header) == wanted
        })
    } else {
        exact
    };
    let number = name
        .parse()
        .ok()
        .filter(|number| (1..=headers.len()).contains(number));
    match (found[..].first(), found.len(), number) {
        (Some(column), 1, _) => Ok(*column),
        (None, _, Some(number)) => Ok(number - 1),
        (None, ..) => Err(format!(
            "--columns says {}={name}, and the header has no such column. It has {}.",
            role.name(),
            listed(headers),
        )),
        (Some(_), ..) => Err(format!(
            "--columns says {}={name}, and several columns have that name; give the number of one, from 1. \
             The header has {}.",
            role.name(),
            listed(headers),
        )),
    }
}

fn positions(headers: &[String], fits: impl Fn(&str) -> bool) -> Vec<usize> {
    let fitting = headers
        .iter()
        .enumerate()
        .filter(|(_, header)| fits(header));
    fitting.map(|(column, _)| column).collect()
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

/// The columns whose names stand for the role, names and texts left out where their id is there too.
fn candidates(headers: &[String], role: Role) -> Vec<usize> {
    let names = role.common_names();
    let found = positions(headers, |header| names.contains(&squeezed(header).as_str()));
    let is_found = |name: String| {
        found
            .iter()
            .any(|column| squeezed(&headers[*column]) == name)
    };
    let stands_for_itself = |column: &usize| {
        let name = squeezed(&headers[*column]);
        let stem = name.strip_suffix("name").unwrap_or(&name);
        !is_found(format!("{stem}id"))
    };
    found.iter().copied().filter(stands_for_itself).collect()
}

/// Says for each role that is not clear why, and what to type: what is clear is filled in.
fn unclear(headers: &[String], found: &[Vec<usize>; 4]) -> String {
    let mut missing = Vec::new();
    let mut why = Vec::new();
    let mut typed = Vec::new();
    for (role, found) in Role::ALL.into_iter().zip(found) {
        match found[..] {
            [] if role == Role::Gold => continue,
            [column] => {
                typed.push(format!("{}={}", role.name(), headers[column]));
                continue;
            }
            [] => missing.push(role.name()),
            _ => {
                let several = found.iter().map(|column| headers[*column].clone());
                let several = listed(&several.collect::<Vec<_>>());
                why.push(format!("{several} may each be the {}", role.name()));
            }
        }
        typed.push(format!("{}=NAME", role.name()));
    }
    if !missing.is_empty() {
        why.push(format!(
            "no column has a common name for {}",
            missing.join(", ")
        ));
    }
    let separators = if headers.len() == 1 {
        " Columns are separated by tabs, commas or semicolons."
    } else {
        ""
    };
    format!(
        "expected a header that names task, worker and answer, but {}. The header has {}.{separators} \
         Say which is which: --columns '{}'",
        why.join(", and "),
        listed(headers),
        typed.join(","),
    )
}

/// Headers for people: quoted and escaped, for they may hold anything.
fn listed(headers: &[String]) -> String {
    /// More are not read by anybody.
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
