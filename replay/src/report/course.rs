//! What a report says beyond totals: what stayed in dispute, who differed, when that came out, and when skill fell and was back.

use std::fmt;

use super::{Report, shown};
use crate::answers::{Place, ratio};
use crate::dissent::{Dispute, Dissent, Notice};
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
        writeln!(
            f,
            "\nIn dispute, without a verdict and without a change of skill:"
        )?;
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
        fmt_some(f, &self.dissent, fmt_dissenter)
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
                "\n{copiable} of {} answers ({:.1} %) equal one further up in the file: they could have been copied.\n\
                 With commit and reveal, none: nobody sees an answer before its own is fixed.",
                self.votes,
                per_cent(copiable, self.votes)
            )?;
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
        delay(notice),
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

fn moment(moment: &Moment) -> String {
    format!("{}, height {}", at(&moment.place), moment.height)
}

fn at(place: &Place) -> String {
    match &place.time {
        Some(time) => format!("line {} (time {})", place.line, plain(&time.text)),
        None => format!("line {}", place.line),
    }
}

/// How long after the first answer a dissent came out.
fn delay(notice: &Notice) -> String {
    /// Milliseconds of a unit, and its name.
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "days"),
        (3_600_000, "hours"),
        (60_000, "minutes"),
        (1000, "seconds"),
    ];
    match notice.after_ms {
        None => String::new(),
        Some(0) => ", at once".to_owned(),
        Some(ms) => {
            let fits = UNITS.into_iter().find(|(unit, _)| ms >= *unit);
            let (unit, name) = fits.unwrap_or((1, "milliseconds"));
            format!(", {:.1} {name} later", ratio(ms, unit))
        }
    }
}

#[allow(clippy::float_arithmetic, reason = "shown only")]
fn per_cent(part: usize, of: usize) -> f64 {
    100.0 * ratio(part as u64, of.max(1) as u64)
}
