//! What real rebuilders published, where the data is there.

use super::*;

fn key(file: &str) -> Option<PublicKey> {
    Some(PublicKey::from_pem(&link_example(file)?).unwrap())
}

/// The directory of links, read with some keys: subjects, and why the others were refused.
fn links(keys: Vec<PublicKey>) -> (Told, Vec<(String, String)>) {
    let mut told = Told::default();
    let options = Options {
        keys,
        only: vec!["*.link".parse().unwrap()],
        ..Options::default()
    };
    Reader::new(options).read_path(&data("links"), &mut |event| told.take(event));
    let refused = told.problems.iter().map(|problem| {
        let name = problem.place.file.file_name().unwrap();
        (
            name.to_string_lossy().into_owned(),
            problem.fault.to_string(),
        )
    });
    let refused = refused.collect();
    (told, refused)
}

#[test]
fn a_directory_of_links_is_read_and_verified() {
    let keys = [
        key("reproduce-debian-net-amd64.pub"),
        key("reproducible-archlinux.pub"),
    ];
    let [Some(debian), Some(arch)] = keys else {
        return;
    };
    let (filesystem, as_slice) = (
        "pkg:alpm/arch/filesystem@2025.10.12-1?arch=any",
        "pkg:deb/debian/librust-as-slice-dev@0.2.1-1%2Bb2?arch=amd64",
    );
    let spoilt = "filesystem-2025.10.12-1-any.INVALID.in-toto.link".to_owned();
    let (told, refused) = links(vec![debian, arch]);
    assert_eq!(told.subjects(), [filesystem, as_slice]);
    let wrong = LinkFault::SignatureWrong(arch.key_id()).to_string();
    assert_eq!(refused, [(spoilt.clone(), wrong)]);
    // The material of Arch is the package itself, that of Debian is the `.buildinfo`.
    let inputs = told
        .findings
        .iter()
        .map(|(finding, _)| hex::encode(&finding.item.input));
    assert_eq!(
        inputs.collect::<Vec<_>>(),
        [
            "6b6c3fee7432204840d3b6afc9bc1a68c28f591a47fb220071715c40cca956df",
            "1b6fd8b8f0d6cf1f5e4923fac390b671619ddeb58a34656040da86a657ac72f4",
        ]
    );
    let (finding, place) = &told.findings[1];
    assert_eq!(
        hex::encode(finding.result),
        "32be954941cdb42bce44c19ece910af04ece3a1acc9b79fa3e8ff735ffb511cd"
    );
    let original = std::fs::read(&place.file).unwrap();
    assert_eq!(finding.original.as_deref(), Some(&*original));

    let (told, refused) = links(vec![debian]);
    assert_eq!(told.subjects(), [as_slice]);
    let none = LinkFault::SignedByNone.to_string();
    let others = [
        spoilt,
        "filesystem-2025.10.12-1-any.in-toto.link".to_owned(),
    ];
    assert_eq!(refused, others.map(|name| (name, none.clone())));

    // Without keys nothing is checked, and the spoilt link says the same as the good one.
    let (told, refused) = links(Vec::new());
    assert_eq!(
        (told.subjects(), refused.len()),
        (vec![filesystem, as_slice], 0)
    );
}

#[test]
fn the_history_of_a_project_is_read_builder_by_builder() {
    let path = data("guix.tsv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let mut rows = std::collections::BTreeMap::<&str, usize>::new();
    for line in text.lines().skip(1) {
        *rows.entry(line.split('\t').nth(2).unwrap()).or_default() += 1;
    }
    assert_eq!(rows.values().sum::<usize>(), 24_223);
    // The reading of each goes through all rows.
    for (builder, rows) in rows.into_iter().step_by(10) {
        let mut told = Told::default();
        let options = Options {
            builder: Some(builder.to_owned()),
            ..Options::default()
        };
        Reader::new(options).read_path(&path, &mut |event| told.take(event));
        assert_eq!(
            (told.findings.len(), told.problems.len()),
            (rows, 0),
            "{builder}"
        );
    }
    let told = read(text.as_bytes());
    assert_eq!(told.findings, []);
    let whose = Fault::WhoseResults("builder".to_owned());
    assert_eq!(told.faults(), [(Some(1), &whose)]);
}
