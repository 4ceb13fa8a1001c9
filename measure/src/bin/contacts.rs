//! Nodes that people carry: a contact trace drives production cores, compared with two lower bounds from the trace.
//!
//! `cargo run --release -p mycnet-measure --bin contacts -- (TRACE | --made PRESET [--nodes 30]) [--primary NODE | --all-primaries]
//! [--seed 0] [--seeds 1] [--operations 60] [--critical | --claims] [--field] [--json]`
//!
//! TRACE has lines of `time CONN node node up|down` (the ONE simulator's `StandardEventsReader`), such as
//! `haggle-one-intel.tsv` of the CRAWDAD data set cambridge/haggle. PRESET is `friends`, `office`, `shifts`, `village` or
//! `mesh`; a made-up trace has the seed of the operations. Without `--primary` and `--all-primaries` that node is Primary which was
//! met longest on the first day. Half of the operations are claims, half critical, unless one class is asked for. Commits are
//! frozen a minute after an operation is opened, or with `--field` an hour after it, as in the profile of that name; the bounds
//! have no such grace. Every line joins all seeds; the last one is the mean of the lines above it.
//!
//! The program ends with an error if nodes hold different seals, states or outcomes, and if anything is faster than the first
//! bound. The error names the seed and the Primary that repeat it.

use std::error::Error;

use mycnet_consensus::Class;
use mycnet_measure::contacts::compare::{Comparison, STAGES, compare};
use mycnet_measure::contacts::made::{Preset, made};
use mycnet_measure::contacts::plan::operations;
use mycnet_measure::contacts::report::{self, Figures, HEADING};
use mycnet_measure::contacts::setup::Setup;
use mycnet_measure::contacts::trace::Trace;

const DAY_S: u64 = 24 * 3600;

enum Source {
    Recorded(Trace),
    Made(Preset, usize),
}

impl Source {
    fn trace(&self, seed: u64) -> Trace {
        match self {
            Self::Recorded(trace) => trace.clone(),
            Self::Made(preset, nodes) => made(&preset.shape(*nodes), seed),
        }
    }
}

enum Primaries {
    LongestMet,
    One(u64),
    All,
}

struct Options {
    source: Source,
    primaries: Primaries,
    seeds: std::ops::Range<u64>,
    operations: usize,
    classes: Vec<Class>,
    setup: fn(u64, Option<usize>) -> Setup,
    is_json: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (mut path, mut preset, mut nodes, mut seed, mut seeds) = (None, None, 30, 0, 1);
        let mut options = Self {
            source: Source::Made(Preset::Friends, 0),
            primaries: Primaries::LongestMet,
            seeds: 0..0,
            operations: 60,
            classes: vec![Class::Claim, Class::Critical],
            setup: Setup::prompt,
            is_json: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--made" => preset = Some(value()?.parse::<Preset>()?),
                "--nodes" => nodes = number(&argument, &value()?)?,
                "--seed" => seed = number(&argument, &value()?)?,
                "--seeds" => seeds = number(&argument, &value()?)?,
                "--operations" => options.operations = number(&argument, &value()?)?,
                "--primary" => options.primaries = Primaries::One(number(&argument, &value()?)?),
                "--all-primaries" => options.primaries = Primaries::All,
                "--critical" => options.classes = vec![Class::Critical],
                "--claims" => options.classes = vec![Class::Claim],
                "--field" => options.setup = Setup::field,
                "--json" => options.is_json = true,
                _ if path.is_none() && !argument.starts_with('-') => path = Some(argument),
                _ => return Err(format!("unknown argument {argument}").into()),
            }
        }
        options.source = match (path, preset) {
            (Some(path), None) => {
                let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
                Source::Recorded(Trace::read(&text).map_err(|e| format!("{path}, {e}"))?)
            }
            (None, Some(preset)) if (2..=64).contains(&nodes) => Source::Made(preset, nodes),
            (None, Some(_)) => return Err("--nodes is 2 to 64".into()),
            _ => return Err("a trace or --made; see measure/src/bin/contacts.rs".into()),
        };
        if seeds == 0 {
            return Err("at least one seed is needed".into());
        }
        options.seeds = seed..seed + seeds;
        Ok(options)
    }

    /// The Primaries to try: the names of nodes, or `None` for the one longest met in each trace.
    fn primaries(&self) -> Result<Vec<Option<u64>>, Box<dyn Error>> {
        let trace = self.source.trace(self.seeds.start);
        let mut names = (0..trace.nodes()).map(|node| trace.name(node));
        match self.primaries {
            Primaries::LongestMet => Ok(vec![None]),
            Primaries::All => Ok(names.map(Some).collect()),
            Primaries::One(name) if names.any(|known| known == name) => Ok(vec![Some(name)]),
            Primaries::One(name) => Err(format!("no node of the trace is {name}").into()),
        }
    }

    /// All seeds with one Primary.
    fn run(&self, primary: Option<u64>) -> Result<Comparison, Box<dyn Error>> {
        let mut joined: Option<Comparison> = None;
        for seed in self.seeds.clone() {
            let trace = self.source.trace(seed);
            let place = (0..trace.nodes()).find(|node| primary == Some(trace.name(*node)));
            let place = place.unwrap_or_else(|| trace.longest_met(DAY_S));
            let planned = operations(seed, &trace, self.operations, &self.classes);
            let found = compare(&trace, &planned, &(self.setup)(seed, Some(place)))?;
            if found.first_bound.sooner > 0 {
                return Err(format!(
                    "seed {seed}, Primary {}: {} operations faster than the first bound",
                    trace.name(place),
                    found.first_bound.sooner
                )
                .into());
            }
            match &mut joined {
                Some(joined) => joined.join(found),
                None => joined = Some(found),
            }
        }
        Ok(joined.expect("there is at least one seed"))
    }
}

