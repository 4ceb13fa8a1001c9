//! `mycnet builds`: what a rebuilder found goes into the ledger, and what the ledger says about a build comes out.
//!
//! | module | what it is |
//! |---|---|
//! | `submit` | reads what was built, and gives it to the node |
//! | `plan` | puts what is wanted into claim sets |
//! | `status` | what waits, and what is asked |
//! | `serve` | answers what clients ask of a rebuilder, over HTTP |
//! | `sync` | reads a rebuilderd, over HTTP |
//! | `said` | who gave which result |
//! | `verdict` | the command `check`: whether a build is confirmed |
//! | `report` | who differed from whom in what |
//! | `index` | the ledger's verdicts in a file, for whoever has no node |
//! | `what`, `since` | arguments: what is to be checked, since when |
//! | `find` | what sets say about a build |
//! | `people` | builders, for people |
//! | `keeper` | a node's book and index, for as long as the node lives |
//! | `voter` | commits what is asked and known, by itself, while a node runs |
//! | `check` | what `mycnet doctor` looks at |
//! | `ask` | what a node can be asked about builds |
//!
//! Files are read by the command, in a process of its own; a node gets findings and items, in bounded requests, and never what
//! strangers wrote.

mod ask;
mod check;
mod find;
mod index;
mod keeper;
mod people;
mod plan;
mod report;
mod said;
mod serve;
mod since;
mod status;
mod submit;
mod sync;
mod verdict;
mod voter;
mod what;

pub(crate) use self::ask::Ask;
pub(crate) use self::ask::answers;
#[cfg(test)]
pub(crate) use self::ask::samples as ask_samples;
pub(crate) use self::check::{check, damaged};
pub(crate) use self::keeper::Keeper;
pub(crate) use self::since::Since;
pub(crate) use self::voter::{Told, attend};

use crate::home::Common;

/// Share the results of builds: what others built from the same source
///
/// A rebuilder runs `mycnet run`, and gives it what it has built with `mycnet
/// builds submit`. A coordinator asks for results with `mycnet builds plan`. The
/// running node answers by itself what it is asked and knows.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Submit(submit::Args),
    Plan(plan::Args),
    Status(status::Args),
    Serve(serve::Args),
    Sync(sync::Args),
    Check(verdict::Args),
    Report(report::Args),
    Index(index::Args),
}

/// What a command about builds prints: one of these.
#[cfg(test)]
pub(crate) fn printed(what: &str) -> Vec<crate::api::openapi::Answer> {
    use crate::api::openapi::schema;
    match what {
        "submit" => vec![schema::<submit::Summary>],
        "plan" => vec![schema::<plan::Plan>],
        "status" => vec![schema::<ask::Overview>, schema::<ask::SetItems>],
        "serve" => vec![schema::<serve::Started>],
        "sync" => vec![schema::<sync::Synced>],
        "check" => vec![schema::<verdict::Checked>],
        "report" => vec![schema::<report::Reported>],
        "index" => vec![schema::<index::IndexWritten>],
        _ => Vec::new(),
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Submit(submit) => submit::run(submit, &args.common),
        What::Plan(plan) => plan::run(plan, &args.common),
        What::Status(status) => status::run(status, &args.common),
        What::Serve(serve) => serve::run(serve, &args.common),
        What::Sync(sync) => sync::run(sync, &args.common),
        What::Check(check) => verdict::run(check, &args.common),
        What::Report(report) => report::run(report, &args.common),
        What::Index(index) => index::run(index, &args.common),
    }
}
