use mycnet_consensus::{Identity, Signer as _};
use proptest::prelude::*;

use super::super::subject::Subjects;
use super::super::tests::link_example;
use super::*;

const ARCH: &str = "filesystem-2025.10.12-1-any.in-toto.link";
const SPOILT: &str = "filesystem-2025.10.12-1-any.INVALID.in-toto.link";
const DEBIAN: &str = "librust-as-slice-dev_0.2.1-1+b2_amd64.in-toto.link";

fn key(file: &str) -> Option<PublicKey> {
    Some(PublicKey::from_pem(&link_example(file)?).unwrap())
}

#[test]
fn the_links_of_real_rebuilders_are_verified() {
    let keys = [
        key("reproduce-debian-net-amd64.pub"),
        key("reproducible-archlinux.pub"),
    ];
    let [Some(debian), Some(arch)] = keys else {
        return;
    };
    let read = |file| Link::parse(&link_example(file).unwrap()).unwrap();
    for (file, keys, expected) in [
        (ARCH, &[arch][..], Ok(())),
        (ARCH, &[debian, arch], Ok(())),
        (ARCH, &[debian], Err(LinkFault::SignedByNone)),
        (DEBIAN, &[debian], Ok(())),
        (DEBIAN, &[arch], Err(LinkFault::SignedByNone)),
        (
            SPOILT,
            &[arch],
            Err(LinkFault::SignatureWrong(arch.key_id())),
        ),
        (SPOILT, &[debian], Err(LinkFault::SignedByNone)),
    ] {
        assert_eq!(read(file).check(keys), expected, "{file}");
    }
    // One byte of what is signed.
    let bytes = link_example(ARCH).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let changed = text.replace("rebuild filesystem", "rebuilt filesystem");
    let changed = Link::parse(changed.as_bytes()).unwrap();
    let wrong = LinkFault::SignatureWrong(arch.key_id());
    assert_eq!(changed.check(&[arch]), Err(wrong));
    // White space, order and escapes are not signed.
    let spaced = text.replace("\"_type\"", "\n \"\\u005ftype\" ");
    assert_eq!(
        Link::parse(spaced.as_bytes()).unwrap().check(&[arch]),
        Ok(())
    );
}

