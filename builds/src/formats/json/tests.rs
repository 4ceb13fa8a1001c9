use proptest::prelude::*;

use super::*;

#[test]
fn the_canonical_form_is_that_of_in_toto() {
    for (text, canonical) in [
        ("null", "null"),
        (" [ true , false ] ", "[true,false]"),
        ("{\"b\":1,\n \"a\":-2}", r#"{"a":-2,"b":1}"#),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        // Only the quotation mark and the backslash are escaped.
        (
            r#""a\"b\\c\n\t\u0001\u00e9/""#,
            "\"a\\\"b\\\\c\n\t\u{1}é/\"",
        ),
        // By code points, as Python sorts: an emoji after all of the basic plane, and capitals before small letters.
        (
            "{\"\u{1f600}\":1,\"\u{ffee}\":2,\"b\":3,\"B\":4,\"\":5}",
            "{\"\":5,\"B\":4,\"b\":3,\"\u{ffee}\":2,\"\u{1f600}\":1}",
        ),
    ] {
        let json = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(json.canonical()).unwrap(),
            canonical,
            "{text}"
        );
    }
}

#[test]
fn what_is_refused_says_why() {
    let float = |column| JsonFault::Float { column };
    for (desc, text, line, fault) in [
        ("a float", "1.0".to_owned(), 1, float(3)),
        ("an exponent", "[\n1e2]".to_owned(), 2, float(3)),
        ("minus nothing", "-0".to_owned(), 1, float(2)),
        (
            "more than 64 bits",
            "18446744073709551616".to_owned(),
            1,
            float(20),
        ),
        (
            "a key that stands twice, once escaped",
            "{\"a\":1,\n\"\\u0061\":1}".to_owned(),
            2,
            JsonFault::KeyTwice {
                key: "a".to_owned(),
                column: 8,
            },
        ),
        (
            "a list too deep",
            "[".repeat(100_000),
            1,
            JsonFault::TooDeep { column: 33 },
        ),
        (
            "an object too deep",
            "{\"a\":".repeat(100_000),
            1,
            JsonFault::TooDeep { column: 161 },
        ),
    ] {
        assert_eq!(Json::parse(text.as_bytes()), Err((line, fault)), "{desc}");
    }
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":}",
        "nul",
        "1 2",
        "\"\\ud800\"",
        "\"\u{1}\"",
        "{} x",
    ] {
        let fault = Json::parse(text.as_bytes()).unwrap_err().1;
        assert!(matches!(fault, JsonFault::Syntax(_)), "{text}: {fault}");
    }
    let deepest = format!(
        "{}{}",
        "[".repeat(JSON_DEPTH_MAX),
        "]".repeat(JSON_DEPTH_MAX)
    );
    assert!(Json::parse(deepest.as_bytes()).is_ok());
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(|number| Json::Integer(number.into())),
        // Control characters stand as they are in the canonical form, which is then no JSON.
        "[^\\p{Cc}]{0,8}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::List),
            prop::collection::btree_map("[^\\p{Cc}]{0,4}", inner, 0..4).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_is_read_as_what_was_written(json in any_json()) {
        prop_assert_eq!(Json::parse(&json.canonical()), Ok(json));
    }
}