fn number<N: std::str::FromStr<Err = std::num::ParseIntError>>(
    argument: &str,
    value: &str,
) -> Result<N, String> {
    let parsed = value.parse();
    parsed.map_err(|error| format!("{argument} {value}: {error}"))
}

/// Hours with two digits.
fn hours(seconds: u64) -> String {
    format!("{}.{:02}", seconds / 3600, seconds % 3600 / 36)
}

fn print_totals(all: &Comparison) {
    println!("mean hours since the proposal, cores / first bound:");
    for (name, (cores, bound)) in STAGES.iter().zip(all.stages()) {
        println!("  {:>6} / {:>6}  {name}", hours(cores), hours(bound));
    }
    let decided = |beside: &mycnet_measure::contacts::compare::Beside| {
        format!("{} of {}", beside.first.decided(), beside.first.possible())
    };
    println!(
        "{} operations: {} that the first bound decides, {} that the second does; {} sooner than the second",
        all.operations,
        decided(&all.first_bound),
        decided(&all.second_bound),
        all.second_bound.sooner
    );
    println!(
        "seals {}, nudges {}, messages {}",
        all.replayed.rounds.len(),
        all.replayed.nudges,
        all.replayed.messages
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    if !options.is_json {
        println!("{HEADING}");
    }
    let mut all: Option<Comparison> = None;
    let mut lines: Vec<[Figures; 2]> = Vec::new();
    for primary in options.primaries()? {
        let found = options.run(primary)?;
        let figures = report::figures(&found);
        if options.is_json {
            let mut object = report::json(&found);
            object["primary"] = primary.into();
            println!("{object}");
        } else {
            let name = primary.map_or("longest met".to_owned(), |name| name.to_string());
            println!("{}", report::line(&name, &figures));
        }
        lines.push(figures);
        match &mut all {
            Some(all) => all.join(found),
            None => all = Some(found),
        }
    }
    let mean = |bound: usize| {
        let figures: Vec<Figures> = lines.iter().map(|line| line[bound]).collect();
        Figures::mean(&figures)
    };
    let means = [mean(0), mean(1)];
    if options.is_json {
        let [first, second] = means.map(|mean| mean.json());
        let object =
            serde_json::json!({ "mean": { "first_bound": first, "second_bound": second } });
        println!("{object}");
        return Ok(());
    }
    println!("{}", report::line("mean", &means));
    if let Some(all) = all {
        print_totals(&all);
    }
    Ok(())
}
