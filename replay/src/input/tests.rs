mod kinds;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use mycnet_consensus::limits::{PAYLOAD_BYTES_MAX, TEXT_BYTES_MAX};

use super::gathering::WORKERS_MAX;
use super::*;
use crate::answers::{Task, Time};

/// Three answers to one task, so that there is something to decide, before the lines of interest.
const HEAD: &str = "task,worker,answer,gold\nt,a,1,\nt,b,1,\nt,c,0,\n";

fn read_text(text: &str) -> Result<Answers, BadInput> {
    parse(text.as_bytes(), Reading::default())
}

fn read_numbered(text: &str, columns: &Columns) -> Result<Answers, BadInput> {
    let reading = Reading {
        columns: Some(columns),
        ..Reading::default()
    };
    parse(text.as_bytes(), reading)
}

fn task(name: &str, gold: Option<&str>, answers: &[(usize, &str)]) -> Task {
    Task {
        name: name.to_owned(),
        gold: gold.map(str::to_owned),
        answers: (answers.iter())
            .map(|(worker, answer)| (*worker, (*answer).to_owned()))
            .collect(),
        places: Vec::new(),
    }
}

#[test]
fn answers_stand_in_the_order_of_the_file() {
    let answers = read_text(
        "task,worker,answer,gold\n\
         q2,bob,yes,\n\
         q1,ann,no,no\n\
         q2,ann,no,yes\n\
         q2,bob,no,yes\n\
         q2,cy,yes,yes\n\
         q1,bob,yes,no\n",
    );
    let expected = Answers {
        tasks: vec![
            task("q2", Some("yes"), &[(0, "yes"), (1, "no"), (2, "yes")]),
            task("q1", Some("no"), &[(1, "no"), (0, "yes")]),
        ],
        workers: ["bob", "ann", "cy"].map(str::to_owned).to_vec(),
        repeated: 1,
        ..Answers::default()
    };
    assert_eq!(answers, Ok(expected));
}

#[test]
fn one_table_in_many_spellings_is_one_table() {
    let plain = "task,worker,answer\nt,a,\u{e9}\nt,b,1\nt,c,1\n";
    let expected = read_text(plain).unwrap();
    for (what, text) in [
        ("tabs", plain.replace(',', "\t")),
        ("semicolons", plain.replace(',', ";")),
        ("CRLF", plain.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("no newline at the end", plain.trim_end().to_owned()),
        ("blank lines", plain.replace('\n', "\n\n")),
        ("space", plain.replace(',', " , ")),
        (
            "quotes",
            plain.replace('t', "\"t\"").replace("\"t\"ask", "task"),
        ),
        (
            "other names",
            plain.replacen("task,worker", "!item_id,Worker-ID", 1),
        ),
    ] {
        assert_eq!(read_text(&text).as_ref(), Ok(&expected), "{what}: {text:?}");
    }
}

#[test]
fn quoted_fields_hold_delimiters_and_quotes() {
    let answers = read_text(
        "task;worker;answer, as given\n\
         \"one; or \"\"two\"\"\";a;\"x\ny\"\n\
         \"one; or \"\"two\"\"\";b;1\n\
         \"one; or \"\"two\"\"\";c;1\n",
    );
    let error = answers.unwrap_err().to_string();
    assert!(error.contains("\"answer, as given\""), "{error}");

    let columns = "task=task,worker=worker,answer=3".parse().unwrap();
    let text = "task;worker;answer, as given\n\"a; \"\"b\"\"\";a;\"x\ny\"\n\"a; \"\"b\"\"\";b;1\n\"a; \"\"b\"\"\";c;1\n";
    let answers = read_numbered(text, &columns).unwrap();
    assert_eq!(
        answers.tasks,
        [task("a; \"b\"", None, &[(0, "x\ny"), (1, "1"), (2, "1")])]
    );
}

#[test]
fn a_bad_line_is_named_with_what_was_expected() {
    let name = "x".repeat(TEXT_BYTES_MAX + 1);
    let answer = "x".repeat(PAYLOAD_BYTES_MAX + 1);
    let long = "has 32769 bytes, and the limit is 32768";
    #[rustfmt::skip]
    let cases = [
        ("t,d,1", "expected 4 fields, as in the header, and found 3"),
        ("t,d,1,1,1", "and found 5"),
        (",d,1,1", "the task (column \"task\") is empty"),
        ("t,  ,1,1", "the worker (column \"worker\") is empty"),
        ("t,d,,1", "the answer (column \"answer\") is empty"),
        (&format!("{name},d,1,1"), "has 1025 bytes, and the limit is 1024"),
        (&format!("t,{name},1,1"), "the worker (column \"worker\") has 1025"),
        (&format!("t,d,{answer},1"), long),
        ("t,d,\"1,1", "a quotation mark opens here"),
    ];
    for (line, why) in cases {
        let error = read_text(&format!("{HEAD}{line}\nt,e,1,1\n")).unwrap_err();
        let is_named = matches!(error, BadInput::Line { line: 5, .. });
        assert!(
            is_named && error.to_string().contains(why),
            "{line}: {error}"
        );
    }
}

#[test]
fn gold_that_contradicts_itself_names_both_lines() {
    let error = read_text(&format!("{HEAD}t,d,1,1\nt,e,1,\nt,f,1,0\n")).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("line 7: the gold of task \"t\" is \"0\" here and \"1\" on line 5"),
        "{error}"
    );
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let mut bytes = HEAD.as_bytes().to_vec();
    bytes.extend_from_slice(b"t,d,caf\xe9,1\n");
    let error = parse(&bytes, Reading::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "line 5: field 3 is not UTF-8: save the file as UTF-8"
    );

    let error = parse(b"t\xe4sk,worker,answer\n", Reading::default())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("line 1: field 1 is not UTF-8"), "{error}");

    let utf16: Vec<u8> = "\u{feff}task"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = parse(&utf16, Reading::default()).unwrap_err().to_string();
    assert!(error.contains("UTF-16"), "{error}");
}

