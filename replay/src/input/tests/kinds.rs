//! Files that went wrong for people, by kinds: what is refused, with its line, and what is remarked.

use super::{Answers, BadInput, Columns, Reading, WORKERS_MAX, parse};

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It is refused at a line, and the error says all this.
    Refused(u64, &'static [&'static str]),
    /// So many answers count, and the remarks say all this, or nothing at all.
    Read(usize, &'static [&'static str]),
}

use Then::{Read, Refused};

/// Eight answers to two tasks, and a place for what is of interest.
const HEAD: &str = "task,worker,answer\n";
const ROWS: &str = "t0,a,yes\nt0,b,yes\nt0,c,yes\nt0,d,no\nt1,a,no\nt1,b,no\nt1,c,no\nt1,d,yes\n";

fn with(rows: &str) -> String {
    format!("{HEAD}{ROWS}{rows}")
}

/// The same rows, each changed.
fn each(header: &str, row: impl Fn(usize, [&str; 3]) -> String) -> String {
    let rows = ROWS.lines().enumerate().map(|(number, line)| {
        let fields: Vec<&str> = line.split(',').collect();
        row(number, [fields[0], fields[1], fields[2]]) + "\n"
    });
    format!("{header}\n{}", rows.collect::<String>())
}

fn read_with(text: &str, columns: Option<&str>, skip: bool) -> Result<Answers, BadInput> {
    let columns: Option<Columns> = columns.map(|columns| columns.parse().unwrap());
    let reading = Reading {
        columns: columns.as_ref(),
        skip_incomplete: skip,
        ..Reading::default()
    };
    parse(text.as_bytes(), reading)
}

#[track_caller]
fn assert_then(what: &str, read: &Result<Answers, BadInput>, then: Then) {
    match (read, then) {
        (Err(error), Refused(line, says)) => {
            let BadInput::Line {
                line: at,
                what: why,
            } = error
            else {
                panic!("{what}: no line: {error}");
            };
            assert_eq!(*at, line, "{what}: {why}");
            for said in says {
                assert!(why.contains(said), "{what}: no {said:?}: {why}");
            }
        }
        (Ok(answers), Read(votes, says)) => {
            assert_eq!(answers.votes(), votes, "{what}");
            let remarks = crate::remarks::of(answers).join("\n");
            assert_eq!(remarks.is_empty(), says.is_empty(), "{what}: {remarks}");
            for said in says {
                assert!(remarks.contains(said), "{what}: no {said:?}: {remarks}");
            }
        }
        (read, _) => panic!("{what}: expected {then:?}, and found {read:?}"),
    }
}

