//! Our engine beside Malachite 0.8 and aleph-bft 0.45, in one run: what decisions and operations cost of a processor, and what real
//! nodes send and write.
//!
//! ```sh
//! cargo build --release --locked -p mycnet
//! cargo run --release --locked -p mycnet-measure --features comparisons --bin compare
//! ```
//!
//! The second command prints the tables of `benches/README.md`, with real nodes if the first was run before. Options, behind `--`:
//!
//! - `--devnet MYCNET`: the command `mycnet`; without it, the one beside this program, if there is one.
//! - `--seconds S`: how long each comparison takes, 4 unless given; some take longer, because of the least number of batches.
//! - `--only PART`: `decisions`, `operations` or `devnet`. Without decisions, nothing is reckoned for the other engines.
//! - `--json`: one JSON object.
//!
//! How it measures stands in the documentation of `mycnet_measure::comparisons`.

use std::error::Error;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::time::Duration;

use mycnet_measure::comparisons::agreement::decisions;
use mycnet_measure::comparisons::devnet::devnet;
use mycnet_measure::comparisons::operations::operations;
use mycnet_measure::comparisons::report::Report;

/// The federations of the comparison of decisions.
const DECIDING: [usize; 3] = [4, 16, 31];

/// Those of the others.
const VOTING: [usize; 2] = [4, 16];

/// Operations that are open at once.
const OPEN: [usize; 3] = [1, 10, 60];

/// What can be compared.
const PARTS: [&str; 3] = ["decisions", "operations", "devnet"];

struct Options {
    parts: Vec<String>,
    mycnet: Option<OsString>,
    budget: Duration,
    is_json: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            parts: PARTS.map(str::to_owned).to_vec(),
            mycnet: None,
            budget: Duration::from_secs(4),
            is_json: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--devnet" => options.mycnet = Some(value()?.into()),
                "--seconds" => options.budget = Duration::from_secs(value()?.parse()?),
                "--only" => options.parts = vec![part(value()?)?],
                "--json" => options.is_json = true,
                _ => return Err(format!("unknown argument {argument}").into()),
            }
        }
        Ok(options)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.iter().any(|it| it == part)
    }
}

fn part(name: String) -> Result<String, String> {
    if PARTS.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("{name} is none of {}", PARTS.join(", ")))
    }
}

/// The command that was built beside this program.
fn neighbour() -> Option<OsString> {
    let name = format!("mycnet{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.exists().then(|| path.into())
}

fn progress(what: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{what}");
    }
}

/// Measures real nodes. A failure does not cost the figures before it.
fn devnets(mycnet: Option<OsString>, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let Some(mycnet) = mycnet.or_else(neighbour) else {
        eprintln!("no devnet: build mycnet, or name it by --devnet");
        return Ok(());
    };
    for members in VOTING {
        progress(&format!("a devnet of {members} nodes"));
        report.devnets.push(devnet(&mycnet, members)?);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut report = Report {
        load: load.trim().to_owned(),
        ..Report::default()
    };
    if options.has("decisions") {
        for members in DECIDING {
            progress(&format!("decisions of {members} members"));
            report.decisions.push(decisions(members, options.budget));
        }
    }
    if options.has("operations") {
        for members in VOTING {
            progress(&format!("operations of {members} members"));
            let measured = operations(members, OPEN, options.budget);
            report.operations.extend(measured);
        }
    }
    let mut done = Ok(());
    if options.has("devnet") {
        done = devnets(options.mycnet, &mut report);
    }
    if options.is_json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.markdown());
    }
    done
}
