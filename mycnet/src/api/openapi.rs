//! The description of the interface, as `OpenAPI` 3.1 has it: made of the table of paths and of the types that travel.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::events::{Live, Sealed};
use super::route::{Form, ROUTES, Route, VERSION, Verb};
use crate::builds::answers;
use crate::failure::Failure;
use crate::reply;
use crate::request::Request;

/// Makes the schema of a route's answer.
pub(crate) type Answer = fn(&mut SchemaGenerator) -> Value;

/// The schema of a type. What has a name is put beside, and only referred to.
pub(crate) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// An event: of the ledger, of this node alone, or one that `run` tells.
pub(crate) fn event(generator: &mut SchemaGenerator) -> Value {
    let other = json!({ "type": "object", "required": ["event"] });
    json!({ "anyOf": [schema::<Sealed>(generator), schema::<Live>(generator), other] })
}

/// The answer to a request.
fn answer(request: &str) -> Answer {
    match request {
        "status" => schema::<reply::Status>,
        "votes" => schema::<reply::Votes>,
        "operations" => schema::<reply::Operations>,
        "operation" | "wait" => schema::<reply::OperationDetails>,
        "certificate" => schema::<reply::CertificateBytes>,
        "propose" | "vote" | "direct" | "object" | "resolve" => schema::<reply::Accepted>,
        "roster" => schema::<reply::Roster>,
        "trust" => schema::<reply::MemberTrust>,
        "what_if" => schema::<reply::WhatIf>,
        "config" => schema::<reply::Config>,
        "evidence" => schema::<reply::EvidenceList>,
        "genesis" => schema::<mycnet_consensus::Genesis>,
        "ticket" => schema::<reply::TicketText>,
        "peers" => schema::<reply::Peers>,
        "first_height" => schema::<u64>,
        "changes" => schema::<reply::Changes>,
        "records" => schema::<reply::Records>,
        "seal_time" => schema::<reply::SealTime>,
        "find_node" => schema::<reply::FoundId<mycnet_consensus::NodeId>>,
        "find_operation" => schema::<reply::FoundId<mycnet_consensus::OperationId>>,
        "keys" | "succeed" => schema::<reply::Keys>,
        "refounding" => schema::<reply::RefoundingShown>,
        "plan_refounding" => schema::<reply::PlanShown>,
        "declare_journal" | "outlive_twin" | "endorse" | "abandon_refounding" => schema::<()>,
        "export" => schema::<reply::Exported>,
        "export_bundle" => schema::<reply::BundleExported>,
        "import_bundle" => schema::<reply::BundleImported>,
        of_builds => answers(
            of_builds
                .strip_prefix("builds.")
                .expect("all others are above"),
        ),
    }
}

/// The document. Its keys are sorted.
pub(crate) fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let requests = requests(&mut generator);
    let mut paths = Map::new();
    for route in ROUTES {
        let described = describe(route, &requests, &mut generator);
        let path = paths
            .entry(format!("{VERSION}{}", route.path))
            .or_insert_with(|| json!({}));
        let verb = match route.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        path[verb] = described;
    }
    let happened = event(&mut generator);
    paths.insert(format!("{VERSION}/events"), json!({ "get": {
        "operationId": "events",
        "summary": "What happens, as server-sent events; the data of each is one of these objects",
        "parameters": [
            { "name": "since", "in": "query", "required": false, "schema": { "type": "string" },
              "description": "The id of the last event that is known, or a height; 0 is before all. From now on unless it is given" },
            { "name": "Last-Event-ID", "in": "header", "required": false, "schema": { "type": "string" },
              "description": "The same, as browsers send it when they connect again" },
        ],
        "responses": {
            "200": { "description": "The stream", "content": { "text/event-stream": { "schema": happened } } },
            "default": { "$ref": "#/components/responses/failure" },
        },
    }}));
    let failure = schema::<Failure>(&mut generator);
    let mut schemas = generator.take_definitions(true);
    // Requests are described where they are asked.
    for name in ["Request", "Ask", "Filter"] {
        schemas.remove(name);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mycnet",
            "version": "1",
            "description": "What a running node can be asked: over the socket `control.sock` in its directory, and over TCP at the address \
                that `api.listen` in `config.toml` names, with the token of the file `api.token`. Keys may be added to answers, and none \
                changes its meaning.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://localhost" }],
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": {
                "failure": {
                    "description": "What was wrong, where, and what to do",
                    "content": { "application/json": { "schema": failure } },
                },
            },
        },
    })
}