fn check(cases: &[(&str, String, Then)]) {
    for (what, text, then) in cases {
        assert_then(what, &read_with(text, None, false), *then);
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn quotation_marks() {
    const OPENS: &[&str] = &["a quotation mark opens here and does not close"];
    let (swallows, more) = (
        &["looks like a row of worker"],
        "t2,a,yes\nt2,b,no\nt2,c,no\n",
    );
    let wrong = |rows: &str| with(&rows.replace('|', "\""));
    let mut cases = vec![
        (
            "in the middle",
            wrong("t2,a,|yes\nt2,b,no\nt2,c,no\n"),
            Refused(10, OPENS),
        ),
        ("at the end", wrong("t2,a,|yes"), Refused(10, OPENS)),
        (
            "the mark alone at the end",
            wrong("t2,a,|"),
            Refused(10, OPENS),
        ),
        (
            "before one that opens",
            wrong("t2,a,|yes\nt2,b,|no|\n"),
            Refused(10, OPENS),
        ),
        (
            "before an empty one",
            wrong("t2,a,|yes\nt2,b,||\n"),
            Refused(10, OPENS),
        ),
        (
            "closes a row later",
            wrong("t2,a,|yes\nt2,b,no|\nt2,c,no\n"),
            Refused(10, swallows),
        ),
        (
            "closes rows later",
            wrong("t2,a,|yes\nt2,b,no\nt2,c,no|\n"),
            Refused(10, swallows),
        ),
        (
            "from task to task",
            wrong("|t2,a,yes\nt2|,b,no\nt2,c,no\n"),
            Refused(10, swallows),
        ),
        (
            "from worker to worker",
            wrong("t2,|a,yes\nt2,b|,no\n"),
            Refused(10, swallows),
        ),
        (
            "in the header",
            format!("task,worker,\"answer\n{ROWS}"),
            Refused(1, OPENS),
        ),
        (
            "in the wrong place",
            wrong("t2,a,|yes|,no|\n"),
            Refused(10, &["is a quotation mark"]),
        ),
        (
            "inside of a field",
            wrong("t2,a,5| screen\nt2,b,5| screen\n"),
            Read(10, &[]),
        ),
        (
            "of a field of several lines",
            wrong("t2,a,|yes, I\nthink so|\n"),
            Read(9, &[]),
        ),
        (
            "of a line with as many columns as a row",
            wrong("t2,a,|well\nyes, I, think|\n"),
            Read(
                9,
                &[
                    "1 lines inside of quotation marks",
                    "in the row on line 10 (\"yes I think\")",
                ],
            ),
        ),
        (
            "behind space",
            wrong("t2,a, |yes|\n"),
            Read(
                9,
                &["some answers look alike", r#"" \"yes\"" (1), "yes" (4)"#],
            ),
        ),
        ("that are right", wrong("|t2|,|a|,|yes|\n"), Read(9, &[])),
    ];
    // In a file of another form, the line is the same.
    let refused = cases.clone();
    let refused = refused
        .iter()
        .filter(|(.., then)| matches!(then, Refused(..)));
    for (what, text, then) in refused {
        cases.push((what, text.replace(',', "\t"), *then));
        cases.push((
            what,
            format!("\u{feff}{}", text.replace('\n', "\r\n")),
            *then,
        ));
        cases.push((what, text.replace('\n', "\r"), *then));
    }
    cases.push(("none", with(more), Read(11, &[])));
    check(&cases);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn headers_and_first_lines() {
    const BY_NUMBER: Option<&str> = Some("task=1,worker=2,answer=3");
    const DATA: Then = Read(8, &["the first line is taken as data"]);
    let numeric = each("", |n, _| format!("{},{},{}", n / 4, n % 4, n % 3 % 2));
    let commas = each("", |n, [task, worker, _]| {
        let answer = if n % 3 == 0 { "yes, I think, so" } else { "no" };
        format!("{task}\t{worker}\t{answer}")
    });
    for (what, text, columns, then) in [
        ("no header", ROWS.to_owned(), BY_NUMBER, DATA),
        ("only numbers", numeric.clone(), BY_NUMBER, DATA),
        (
            "tabs, and commas in the first answer",
            commas,
            BY_NUMBER,
            DATA,
        ),
        (
            "a common header, by number",
            with(""),
            BY_NUMBER,
            Read(8, &[]),
        ),
        (
            "a header whose name is an answer",
            with("t2,a,answer\n"),
            BY_NUMBER,
            Read(9, &[]),
        ),
        (
            "another header, by number",
            format!("Frage,Wer,Antwort\n{ROWS}"),
            BY_NUMBER,
            Read(
                8,
                &[
                    "taken as the header, and not as data: task is column 1 (\"Frage\")",
                    "--no-header",
                ],
            ),
        ),
        (
            "no header, and columns by the first values",
            ROWS.to_owned(),
            Some("task=t0,worker=a,answer=yes"),
            Read(
                7,
                &[
                    "looks like data, since \"t0\", \"a\", \"yes\" stand again",
                    "--no-header",
                ],
            ),
        ),
        (
            "no header, and no columns named",
            ROWS.to_owned(),
            None,
            Refused(
                1,
                &[
                    "--no-header",
                    "The first line looks like data: \"t0\" stands again",
                ],
            ),
        ),
        (
            "only numbers, and no columns named",
            numeric.trim().to_owned(),
            None,
            Refused(1, &["--no-header", "looks like data"]),
        ),
        (
            "numbers for names",
            format!(
                ",0,1,2\n{}",
                &each("", |n, row| format!("{n},{}", row.join(",")))[1..]
            ),
            Some("task=0,worker=1,answer=2"),
            Read(8, &[]),
        ),
        (
            "numbers for names, taken for places",
            format!("0,1,2\n{ROWS}"),
            BY_NUMBER,
            Refused(
                1,
                &["the same column", "a number that is a name in the header"],
            ),
        ),
        (
            "the header again",
            with(
                &with("")
                    .replace('t', "u")
                    .replace("uask", "task")
                    .replace("answeru", "answer"),
            ),
            None,
            Read(
                16,
                &["the header stands again on 1 lines, the first of them line 10"],
            ),
        ),
        (
            "the header again, with a mark",
            with(&format!("\u{feff}{HEAD}t2,a,yes\n")),
            None,
            Read(9, &["the header stands again"]),
        ),
        (
            "two byte order marks",
            format!("\u{feff}\u{feff}{}", with("")),
            None,
            Read(8, &[]),
        ),
    ] {
        assert_then(what, &read_with(&text, columns, false), then);
    }
    let error = read_with("t,a,yes\n", BY_NUMBER, false).unwrap_err();
    assert!(error.to_string().contains("--no-header"), "{error}");
    let columns: Columns = "task=task,worker=2,answer=3".parse().unwrap();
    let reading = Reading {
        columns: Some(&columns),
        has_no_header: true,
        ..Reading::default()
    };
    let error = parse(ROWS.as_bytes(), reading).unwrap_err().to_string();
    assert!(error.contains("their numbers, from 1 to 3"), "{error}");
}

#[test]
fn names_of_rows() {
    const NAMED: Then = Read(8, &["lines have one field more than the header"]);
    let named = |n: usize, row: [&str; 3]| format!("{n},{}", row.join(","));
    let worded = |n: usize, row: [&str; 3]| format!("row{n},{}", row.join(","));
    let named_rows = each("task,worker,answer", named);
    check(&[
        ("numbers", named_rows.clone(), NAMED),
        ("words", each("task,worker,answer", worded), NAMED),
        (
            "tabs and quotes",
            each("\"task\"\t\"worker\"\t\"answer\"", |n, row| {
                format!("\"{n}\"\t\"{}\"", row.join("\"\t\""))
            }),
            NAMED,
        ),
        (
            "an empty last column",
            each("task,worker,answer,gold", |n, row| named(n, row) + ","),
            Read(8, &["one field more", "the gold column \"gold\" is empty"]),
        ),
        (
            "an empty name",
            each(",task,worker,answer", named),
            Read(8, &[]),
        ),
        (
            "a name as pandas gives it",
            each("Unnamed: 0,task,worker,answer", named),
            Read(8, &[]),
        ),
        (
            "a line that is too short",
            named_rows.clone() + "8,t2,a\n",
            Refused(10, &["one more than in the header", "found 3"]),
        ),
        (
            "a blank line",
            named_rows + ",,,\n",
            Refused(10, &["nothing but separators"]),
        ),
        // No names: the lines have a separator too many, and all tasks differ.
        (
            "a separator at the end",
            each("task,worker,answer", |n, [_, worker, answer]| {
                format!("u{n},{worker},{answer},")
            }),
            Refused(2, &["expected 3 fields", "remove the separator at the end"]),
        ),
    ]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn empty_fields_and_blank_lines() {
    const SKIP: &str = "--skip-incomplete leaves out such lines";
    const BLANK: &str = "nothing but separators and space";
    let anonymous = |header: &str| {
        each(header, |n, [task, worker, answer]| {
            let id = if worker == "a" {
                String::new()
            } else {
                format!("{}", n % 4)
            };
            format!("{task},{id},{worker},x,{answer}")
        })
    };
    check(&[
        (
            "an answer",
            with("t2,a,\n"),
            Refused(10, &["the answer (column \"answer\") is empty; --skip"]),
        ),
        (
            "two answers",
            with("t2,a,\nt2,b,\n"),
            Refused(10, &["something is empty on line 11 too", SKIP]),
        ),
        (
            "only separators",
            with(",,\n,,\n"),
            Refused(10, &[BLANK, "on line 11 too", SKIP]),
        ),
        (
            "separators and space",
            with(" , ,\t\n"),
            Refused(10, &[BLANK, SKIP]),
        ),
        (
            "only space",
            with("   \nt2,a,yes\n"),
            Refused(10, &[BLANK, SKIP]),
        ),
        (
            "other numbers of separators",
            with(",\n,,,,,\n"),
            Refused(10, &[BLANK, "on line 11 too"]),
        ),
        (
            "what cannot be seen",
            with("t2,a,\u{200b}\n\u{a0},\u{feff},\u{3000}\n"),
            Refused(10, &["the answer", "on line 11 too"]),
        ),
        (
            "many",
            with(&"t2,a,\n".repeat(20)),
            Refused(
                10,
                &[
                    "lines 11, 12, 13, 14, 15, 16, 17, 18 too and on 11 more",
                    SKIP,
                ],
            ),
        ),
        ("lines of nothing", with("\n\n\r\n"), Read(8, &[])),
        (
            "another column by its name, and a blank line",
            anonymous("task,user_id,user_name,notes,answer") + ",,,,\n",
            Refused(
                2,
                &[
                    "on lines 6, 10 too",
                    "column \"user_name\" is never empty: --columns 'task=task,worker=user_name,answer=answer'",
                    SKIP,
                ],
            ),
        ),
        (
            "another column that says the same",
            anonymous("task,worker,who,notes,answer"),
            Refused(
                2,
                &["column \"who\" is never empty: --columns 'task=task,worker=who"],
            ),
        ),
        (
            "another column with a part of the name",
            anonymous("task,worker,worker_email,notes,answer")
                .replace("0,b", "0,x")
                .replace("0,c", "0,x"),
            Refused(2, &["column \"worker_email\""]),
        ),
        (
            "columns that may each be the worker",
            anonymous("task,user,user_name,notes,answer"),
            Refused(1, &["may each be the worker", "Empty in places: \"user\""]),
        ),
    ]);
    let skipped = read_with(
        &anonymous("task,user_id,user_name,notes,answer"),
        None,
        true,
    );
    assert_then(
        "left out",
        &skipped,
        Read(
            6,
            &[
                "2 incomplete lines were left out, the first of them line 2",
                "column \"user_name\" is never empty",
            ],
        ),
    );
    let none = read_with("task,worker,answer\nt,a,\n,,\n", None, true);
    assert_then(
        "nothing left",
        &none,
        Refused(2, &["all 2 lines are incomplete"]),
    );
}

#[test]
fn gold() {
    let with_gold = |gold: fn(usize) -> &'static str| {
        each("task,worker,answer,gold", |n, row| {
            format!("{},{}", row.join(","), gold(n / 4))
        })
    };
    check(&[
        ("known", with_gold(|_| "yes"), Read(8, &[])),
        (
            "empty",
            with_gold(|_| ""),
            Read(8, &["the gold column \"gold\" is empty on every line"]),
        ),
        (
            "space",
            with_gold(|_| " "),
            Read(8, &["the gold column \"gold\" is empty on every line"]),
        ),
        (
            "unknown",
            with_gold(|task| ["NA", "?"][task]),
            Read(
                8,
                &[
                    "the gold of 2 tasks says that the truth is unknown (\"?\" (1), \"NA\" (1))",
                    "so there is no accuracy",
                ],
            ),
        ),
        (
            "in part unknown",
            with_gold(|task| ["null", "yes"][task]),
            Read(8, &["the gold of 1 tasks", "are not judged"]),
        ),
        (
            "given by nobody",
            with_gold(|task| ["1.0", "yes"][task]),
            Read(
                8,
                &[
                    "the gold of 1 of 2 tasks is no answer to anything",
                    "(\"1.0\" (1))",
                ],
            ),
        ),
        (
            "in other letters",
            with_gold(|_| "Yes"),
            Read(
                8,
                &["the gold of 2 of 2 tasks", "\"Yes\" looks like \"yes\""],
            ),
        ),
        (
            "an answer that looks unknown",
            with_gold(|_| "-").replacen("yes", "-", 1),
            Read(
                8,
                &[
                    "the gold of 2 tasks looks unknown (\"-\" (2)), and some answers are the same",
                    "some answers look as if nothing was known",
                ],
            ),
        ),
    ]);
    let in_part = |unknown: &str| {
        each("task,worker,answer,gold", |n, row| {
            format!("{},{}", row.join(","), [unknown, "yes"][n % 2])
        })
    };
    let known = &["the gold of 2 tasks is \"NA\" on some lines and known on others"];
    check(&[
        ("known on some lines", in_part("NA"), Read(8, known)),
        (
            "an answer on some lines",
            in_part("NA") + "t2,a,NA,\n",
            Refused(3, &["is \"yes\" here and \"NA\" on line 2"]),
        ),
        (
            "two truths",
            in_part("no"),
            Refused(3, &["is \"yes\" here and \"no\" on line 2"]),
        ),
    ]);
    let columns = Some("task=task,worker=worker,answer=answer,gold=truth2");
    let text = with_gold(|_| "").replace("gold", "truth2");
    let read = read_with(&text, columns, false);
    assert_then(
        "named",
        &read,
        Read(8, &["the gold column \"truth2\" is empty"]),
    );
}

#[test]
fn values_that_look_alike() {
    const NO: &str = "no";
    let answers = |other: &str| ROWS.replacen("yes", other, 2);
    let differ = &["some answers look alike, and count as different"];
    let mut cases = Vec::new();
    for (what, other) in [
        ("case", "YES"),
        ("a character that cannot be seen", "\u{200b}yes"),
        ("a soft hyphen", "ye\u{ad}s"),
        ("a mark of direction", "yes\u{200e}"),
        ("a byte order mark", "\u{feff}yes"),
        ("wide letters", "\u{ff59}\u{ff45}\u{ff53}"),
    ] {
        cases.push((what, format!("{HEAD}{}", answers(other)), Read(8, differ)));
    }
    let padded = &["some answers differ in the space around them only, and count as the same: "];
    for (what, other) in [
        ("space", "yes "),
        ("space that does not break", "yes\u{a0}"),
    ] {
        cases.push((what, format!("{HEAD}{}", answers(other)), Read(8, padded)));
    }
    let named = &[
        "some workers look alike",
        "\"Jose\\u{301}\" (1), \"Jos\u{e9}\" (1)",
    ];
    let workers = with("t2,Jose\u{301},no\nt3,Jos\u{e9},no\n");
    cases.push(("normal forms", workers, Read(10, named)));
    let tasks = with("t 2,a,no\nt\u{a0}2,a,no\n");
    cases.push((
        "space inside",
        tasks,
        Read(10, &["some tasks look alike", "\"t\\u{a0}2\" (1)"]),
    ));
    let unknown =
        &["some workers look as if nothing was known, and count like all others: \"NA\" (1)"];
    cases.push(("no name", with("t2,NA,no\n"), Read(9, unknown)));
    cases.push(("none", with(&format!("t2,a,{NO}\n")), Read(9, &[])));
    // Where every field has the same space around it, nothing differs.
    cases.push(("all padded", with("").replace(',', " , "), Read(8, &[])));
    check(&cases);
}

#[test]
fn line_numbers() {
    const EMPTY: &[&str] = &["the answer (column \"answer\") is empty"];
    let text = |ends: [&str; 5]| {
        let parts = ["task,worker,answer", "t0,a,yes", "t0,b,\"1", "2\"", "t0,c,"];
        let lines = parts.into_iter().zip(ends);
        lines
            .flat_map(|(line, end)| [line, end])
            .collect::<String>()
    };
    check(&[
        ("LF", text(["\n"; 5]), Refused(5, EMPTY)),
        ("CRLF", text(["\r\n"; 5]), Refused(5, EMPTY)),
        ("CR", text(["\r"; 5]), Refused(5, EMPTY)),
        (
            "mixed",
            text(["\r\n", "\r", "\n", "\r\n", ""]),
            Refused(5, EMPTY),
        ),
        (
            "mixed with blank lines",
            text(["\r\n\r\n", "\r\r", "\n", "\n\r", "\r"]),
            Refused(8, EMPTY),
        ),
    ]);
}

#[test]
fn too_many_workers() {
    let rows = (0..WORKERS_MAX + 80).map(|worker| format!("t,w{worker},1\n"));
    let text = format!("{HEAD}{}", rows.collect::<String>());
    let says = &[
        "\"w1020\" is worker number 1021 of 1100, and the limit is 1020",
        "at most 1024 members",
    ];
    assert_then(
        "too many",
        &read_with(&text, None, false),
        Refused(1022, says),
    );
}

/// Pieces of files, put together by chance.
#[test]
fn nothing_is_too_odd() {
    const PIECES: [&str; 22] = [
        "task", "worker", "answer", "gold", "user_id", "t0", "w0", "1", "NA", "\u{200b}",
        "\u{feff}", "e\u{301}", " ", ",", ",", ",", "\t", ";", "\"", "\n", "\n", "\r",
    ];
    const STARTS: [&str; 4] = [
        "",
        HEAD,
        "task,worker,answer,gold\nt0,w0,1,1\n",
        "t0,w0,1\nt0,w1,1\n",
    ];
    let mut state: u64 = 1;
    let mut chance = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut read = 0;
    for _ in 0..250 {
        let mut text = STARTS[chance(STARTS.len())].to_owned();
        for _ in 0..chance(40) {
            text.push_str(PIECES[chance(PIECES.len())]);
        }
        for columns in [None, Some("task=1,worker=2,answer=3")] {
            let columns: Option<Columns> = columns.map(|columns| columns.parse().unwrap());
            for option in 0..8 {
                let reading = Reading {
                    columns: columns.as_ref(),
                    has_no_header: option & 1 != 0 && columns.is_some(),
                    skip_incomplete: option & 2 != 0,
                    in_order: option & 4 != 0,
                    needs_time: false,
                };
                if let Ok(answers) = parse(text.as_bytes(), reading) {
                    read += 1;
                    let _ = crate::remarks::of(&answers);
                    assert!(answers.tasks.iter().all(|task| !task.answers.is_empty()));
                }
            }
        }
    }
    assert!(read > 50, "{read}");
}