#[test]
fn lines_are_counted_past_blank_lines_quotes_and_crlf() {
    for text in [
        "task,worker,answer\n\n\nt,a,1\n,a,1\n",
        "task,worker,answer\r\n\r\n\r\nt,a,1\r\n,a,1\r\n",
        "\u{feff}task,worker,answer\n\"t\nu\nv\",a,1\n,a,1\n",
        "task,worker,answer\r\r\rt,a,1\r,a,1\r",
        "\n\ntask,worker,answer\n\n,a,1",
    ] {
        let error = read_text(text).unwrap_err();
        assert!(
            matches!(error, BadInput::Line { line: 5, .. }),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn a_file_without_anything_to_decide_is_an_error() {
    for (text, why) in [
        ("", "empty: expected a header"),
        ("\n\n", "empty: expected a header"),
        ("\u{feff}", "empty: expected a header"),
        ("task,worker,answer\n", "a header and no answers"),
        (
            "just some text\n",
            "no column has a common name for task, worker, answer",
        ),
        (
            "q1,ann,yes\nq1,bob,no\n",
            "no column has a common name for task, worker, answer",
        ),
    ] {
        let error = read_text(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
}

#[test]
fn workers_have_a_limit() {
    let mut text = "task,worker,answer\n".to_owned();
    for worker in 0..WORKERS_MAX {
        writeln!(text, "t,w{worker},1").unwrap();
    }
    assert_eq!(
        read_text(&text).map(|answers| answers.workers.len()),
        Ok(1020)
    );
    let error = read_text(&format!("{text}t,one more,1\n"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("line 1022: \"one more\" is worker number 1021"),
        "{error}"
    );
}

/// The counts and plain majorities that the data's README states.
#[test]
fn real_files_are_read_as_their_readme_describes_them() {
    for (file, votes, tasks, workers, majority) in [
        ("rte.tsv", 8000, 800, 164, "0.897"),
        ("temp.tsv", 4620, 462, 76, "0.936"),
    ] {
        let crowd = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/crowd");
        let path = crowd.join(file);
        if !path.exists() {
            eprintln!("skipped: {} is not there", path.display());
            continue;
        }
        let answers = read(&path, Reading::default()).unwrap();
        assert_eq!((answers.votes(), answers.repeated), (votes, 0), "{file}");
        let counts = (answers.tasks.len(), answers.workers.len());
        assert_eq!(counts, (tasks, workers), "{file}");
        let accuracy = answers.majority_accuracy().unwrap();
        assert_eq!(format!("{accuracy:.3}"), majority, "{file}");
    }
}

#[test]
fn the_example_is_read() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/data/rte.csv");
    let answers = read(&path, Reading::default()).unwrap();
    assert_eq!(
        (answers.tasks.len(), answers.votes(), answers.repeated),
        (80, 800, 0)
    );
    assert_eq!(answers.tasks_with_gold(), 80);
    assert!(answers.foreign_gold().is_empty());
}

#[test]
fn a_file_that_is_not_there_is_not_bad_input() {
    let error = read(Path::new("/no/such/file.csv"), Reading::default()).unwrap_err();
    assert!(!error.is::<BadInput>());
    let text = format!("{error:#}");
    assert!(
        text.starts_with("cannot read /no/such/file.csv: "),
        "{text}"
    );
    let directory = fs::canonicalize(env!("CARGO_MANIFEST_DIR")).unwrap();
    assert!(
        !read(&directory, Reading::default())
            .unwrap_err()
            .is::<BadInput>()
    );
}

/// The rows of three workers below a head, each with one more field at its front if `front` names it.
fn rows(front: impl Fn(usize) -> String) -> String {
    let row = |n: usize| format!("{}t{},w{},1\n", front(n), n / 3, n % 3);
    (0..9).map(row).collect()
}

#[test]
fn a_quotation_mark_that_never_closes_loses_no_row() {
    for (text, line) in [
        (
            "task,worker,answer\nt,a,1\nt,b,\"no idea\nt,c,1\nt,d,1\n",
            3,
        ),
        ("task,worker,answer\nt,a,\"1\nt,b,\"1\"\nt,c,1\n", 2),
    ] {
        let error = read_text(text).unwrap_err();
        assert!(error.to_string().contains("a quotation mark opens here"));
        assert!(matches!(error, BadInput::Line { line: at, .. } if at == line));
    }
}

#[test]
fn a_first_line_that_is_data_is_never_eaten() {
    let columns: Columns = "task=1,worker=2,answer=3".parse().unwrap();
    let text = rows(|_| String::new());
    let answers = read_numbered(&text, &columns).unwrap();
    assert_eq!((answers.votes(), answers.is_headless), (9, true));
    let with_header = format!("unit,person,says\n{text}");
    let same = read_numbered(&with_header, &columns).unwrap();
    assert_eq!((same.votes(), same.is_headless), (9, false));
    assert_eq!(same.tasks, answers.tasks);
    // One line cannot tell what it is, and a person can.
    let reading = Reading {
        columns: Some(&columns),
        has_no_header: true,
        ..Reading::default()
    };
    assert_eq!(parse(b"t,a,1\n", reading).unwrap().votes(), 1);
}

#[test]
fn names_of_rows_shift_nothing() {
    let plain = read_text(&format!("task,worker,answer\n{}", rows(|_| String::new()))).unwrap();
    let named = format!("task,worker,answer\n{}", rows(|n| format!("{n},")));
    let named = read_text(&named).unwrap();
    assert!(named.has_row_names);
    assert_eq!(named.tasks, plain.tasks);
    let same = format!("task,worker,answer\n{}", rows(|_| "x,".to_owned()));
    let error = read_text(&same).unwrap_err().to_string();
    assert!(error.contains("expected 3 fields"), "{error}");
}

#[test]
fn all_incomplete_lines_are_named_with_what_helps() {
    let head = "task,worker,answer\nt,a,1\n";
    let text = format!("{head}t,b,\nt,c,1\n{}", ",,\n".repeat(10));
    let error = read_text(&text).unwrap_err().to_string();
    for said in [
        "line 3: the answer (column \"answer\") is empty",
        "something is empty on lines 5, 6, 7, 8, 9, 10, 11, 12 too and on 2 more",
        "--skip-incomplete leaves out such lines",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let skipping = Reading {
        skip_incomplete: true,
        ..Reading::default()
    };
    let answers = parse(text.as_bytes(), skipping).unwrap();
    assert_eq!((answers.votes(), answers.skipped.len()), (2, 11));
    // Another column may do as well.
    let text = "task,user_id,user_name,answer\nt,1,a,1\nt,,b,1\n";
    let error = read_text(text).unwrap_err().to_string();
    let typed = "--columns 'task=task,worker=user_name,answer=answer'";
    assert!(error.contains(typed), "{error}");
    let error = read_text(&text.replace("t,1,a", "t,1,")).unwrap_err();
    assert!(!error.to_string().contains("--columns"), "{error}");
}

#[test]
fn gold_that_cannot_be_right_is_counted() {
    let rows = "t,a,1,1\nu,a,0,1.0\nv,a,0,NA\nw,a,0,?\n";
    let answers = read_text(&format!("task,worker,answer,gold\n{rows}")).unwrap();
    assert_eq!(answers.foreign_gold(), ["1.0"]);
    let unknown = answers.tasks_with_unknown_gold();
    assert_eq!((unknown, answers.tasks_with_gold()), (2, 2));
    let remarks = crate::remarks::of(&answers).join("\n");
    for said in ["1 of 2 tasks is no answer", "\"1.0\"", "2 tasks says"] {
        assert!(remarks.contains(said), "{said}: {remarks}");
    }
    // Where people answer so, it is an answer like others.
    let answers = read_text("task,worker,answer,gold\nt,a,none,none\n").unwrap();
    let unknown = answers.tasks_with_unknown_gold();
    assert_eq!((unknown, answers.tasks_with_gold()), (0, 1));
    let empty = read_text("task,worker,answer,gold\nt,a,1,\n").unwrap();
    let remarks = crate::remarks::of(&empty).join("\n");
    assert!(
        remarks.contains("the gold column \"gold\" is empty"),
        "{remarks}"
    );
}

#[test]
fn answers_that_look_alike_are_pointed_out() {
    let text = "task,worker,answer\nt,a,Yes\nt,b,yes\nt,c,\u{200b}yes\nt,d,no\n";
    let remarks = crate::remarks::of(&read_text(text).unwrap());
    let said = "some answers look alike, and count as different: \"Yes\" (1), \"yes\" (1), \"\\u{200b}yes\" (1)";
    assert_eq!(remarks, [said]);
}

/// Reads as `--in-order` does.
fn read_in_order(text: &str, columns: Option<&str>) -> Result<Answers, BadInput> {
    let columns: Option<Columns> = columns.map(|columns| columns.parse().unwrap());
    let reading = Reading {
        columns: columns.as_ref(),
        in_order: true,
        ..Reading::default()
    };
    parse(text.as_bytes(), reading)
}

#[test]
fn places_and_times_are_kept_where_they_are_wanted() {
    let text = "task,worker,answer,minute\nt,a,1,5\nt,b,1,7\nt,a,0,7\nu,a,1,0\n";
    assert_eq!(read_text(text).unwrap().tasks[0].places, []);
    let answers = read_in_order(text, None).unwrap();
    let place = |line, ms, text: &str| Place {
        line,
        time: Some(Time {
            ms,
            text: text.into(),
        }),
    };
    // Only answers that count have one.
    let expected = [place(2, 1000, "5"), place(3, 121_000, "7")];
    assert_eq!(answers.tasks[0].places, expected);
    assert_eq!(answers.tasks[1].places, [place(5, 122_000, "0")]);
    assert_eq!(answers.restarts, [5]);
    let remarks = crate::remarks::of(&answers).join("\n");
    let said = "the time goes back on 1 lines, the first of them line 5";
    assert!(remarks.contains(said), "{remarks}");
    let without = read_in_order("task,worker,answer\nt,a,1\n", None).unwrap();
    let place = Place {
        line: 2,
        time: None,
    };
    assert_eq!(without.tasks[0].places, [place]);
}

#[test]
fn a_bad_time_is_named() {
    for (line, why) in [
        ("t,b,1,soon", "the time is \"soon\": expected a number"),
        ("t,b,1,", "the time (column \"time\") is empty"),
        ("t,b,1,99999999999999999", "more than 100,000 years"),
    ] {
        let text = format!("task,worker,answer,time\nt,a,1,1\n{line}\n");
        let error = read_in_order(&text, None).unwrap_err();
        assert!(matches!(error, BadInput::Line { line: 3, .. }), "{error}");
        assert!(error.to_string().contains(why), "{line}: {error}");
        // Without the order, nobody reads it.
        assert_eq!(read_text(&text).unwrap().votes(), 2);
    }
}

#[test]
fn a_task_may_be_named_by_several_columns() {
    let columns = "task=release+artifact,worker=builder,answer=hash";
    let text = "release,artifact,builder,hash\n1,x,a,h\n2,x,a,h\n1,x,b,h\n";
    let answers = read_in_order(text, Some(columns)).unwrap();
    let names: Vec<&str> = answers
        .tasks
        .iter()
        .map(|task| task.name.as_str())
        .collect();
    assert_eq!(names, ["1 / x", "2 / x"]);
    assert_eq!(answers.votes(), 3);
    let long = "x".repeat(TEXT_BYTES_MAX - 3);
    for (row, why) in [
        (
            ",x,a,h".to_owned(),
            "the task (column \"release\") is empty",
        ),
        (
            "1,,a,h".to_owned(),
            "the task (column \"artifact\") is empty",
        ),
        ("1 /,x,a,h".to_owned(), "contains \" / \""),
        ("1,/ x,a,h".to_owned(), "contains \" / \""),
        ("1,/,a,h".to_owned(), "contains \" / \""),
        ("1,x / y,a,h".to_owned(), "contains \" / \""),
        (format!("1,{long},a,h"), "1025 bytes together"),
    ] {
        let error = read_in_order(&format!("{text}{row}\n"), Some(columns)).unwrap_err();
        assert!(matches!(error, BadInput::Line { line: 5, .. }), "{error}");
        assert!(error.to_string().contains(why), "{row}: {error}");
    }
    // A name may have a stroke inside of a word.
    let text = format!("{text}1/2,x/y,a,h\n");
    assert_eq!(read_in_order(&text, Some(columns)).unwrap().tasks.len(), 3);
}
