//! Some releases of a large project as 42 independent builders built them.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::dissent;
use crate::input::{Reading, parse};

/// Releases in which somebody differed for long, or nobody agreed, or all agreed.
const RELEASES: [&str; 6] = ["25.1", "26.0rc1", "27.0rc1", "25.2rc2", "27.0", "26.2"];

/// The header, and the lines of these releases; `None` if the file is not there.
fn lines() -> Option<String> {
    let file = "../../shared/data/builds/guix.tsv";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    let is_wanted = |line: &&str| {
        let release = line.split('\t').next().unwrap_or_default();
        release == "release" || RELEASES.contains(&release)
    };
    Some(text.split_inclusive('\n').filter(is_wanted).collect())
}

#[test]
fn who_differs_is_named_and_what_nobody_agrees_on_costs_nobody_anything() {
    let Some(text) = lines() else { return };
    let columns = "task=release+artifact,worker=builder,answer=sha256,time=minute";
    let columns = columns.parse().unwrap();
    let reading = Reading {
        columns: Some(&columns),
        in_order: true,
        ..Reading::default()
    };
    let answers = parse(text.as_bytes(), reading).unwrap();
    assert_eq!((answers.votes(), answers.tasks.len()), (2597, 162));
    let replayed = replay(&answers, &in_sets(true));
    let first = &replayed.replicas[0];
    for replica in &replayed.replicas {
        let held = (replica.state_digest, replica.documents_digest);
        assert_eq!(held, (first.state_digest, first.documents_digest));
    }
    // What nobody agrees on.
    let disputes = dissent::in_dispute(&answers, &replayed.decisions);
    let names: Vec<&str> = disputes.iter().map(|it| it.task.as_str()).collect();
    let zip = |of: &str| format!("26.0rc1 / bitcoin-26.0rc1-{of}-apple-darwin.zip");
    assert_eq!(names, [zip("arm64"), zip("x86_64")]);
    for dispute in &disputes {
        assert_eq!((dispute.answers, dispute.different), (9, 9));
    }
    // One builder differs in four releases, and is named at the first of them: at the minute of its results.
    let dissent = dissent::of(&answers, &replayed.decisions, replayed.timeline.as_ref());
    let [one] = &dissent[..] else {
        panic!("{dissent:?}");
    };
    assert_eq!((one.worker.as_str(), one.differing), ("builder-17", 65));
    let noticed = one.noticed.as_ref().unwrap();
    assert_eq!((noticed.occasions, noticed.occasions_until), (4, 1));
    assert_eq!(noticed.after_ms, Some(0));
    let time = noticed.at.place.time.as_ref().unwrap();
    assert_eq!(&*time.text, "48444");
    // Nobody else's skill ever falls.
    let falls = replayed.timeline.unwrap().falls;
    let fallen: Vec<&str> = falls.iter().map(|fall| fall.name.as_str()).collect();
    assert_eq!(fallen, ["builder-17"]);
    assert!(answers.copiable() > 2200);
    // A vote costs its result and little else.
    let cost = replayed.cost;
    assert_eq!(
        cost.sets + cost.single_claims,
        replayed.replicas[0].height / 2
    );
    assert!(cost.sealed_bytes < 150 * 2597, "{cost:?}");
}
