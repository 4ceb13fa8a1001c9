//! What the commands print with `--json`, as JSON Schema: `schemas/command.json`, made of the types that are printed.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::api::openapi::{Answer, check_file, event, schema};
use crate::failure::Failure;
use crate::{builds, devnet, lists, page, reply};

/// What a command prints: one of these.
fn printed(command: &str) -> Vec<Answer> {
    match command {
        "init" => vec![schema::<reply::Created>],
        "network new" => vec![schema::<reply::NewNetwork>],
        "network show" => vec![schema::<mycnet_consensus::Genesis>],
        "join" => vec![schema::<reply::Joined>],
        "consent" => vec![schema::<reply::Consented>],
        "run" | "watch" => vec![event],
        "ticket" => vec![schema::<reply::TicketText>],
        "vote" | "direct" | "object" | "resolve" => vec![schema::<reply::OperationDetails>],
        "status" => vec![schema::<reply::Status>, schema::<reply::OperationDetails>],
        "operations" => vec![schema::<reply::Operations>],
        "votes" => vec![schema::<reply::Votes>],
        "page" => vec![schema::<page::Page>],
        "trust" => vec![schema::<reply::MemberTrust>],
        "what-if" => vec![schema::<reply::WhatIf>],
        "roster" => vec![schema::<reply::Roster>],
        "config" => vec![schema::<reply::Config>, schema::<lists::OneKey>],
        "evidence" => vec![schema::<reply::EvidenceList>],
        "peers" => vec![schema::<reply::Peers>],
        "certificate" => vec![schema::<reply::CertificateFile>],
        "verify" => vec![schema::<reply::CertificateChecked>],
        "export" => vec![schema::<reply::Exported>],
        "bundle export" => vec![schema::<reply::BundleExported>],
        "bundle import" => vec![schema::<reply::BundleImported>],
        "doctor" => vec![schema::<reply::Health>],
        "rejoin" => vec![schema::<reply::Declared>],
        "refound plan" => vec![schema::<reply::PlanShown>],
        "refound endorse" | "refound status" | "refound abandon" => {
            vec![schema::<reply::RefoundingShown>]
        }
        "key show" => vec![schema::<reply::KeysShown>],
        "key succeed" => vec![schema::<reply::Succeeded>],
        "devnet" => vec![schema::<devnet::Report>],
        "replay" => vec![mycnet_replay::report_schema],
        other => match other.split_once(' ') {
            // What it is about makes no difference.
            Some(("propose", _)) => {
                vec![schema::<reply::Accepted>, schema::<reply::OperationDetails>]
            }
            Some(("builds", what)) => builds::printed(what),
            _ => Vec::new(),
        },
    }
}

/// The commands that take `--json`, by their names.
fn commands(of: &clap::Command, name: &str, found: &mut Vec<String>) {
    for command in of.get_subcommands() {
        let name = format!("{name} {}", command.get_name());
        commands(command, &name, found);
        let takes_json = command.get_arguments().any(|it| it.get_id() == "json");
        if takes_json && !command.has_subcommands() {
            found.push(name.trim_start().to_owned());
        }
    }
}

/// The document. Its keys are sorted.
fn document(command_line: &mut clap::Command) -> Value {
    command_line.build();
    let mut names = Vec::new();
    commands(command_line, "", &mut names);
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut described = Map::new();
    for name in names {
        let forms = printed(&name);
        assert!(!forms.is_empty(), "what does `mycnet {name} --json` print?");
        let forms: Vec<Value> = forms.iter().map(|it| it(&mut generator)).collect();
        let form = match forms.as_slice() {
            [one] => one.clone(),
            _ => json!({ "anyOf": forms }),
        };
        described.insert(name, form);
    }
    let failure = schema::<Failure>(&mut generator);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `mycnet COMMAND --json` prints",
        "description": "Under `commands`, by the names of the commands, what stands on standard output: one object, and for `run` and `watch` one \
            on each line. Where a command fails, the last line on standard error is a `failure`. Keys may be added, and none changes its meaning.",
        "commands": described,
        "failure": failure,
        "$defs": generator.take_definitions(true),
    })
}

#[test]
fn the_file_describes_every_command() {
    check_file("command.json", &document(&mut crate::command_line()));
}
