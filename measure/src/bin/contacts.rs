//! Nodes that people carry: a recorded contact trace drives production cores, compared with a lower bound from the trace.
//!
//! `cargo run --release -p mycnet-measure --bin contacts -- TRACE [--operations 60] [--seeds 10] [--primary NODE]
//! [--critical | --claims] [--field] [--json]`
//!
//! TRACE has lines of `time CONN node node up|down` (the ONE simulator's `StandardEventsReader`), such as
//! `haggle-one-intel.tsv` of the CRAWDAD data set cambridge/haggle. Without `--primary` each node in turn proposes first: a
//! network whose Primary is rarely met is slower, and the table shows by how much. Half of the operations are claims, half
//! critical, unless one class is asked for. Commits are frozen a minute after an operation is opened, or with `--field` an hour
//! after it, as in the profile of that name; the bound has no such grace. Every line joins all seeds.

use std::error::Error;

use mycnet_consensus::Class;
use mycnet_measure::contacts::compare::{Comparison, Delays, STAGES, compare};
use mycnet_measure::contacts::plan::operations;
use mycnet_measure::contacts::replay::Setup;
use mycnet_measure::contacts::trace::Trace;

/// Hours with two digits.
fn hours(seconds: Option<u64>) -> String {
    seconds.map_or("never".to_owned(), |seconds| {
        format!("{}.{:02}", seconds / 3600, seconds % 3600 / 36)
    })
}

fn row(delays: &Delays) -> String {
    let at = |percent| delays.at_percent(percent).unwrap_or((0, None));
    let (median, most) = (at(50), at(90));
    let ratio = delays.median_permille();
    let ratio = ratio.map_or("-".to_owned(), |ratio| {
        format!("{}.{:03}", ratio / 1000, ratio % 1000)
    });
    let decided = format!("{}/{}", delays.decided(), delays.bound.len());
    format!(
        "{decided:>9}  {:>6} / {:>6} = {ratio:>5}  {:>6} / {:>6}",
        hours(median.1),
        hours(Some(median.0)),
        hours(most.1),
        hours(Some(most.0)),
    )
}

fn json(primary: u64, found: &Comparison) -> serde_json::Value {
    let side = |delays: &Delays| {
        let at = |percent| {
            delays
                .at_percent(percent)
                .map(|(bound, cores)| (cores, bound))
        };
        serde_json::json!({ "decided": delays.decided(), "bound_decides": delays.bound.len(),
            "median_s": at(50), "p90_s": at(90), "median_permille": delays.median_permille() })
    };
    serde_json::json!({ "primary": primary, "operations": found.operations, "first": side(&found.first),
        "last": side(&found.last), "stages_s": found.stages(), "faster_than_bound": found.impossible,
        "seals": found.replayed.rounds.len(), "nudges": found.replayed.nudges, "messages": found.replayed.messages })
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut path, mut count, mut seeds, mut primary, mut is_json) = (None, 60, 10, None, false);
    let mut classes = vec![Class::Claim, Class::Critical];
    let mut setup: fn(u64, Option<usize>) -> Setup = Setup::prompt;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64, Box<dyn Error>> {
            let value = arguments
                .next()
                .ok_or(format!("{argument} needs a number"))?;
            Ok(value
                .parse()
                .map_err(|error| format!("{argument} {value}: {error}"))?)
        };
        match argument.as_str() {
            "--operations" => count = usize::try_from(number()?)?,
            "--seeds" => seeds = number()?,
            "--primary" => primary = Some(number()?),
            "--critical" => classes = vec![Class::Critical],
            "--claims" => classes = vec![Class::Claim],
            "--field" => setup = Setup::field,
            "--json" => is_json = true,
            _ if path.is_none() && !argument.starts_with('-') => path = Some(argument),
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let path = path.ok_or("which trace? see the head of measure/src/bin/contacts.rs")?;
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let trace = Trace::read(&text).map_err(|error| format!("{path}, {error}"))?;
    let places = 0..trace.nodes();
    let primaries: Vec<usize> = places
        .filter(|n| primary.is_none_or(|p| p == trace.name(*n)))
        .collect();
    if primaries.is_empty() {
        return Err("no node of the trace has this number".into());
    }
    if !is_json {
        println!("hours: cores / bound      decided   median                 p90");
    }
    let mut all: Option<Comparison> = None;
    for primary in primaries {
        let mut joined: Option<Comparison> = None;
        for seed in 0..seeds {
            let planned = operations(seed, &trace, count, &classes);
            let found = compare(&trace, &planned, &setup(seed, Some(primary)))?;
            match &mut joined {
                Some(joined) => joined.join(found),
                None => joined = Some(found),
            }
        }
        let joined = joined.ok_or("at least one seed is needed")?;
        if is_json {
            println!("{}", json(trace.name(primary), &joined));
        } else {
            println!(
                "Primary {:>3}, first node {}",
                trace.name(primary),
                row(&joined.first)
            );
            println!("              last node {}", row(&joined.last));
        }
        match &mut all {
            Some(all) => all.join(joined),
            None => all = Some(joined),
        }
    }
    if let (Some(all), false) = (all, is_json) {
        println!("together     first node {}", row(&all.first));
        println!("              last node {}", row(&all.last));
        println!("mean hours since the proposal, cores / bound:");
        for (name, (cores, bound)) in STAGES.iter().zip(all.stages()) {
            println!(
                "  {:>6} / {:>6}  {name}",
                hours(Some(cores)),
                hours(Some(bound))
            );
        }
        println!(
            "seals {}, nudges {}, faster than the bound {}",
            all.replayed.rounds.len(),
            all.replayed.nudges,
            all.impossible
        );
    }
    Ok(())
}
