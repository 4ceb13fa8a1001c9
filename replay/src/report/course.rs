//! What a report says beyond totals: what stayed in dispute, who differed, when that came out, and when skill fell and was back.

use std::fmt;

use super::{Report, Waves, shown};
use crate::answers::{Place, ratio};
use crate::dissent::{Dispute, Dissent, Notice};
use crate::late::LateDissent;
use crate::replayed::{Fall, Moment};
use crate::terminal::plain;

/// Lines of one kind at most; `--json` has all.
const LINES: usize = 20;

impl Report {
    /// Tasks without a verdict, by name.
    pub(super) fn fmt_disputes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_dispute.is_empty() {
            return Ok(());
        }
        let head = match self.waves {
            // A wave may have decided something, and moved skill.
            Some(_) => "In dispute, since their waves together have no verdict:",
            None => "In dispute, without a verdict and without a change of skill:",
        };
        writeln!(f, "\n{head}")?;
        let line = |f: &mut fmt::Formatter<'_>, dispute: &Dispute| {
            writeln!(
                f,
                "  {}: {} answers, {} of them different",
                plain(&dispute.task),
                dispute.answers,
                dispute.different
            )
        };
        fmt_some(f, &self.in_dispute, line)
    }

    /// Who differed, and when that came out.
    pub(super) fn fmt_dissent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dissent.is_empty() {
            return writeln!(f, "\nNo answer differs from what was decided.");
        }
        writeln!(f, "\nAnswers that differ from what was decided:")?;
        fmt_some(f, &self.dissent, |f, dissent| {
            fmt_dissenter(f, dissent)?;
            match (&dissent.noticed, self.waves) {
                (Some(notice), Some(_)) => fmt_waits(f, notice),
                _ => Ok(()),
            }
        })
    }

    /// Who differed from what an earlier wave had decided.
    pub(super) fn fmt_late(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.late_dissent.as_deref() {
            None => Ok(()),
            Some([]) => writeln!(
                f,
                "\nNo answer differs from what an earlier wave had decided."
            ),
            Some(late) => {
                writeln!(
                    f,
                    "\nAnswers that differ from what an earlier wave had decided:"
                )?;
                fmt_some(f, late, fmt_late)
            }
        }
    }

    /// When skill fell and was back, and what could have been copied.
    pub(super) fn fmt_order(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(falls) = &self.falls {
            let count = falls.len();
            writeln!(f, "\nSkill fell {count} times, in parts per million:")?;
            // The deepest, in the order of the file.
            let mut deepest: Vec<usize> = (0..count).collect();
            deepest.sort_by_key(|fall| falls[*fall].lowest_ppm.abs_diff(falls[*fall].from_ppm));
            let mut deepest = deepest.split_off(count.saturating_sub(LINES));
            deepest.sort_unstable();
            for fall in deepest {
                fmt_fall(f, &falls[fall])?;
            }
            if count > LINES {
                writeln!(f, "  … {} more that are not so deep", count - LINES)?;
            }
        }
        if let Some(copiable) = self.copiable {
            writeln!(
                f,
                "\n{copiable} of {} answers ({:.1} %) equal one further up in the file: they could have been copied.",
                self.votes,
                per_cent(copiable, self.votes)
            )?;
            match self.waves {
                None => writeln!(
                    f,
                    "With commit and reveal, none: nobody sees an answer before its own is fixed."
                )?,
                Some(Waves { copiable, .. }) => writeln!(
                    f,
                    "With commit and reveal {copiable} ({:.1} %): they equal one of an earlier wave, which was shown.",
                    per_cent(copiable, self.votes)
                )?,
            }
        }
        Ok(())
    }
}

/// The first lines, and how many more there are.
fn fmt_some<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    line: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for one in all.iter().take(LINES) {
        line(f, one)?;
    }
    match all.len().saturating_sub(LINES) {
        0 => Ok(()),
        more => writeln!(f, "  … {more} more"),
    }
}

fn fmt_dissenter(f: &mut fmt::Formatter<'_>, dissent: &Dissent) -> fmt::Result {
    let (name, differing, of) = (shown(&dissent.worker), dissent.differing, dissent.of);
    let Some(notice) = &dissent.noticed else {
        return writeln!(f, "  {name}: {differing} of {of}");
    };
    write!(f, "  {name}: {differing} of {of}, ")?;
    if notice.first == notice.last {
        writeln!(f, "{}", at(&notice.first))?;
    } else {
        writeln!(f, "from {} to {}", at(&notice.first), at(&notice.last))?;
    }
    writeln!(
        f,
        "    noticed at {}{}; by then it had differed on {} of {} occasions",
        moment(&notice.at),
        notice.after_ms.map(later).unwrap_or_default(),
        notice.occasions_until,
        notice.occasions
    )
}

fn fmt_fall(f: &mut fmt::Formatter<'_>, fall: &Fall) -> fmt::Result {
    let Fall {
        from_ppm,
        lowest_ppm,
        ..
    } = fall;
    let name = shown(&fall.name);
    write!(
        f,
        "  {name}: {from_ppm} to {lowest_ppm} from {} on, ",
        moment(&fall.fell)
    )?;
    match &fall.recovered {
        Some(recovered) => writeln!(f, "back at {}", moment(recovered)),
        None => writeln!(f, "not back"),
    }
}

/// How long the answers waited, and whether they counted for the skill.
fn fmt_waits(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    let longest = notice.longest_ms.map(duration).unwrap_or_default();
    write!(f, "    each was noticed within {longest}")?;
    match notice.unscored {
        0 => writeln!(f),
        unscored => writeln!(
            f,
            "; {unscored} moved no skill, since fewer than three with weight were asked with them"
        ),
    }
}

fn fmt_late(f: &mut fmt::Formatter<'_>, late: &LateDissent) -> fmt::Result {
    let (name, count) = (shown(&late.worker), late.answers.len());
    let first = &late.answers[0];
    writeln!(
        f,
        "  {name}: {count}, the first for {}: {}, decided was {}",
        plain(&first.task),
        shown(&first.answer),
        shown(&first.decided)
    )?;
    let later = late.after_ms.map(later).unwrap_or_default();
    writeln!(
        f,
        "    noticed at {}{later}; the verdict stands for {} of {count}",
        moment(&late.at),
        late.standing()
    )
}

fn moment(moment: &Moment) -> String {
    // A wait may go on after the last answer.
    let waited = if moment.after(&moment.place) > Some(0) {
        "the end of the wait after "
    } else {
        ""
    };
    format!("{waited}{}, height {}", at(&moment.place), moment.height)
}

fn at(place: &Place) -> String {
    match &place.time {
        Some(time) => format!("line {} (time {})", place.line, plain(&time.text)),
        None => format!("line {}", place.line),
    }
}

/// How long after an answer something came out.
fn later(ms: u64) -> String {
    match ms {
        0 => ", at once".to_owned(),
        ms => format!(", {} later", duration(ms)),
    }
}

fn duration(ms: u64) -> String {
    /// Milliseconds of a unit, and its name.
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "days"),
        (3_600_000, "hours"),
        (60_000, "minutes"),
        (1000, "seconds"),
    ];
    let fits = UNITS.into_iter().find(|(unit, _)| ms >= *unit);
    let (unit, name) = fits.unwrap_or((1, "milliseconds"));
    format!("{:.1} {name}", ratio(ms, unit))
}

#[allow(clippy::float_arithmetic, reason = "shown only")]
fn per_cent(part: usize, of: usize) -> f64 {
    100.0 * ratio(part as u64, of.max(1) as u64)
}