/// The schema of each request, by its name.
fn requests(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let all = schema::<Request>(generator);
    let mut all = variants(generator, &all);
    let of_builds = all
        .remove("builds")
        .expect("there are questions about builds");
    let of_builds = variants(generator, &of_builds);
    all.extend(
        of_builds
            .into_iter()
            .map(|(name, schema)| (format!("builds.{name}"), schema)),
    );
    all
}

/// The contents of an enum's variants, by their names.
fn variants(generator: &SchemaGenerator, of: &Value) -> Map<String, Value> {
    let of = resolved(generator, of);
    let mut variants = Map::new();
    for variant in of["oneOf"].as_array().into_iter().flatten() {
        if let Some(fields) = variant["properties"].as_object() {
            variants.extend(
                fields
                    .iter()
                    .map(|(name, schema)| (name.clone(), schema.clone())),
            );
        }
    }
    variants
}

/// A schema instead of a reference to it.
fn resolved(generator: &SchemaGenerator, schema: &Value) -> Value {
    let name = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    let found = name.and_then(|name| generator.definitions().get(name));
    found.unwrap_or(schema).clone()
}

fn describe(
    route: &Route,
    requests: &Map<String, Value>,
    generator: &mut SchemaGenerator,
) -> Value {
    let mut content = match requests.get(route.request) {
        Some(content) => resolved(generator, content),
        None => json!({}),
    };
    let mut parameters = Vec::new();
    let required = content["required"].clone();
    let is_required = |name: &str| {
        let names = required.as_array();
        names.is_some_and(|names| names.iter().any(|it| it == name))
    };
    for name in route.in_path() {
        let schema = take_field(&mut content, name);
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    for (name, form) in route.query {
        let described = take_field(&mut content, name);
        let schema = match form {
            Form::Text => json!({ "type": "string" }),
            Form::Number => json!({ "type": "integer", "minimum": 0 }),
            Form::Flag => json!({ "type": "boolean" }),
        };
        let about = described["description"].clone();
        let is_required = is_required(name) && *form != Form::Flag;
        let mut parameter =
            json!({ "name": name, "in": "query", "required": is_required, "schema": schema });
        if about.is_string() {
            parameter["description"] = about;
        }
        parameters.push(parameter);
    }
    let answer = answer(route.request)(generator);
    let mut described = json!({
        "operationId": route.request.replace('.', "_"),
        "summary": route.about,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The answer",
                "content": { "application/json": { "schema": answer } },
            },
            "default": { "$ref": "#/components/responses/failure" },
        },
    });
    let has_fields = content["properties"]
        .as_object()
        .is_some_and(|it| !it.is_empty());
    if route.verb == Verb::Post && (has_fields || content.get("oneOf").is_some()) {
        described["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": content } },
        });
    }
    described
}

/// Takes a field out of an object's schema.
fn take_field(content: &mut Value, name: &str) -> Value {
    if let Some(required) = content["required"].as_array_mut() {
        required.retain(|it| it != name);
    }
    let fields = content["properties"].as_object_mut();
    fields
        .and_then(|fields| fields.remove(name))
        .unwrap_or(json!({}))
}

/// Holds that a file in `schemas/` is what the types say. To write the files again: `MYCNET_WRITE_SCHEMAS=1 cargo test -p mycnet --bin
/// mycnet the_file_describes`.
#[cfg(test)]
pub(crate) fn check_file(name: &str, document: &Value) {
    let file = format!("{}/../schemas/{name}", env!("CARGO_MANIFEST_DIR"));
    let made = serde_json::to_string_pretty(document).unwrap() + "\n";
    if std::env::var_os("MYCNET_WRITE_SCHEMAS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(made == written, "schemas/{name} is not what the types say");
}

#[test]
fn the_file_describes_every_path() {
    check_file("openapi.json", &document());
}