#[test]
fn the_input_of_a_link_is_what_it_was_made_from() {
    let hash = "1b6fd8b8f0d6cf1f5e4923fac390b671619ddeb58a34656040da86a657ac72f4";
    let of = |materials: &str| {
        let text = format!(
            r#"{{"signatures":[],"signed":{{"_type":"link","materials":{materials},"products":{{"a_1_all.deb":{{}}}}}}}}"#
        );
        hex::encode(Link::parse(text.as_bytes()).unwrap().input())
    };
    let hashed = |json: &str| hex::encode(Sha256::digest(json));
    for (desc, materials, input) in [
        ("nothing", "{}".to_owned(), String::new()),
        (
            "a .buildinfo",
            format!(r#"{{"a.buildinfo":{{"sha256":"{hash}"}}}}"#),
            hash.to_owned(),
        ),
        (
            "the package itself",
            format!(r#"{{"a_1_all.deb":{{"sha256":"{hash}","sha512":"00"}}}}"#),
            hash.to_owned(),
        ),
        (
            "something else",
            format!(r#"{{"a.tar": {{"sha256":"{hash}"}}}}"#),
            hashed(&format!(r#"{{"a.tar":{{"sha256":"{hash}"}}}}"#)),
        ),
        (
            "a .buildinfo without SHA-256",
            r#"{"a.buildinfo":{"sha512":"00"}}"#.to_owned(),
            hashed(r#"{"a.buildinfo":{"sha512":"00"}}"#),
        ),
        (
            "several files, in canonical order",
            r#"{"b":{}, "a.buildinfo":{}}"#.to_owned(),
            hashed(r#"{"a.buildinfo":{},"b":{}}"#),
        ),
    ] {
        assert_eq!(of(&materials), input, "{desc}");
    }
}

#[test]
fn what_is_no_link_says_why() {
    let not = LinkFault::NotALink;
    let link = |signatures: &str| {
        format!(
            r#"{{"signatures":{signatures},"signed":{{"_type":"link","materials":{{}},"products":{{}}}}}}"#
        )
    };
    for (text, fault) in [
        ("[]".to_owned(), not("it is no object")),
        ("{}".to_owned(), not("'signed' is missing")),
        (
            r#"{"signed":{"_type":"layout"}}"#.to_owned(),
            not("'_type' in 'signed' is not \"link\""),
        ),
        (
            r#"{"signed":{"_type":"link"}}"#.to_owned(),
            not("'materials' is no object"),
        ),
        (
            r#"{"signed":{"_type":"link","materials":{},"products":[]}}"#.to_owned(),
            not("'products' is no object"),
        ),
        (link("{}"), not("'signatures' is no list")),
        (
            link(r#"[{"keyid":"a"}]"#),
            not("a signature has no texts 'keyid' and 'sig'"),
        ),
        (
            link(r#"[{"keyid":"a","sig":""},{"keyid":"a","sig":"0"}]"#),
            LinkFault::SignedTwice("a".to_owned()),
        ),
    ] {
        let read = Link::parse(text.as_bytes());
        assert_eq!(read, Err(Fault::Link(fault)), "{text}");
    }
    assert_eq!(
        Link::parse(link("[]").as_bytes()).unwrap().check([]),
        Err(LinkFault::Unsigned)
    );
}

#[test]
fn a_signature_that_is_no_signature_is_wrong() {
    let ada = Identity::from_seed_label("ada");
    let key = PublicKey::from_node(&ada.node_id()).unwrap();
    for (desc, signature) in [
        ("empty", String::new()),
        ("no digits", "x".repeat(128)),
        ("too short", "0".repeat(126)),
        ("nothing but zeros", "0".repeat(128)),
    ] {
        for id in key.key_ids() {
            let mut link = Link::of("pkg:deb/debian/a@1?arch=all", &[], &[7; 32]);
            link.signatures.push((id.clone(), signature.clone()));
            let wrong = LinkFault::SignatureWrong(id);
            assert_eq!(link.check([&key]), Err(wrong), "{desc}");
        }
    }
    let link = Link::of("a", &[], &[7; 32]);
    let other = link.clone().with_signature(&key, &[0; 64]);
    assert_eq!(other, Err(LinkFault::SignatureWrong(key.key_id())));
    let signature = ada.sign(&link.to_sign()).unwrap();
    let signed = link.with_signature(&key, signature.as_bytes()).unwrap();
    let twice = signed.with_signature(&key, signature.as_bytes());
    assert_eq!(twice, Err(LinkFault::SignedTwice(key.key_id())));
}

#[test]
fn a_link_of_a_package_is_as_rebuilderd_makes_it() {
    let link = Link::of("pkg:deb/debian/a@1%2Bb1?arch=amd64", &[1; 32], &[2; 32]);
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    let expected = format!(
        r#"{{"signatures":[],"signed":{{"_type":"link","byproducts":{{}},"command":[],"environment":null,"materials":{{"a_1+b1_amd64.buildinfo":{{"sha256":"{one}"}}}},"name":"rebuild a_1+b1_amd64.deb","products":{{"a_1+b1_amd64.deb":{{"sha256":"{two}"}}}}}}}}"#
    );
    assert_eq!(String::from_utf8(link.to_bytes()).unwrap(), expected);
    assert_eq!(link.name(), Some("rebuild a_1+b1_amd64.deb"));
}

proptest! {
    #[test]
    fn a_link_that_is_made_signed_and_written_says_the_same(
        name in "(pkg:(deb/debian|alpm/arch|nix)/[a-z+]{1,4}@[0-9:.-]{1,4}(\\?arch=[a-z]{1,3})?|[ -~ä]{1,20}|[a-z]{1,3}_1-1_all.deb)",
        input: Option<[u8; 32]>,
        result: [u8; 32],
        secret: [u8; 32],
    ) {
        let subjects = Subjects::default();
        let Ok(subject) = subjects.of(&name) else {
            return Ok(());
        };
        let identity = Identity::from_secret(&secret);
        let key = PublicKey::from_node(&identity.node_id()).unwrap();
        let input = input.map(Vec::from).unwrap_or_default();
        let link = Link::of(&subject, &input, &result);
        let signature = identity.sign(&link.to_sign()).unwrap();
        let link = link.with_signature(&key, signature.as_bytes()).unwrap();
        let read = Link::parse(&link.to_bytes()).unwrap();
        prop_assert_eq!(read.check([&key]), Ok(()));
        let [(file, hash)] = &read.products().collect::<Vec<_>>()[..] else {
            panic!("one product");
        };
        prop_assert_eq!(subjects.of(file), Ok(subject));
        prop_assert_eq!(hash, &Ok(result));
        prop_assert_eq!(read.input(), input);
        prop_assert_eq!(read, link);
    }
}
