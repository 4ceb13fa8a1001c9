//! The genesis against both schemas: JSON Schema for its JSON form, CDDL for its CBOR form.

use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::limits::{TEXT_BYTES_MAX, TIME_MS_MAX};
use mycnet_consensus::{Digest, Genesis, Params, Signer as _, Spore};
use serde_json::{Value, json};

use super::{BAD, BEYOND, GOOD, RECORDS, Verdict, described};
use crate::samples;

const GENESIS: &str = include_str!("../../../schemas/genesis.schema.json");

/// The JSON form of the sample genesis.
fn genesis_json() -> Value {
    serde_json::to_value(samples::genesis()).expect("it is plain data")
}

fn genesis_schema() -> jsonschema::Validator {
    let schema = serde_json::from_str(GENESIS).expect("the schema is JSON");
    assert!(
        jsonschema::meta::is_valid(&schema),
        "the schema is a schema"
    );
    jsonschema::validator_for(&schema).expect("the schema compiles")
}

fn decodes(json: &Value) -> bool {
    serde_json::from_value::<Genesis>(json.clone()).is_ok_and(|genesis| genesis.check().is_ok())
}

#[test]
fn the_json_schema_describes_a_genesis() {
    let schema = genesis_schema();
    let json = genesis_json();
    assert!(schema.is_valid(&json), "{:?}", schema.validate(&json));
    let read: Genesis = serde_json::from_value(json).expect("it is read back");
    assert_eq!(read.network_id(), samples::genesis().network_id());
    let alone = Genesis::builder("alone")
        .member(samples::ada().node_id(), Spore::Latent)
        .params(Params::field())
        .build()
        .expect("it is valid");
    assert!(schema.is_valid(&serde_json::to_value(alone).expect("plain data")));
    let following = serde_json::to_value(samples::following()).expect("plain data");
    assert!(schema.is_valid(&following), "{following}");
    let read: Genesis = serde_json::from_value(following).expect("it is read back");
    assert_eq!(read.network_id(), samples::following().network_id());
}

#[test]
fn a_wrong_genesis_fits_neither_schema_nor_decoder() {
    let schema = genesis_schema();
    let judged = |path: &str, value: Value| {
        let mut json = genesis_json();
        *json.pointer_mut(path).expect("the path is there") = value;
        (schema.is_valid(&json), decodes(&json))
    };
    let member = json!({
        "node": samples::ada().node_id(),
        "role": "seed",
        "name": "ada",
        "successor": null,
    });
    let other = json!(samples::genesis().members[1].name);
    let weak = json!("00".repeat(32));
    let seed = json!("seed");
    let cases: [(&str, Value, Verdict); 34] = [
        ("/v", json!(2), GOOD),
        ("/v", json!(1), BAD),
        ("/name", json!("x".repeat(TEXT_BYTES_MAX)), GOOD),
        ("/name", json!("x".repeat(TEXT_BYTES_MAX + 1)), BAD),
        ("/nonce", json!("11".repeat(31)), BAD),
        ("/nonce", json!("AB".repeat(32)), GOOD),
        ("/nonce", json!("xy".repeat(32)), BAD),
        ("/time_ms", json!(-1), BAD),
        ("/time_ms", json!(TIME_MS_MAX), GOOD),
        ("/time_ms", json!(TIME_MS_MAX + 1), BAD),
        ("/members", json!([]), BAD),
        ("/members", json!([member.clone(), member]), BAD),
        ("/members/0/role", json!("boss"), BAD),
        ("/members/0/node", weak, BEYOND),
        ("/members/0/name", json!("x".repeat(32)), GOOD),
        ("/members/0/name", json!("x".repeat(33)), BAD),
        ("/members/0/name", json!(""), BAD),
        ("/members/0/name", json!("Ada"), BAD),
        ("/members/0/name", json!("a b"), BAD),
        ("/members/0/name", json!("a\n"), BAD),
        ("/members/0/name", other, BEYOND),
        ("/members/0/successor", json!(null), GOOD),
        ("/members/0/successor", json!("22".repeat(32)), GOOD),
        ("/members/0/successor", json!("22".repeat(31)), BAD),
        ("/sealing", json!("nobody"), BAD),
        ("/panel_scoring", json!(null), BAD),
        ("/params/absent_ppm", json!(1_000_001), BAD),
        ("/params/absent_ppm", json!(0.5), BAD),
        ("/params/commit_window_ms", json!(u64::MAX), BAD),
        ("/params/drift_ms", json!(100_000), BEYOND),
        ("/params/founder_trust_ppm", json!(60_000), BEYOND),
        ("/params/claim_share_ppm", json!(0), GOOD),
        ("/params/claim_share_ppm", json!(499_999), BAD),
        ("/params/claim_electors", json!(0), BAD),
    ];
    for (path, value, expected) in cases {
        assert_eq!(judged(path, value.clone()), expected, "{path} = {value}");
    }
    let mut primaries = genesis_json();
    for index in 0..3 {
        primaries["members"][index]["role"] = json!("primary");
    }
    assert_eq!((schema.is_valid(&primaries), decodes(&primaries)), BAD);
    primaries["members"][1]["role"] = seed.clone();
    primaries["members"][2]["role"] = seed;
    assert_eq!((schema.is_valid(&primaries), decodes(&primaries)), GOOD);
}

#[test]
fn every_field_is_needed_and_no_other() {
    let schema = genesis_schema();
    for (path, field) in [
        ("", "v"),
        ("", "params"),
        ("/members/0", "role"),
        ("/members/0", "name"),
        ("/members/0", "successor"),
        ("/params", "drift_ms"),
    ] {
        let mut json = genesis_json();
        let object = json.pointer_mut(path).and_then(Value::as_object_mut);
        let object = object.expect("the path is there");
        object.remove(field);
        assert_eq!(
            (schema.is_valid(&json), decodes(&json)),
            BAD,
            "without {field}"
        );
        let mut json = genesis_json();
        let object = json.pointer_mut(path).and_then(Value::as_object_mut);
        object
            .expect("the path is there")
            .insert("more".into(), json!(1));
        assert_eq!(
            (schema.is_valid(&json), decodes(&json)),
            BAD,
            "one more in {path}"
        );
    }
}

/// A new parameter belongs into both schemas.
#[test]
fn the_schemas_name_every_parameter() {
    let schema: Value = serde_json::from_str(GENESIS).expect("the schema is JSON");
    let params = &schema["properties"]["params"];
    let required: Vec<&str> = params["required"]
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(required, Params::NAMES);
    for name in Params::NAMES {
        let stated = |bound: &str| params["properties"][name][bound].as_u64();
        assert_eq!(
            stated("minimum").zip(stated("maximum")),
            Params::range_of(name),
            "{name}"
        );
        assert!(RECORDS.contains(&format!("  {name}: ")), "{name}");
    }
}

/// The ranges of single parameters in the CDDL are those of the decoder.
#[test]
fn the_cddl_states_every_range() {
    let described = |name: &str, value: u64| {
        let mut params = serde_json::to_value(Params::default()).expect("plain data");
        params[name] = json!(value);
        serde_json::from_value::<Params>(params)
            .is_ok_and(|params| described("params", &codec::encode(&params)))
    };
    for name in Params::NAMES {
        let (least, most) = Params::range_of(name).expect("it is a parameter");
        assert!(described(name, least) && described(name, most), "{name}");
        let below = least.checked_sub(1);
        assert!(!below.is_some_and(|below| described(name, below)), "{name}");
        assert!(!described(name, most + 1), "{name}");
    }
    for (share, is_good) in [(0, true), (1, false), (499_999, false), (500_000, true)] {
        assert_eq!(described("claim_share_ppm", share), is_good, "{share}");
    }
}

/// The CDDL of a genesis refuses what the decoder refuses.
#[test]
fn the_cddl_describes_a_genesis() {
    let refused = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = samples::genesis();
        change(&mut genesis);
        let bytes = genesis.encode();
        assert!(Genesis::decode(&bytes).is_err());
        !described("genesis", &bytes)
    };
    assert!(refused(&|g| g.v = 1));
    assert!(refused(&|g| g.name = "x".repeat(TEXT_BYTES_MAX + 1)));
    assert!(refused(&|g| g.members.clear()));
    assert!(refused(&|g| g.time_ms = TIME_MS_MAX + 1));
    assert!(refused(&|g| g.params.absent_ppm = 1_000_001));
    assert!(refused(&|g| g.params.drift_ms = u64::MAX));
    // Beyond CDDL: the order of members.
    assert!(!refused(&|g| g.members.reverse()));
    assert!(!refused(&|g| g.members[0].name = g.members[1].name.clone()));
    let digest = codec::encode(&Digest::default());
    assert!(!described("genesis", &digest) && described("digest", &digest));
}
