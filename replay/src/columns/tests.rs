use std::collections::BTreeSet;
use std::str::FromStr as _;

use super::*;

fn header(line: &str) -> Vec<String> {
    line.split(',').map(str::to_owned).collect()
}

fn places(task: usize, worker: usize, answer: usize, gold: Option<usize>) -> Places {
    Places {
        task: vec![task],
        worker,
        answer,
        gold,
        time: None,
    }
}

/// The same with more columns for the task, and one for the time.
fn more(places: &Places, task: &[usize], time: Option<usize>) -> Places {
    Places {
        task: task.to_vec(),
        time,
        ..places.clone()
    }
}

#[test]
fn no_name_stands_for_two_roles() {
    let mut seen = BTreeSet::new();
    for role in Role::ALL {
        for name in role.common_names() {
            assert_eq!(squeezed(name), *name, "could never be found");
            assert!(seen.insert(name), "{name} stands twice");
        }
    }
}

#[test]
fn common_headers_are_found() {
    #[rustfmt::skip]
    let cases = [
        ("!amt_annotation_ids,!amt_worker_ids,orig_id,response,gold", places(2, 1, 3, Some(4))),
        ("task,worker,answer", places(0, 1, 2, None)),
        ("Question,Worker,Answer,Truth", places(0, 1, 2, Some(3))),
        ("label,ITEM_ID, Annotator ", places(1, 2, 0, None)),
        ("WorkerId,HITId,label,ground-truth", places(1, 0, 2, Some(3))),
        ("_unit_id,_worker_id,_golden,response,GT", places(0, 1, 3, Some(4))),
        ("ASSIGNMENT:task_id,ASSIGNMENT:worker_id,OUTPUT:result", places(0, 1, 2, None)),
        ("object,source,value,notes", places(0, 1, 2, None)),
        ("workunit,host,result", places(0, 1, 2, None)),
        ("artifact,builder,sha256,minute", places(0, 1, 2, None)),
        // An id stands for its name or text.
        ("question,question_id,user_name,user_id,vote", places(1, 3, 4, None)),
        ("subject_id,user_name,user_id,answer", places(0, 2, 3, None)),
    ];
    for (line, expected) in cases {
        assert_eq!(locate(&header(line), None, false), Ok(expected), "{line}");
    }
}

#[test]
fn a_time_is_looked_for_where_it_is_wanted() {
    let found = places(0, 1, 2, None);
    for (line, time) in [
        ("artifact,builder,sha256,minute", Some(3)),
        ("task,worker,answer,Time", Some(3)),
        ("task,worker,answer,_timestamp,notes", Some(3)),
        ("task,worker,answer,notes", None),
    ] {
        let expected = more(&found, &[0], time);
        assert_eq!(locate(&header(line), None, true), Ok(expected), "{line}");
    }
    let error = locate(&header("task,worker,answer,date,time"), None, true).unwrap_err();
    assert!(
        error.contains(r#""date", "time" may each be the time"#),
        "{error}"
    );
    assert!(error.contains("answer=answer,time=NAME'"), "{error}");
}

#[test]
fn what_is_unclear_is_asked_for() {
    for (line, why, typed) in [
        (
            "task,worker,answer,label",
            r#""answer", "label" may each be the answer"#,
            "--columns 'task=task,worker=worker,answer=NAME'",
        ),
        (
            "hit_id,item,who,label,gold",
            "no column has a common name for worker",
            "--columns 'task=NAME,worker=NAME,answer=label,gold=gold'",
        ),
        (
            "task,worker,answer,gold,truth",
            r#""gold", "truth" may each be the gold"#,
            "gold=NAME'",
        ),
        (
            "task,task,worker,answer",
            r#""task", "task" may each be the task"#,
            "task=NAME,",
        ),
        (
            "!amt_annotation_ids,!amt_worker_ids,orig_id",
            "no column has a common name for answer",
            "--columns 'task=orig_id,worker=!amt_worker_ids,answer=NAME'",
        ),
    ] {
        let error = locate(&header(line), None, false).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
        assert!(error.contains(typed), "{line}: {error}");
        for name in header(line) {
            assert!(error.contains(&format!("{name:?}")), "{line}: {error}");
        }
    }
}

#[test]
fn columns_can_be_named() {
    let headers = header("id,who,what,label,label,7");
    for (columns, expected) in [
        ("task=what,worker=who,answer=4", Ok(places(2, 1, 3, None))),
        (
            "task = id , worker=WHO, answer=5, gold=4",
            Ok(places(0, 1, 4, Some(3))),
        ),
        ("task=7,worker=who,answer=what", Ok(places(5, 1, 2, None))),
        (
            "task=id+what,worker=who,answer=4,time=7",
            Ok(more(&places(0, 1, 3, None), &[0, 2], Some(5))),
        ),
        (
            "task=WHAT + 1,worker=who,answer=4",
            Ok(more(&places(0, 1, 3, None), &[2, 0], None)),
        ),
        (
            "task=id+nothing,worker=who,answer=4",
            Err("--columns says task=nothing"),
        ),
        ("task=id+,worker=who,answer=4", Err("no such column")),
        (
            "task=id+id,worker=who,answer=4",
            Err("task and task the same column"),
        ),
        (
            "task=id,worker=who+what,answer=4",
            Err("--columns says worker=who+what"),
        ),
        (
            "task=id,worker=who,answer=4,time=4",
            Err("answer and time the same column"),
        ),
        ("task=8,worker=who,answer=what", Err("no such column")),
        ("task=0,worker=who,answer=what", Err("no such column")),
        ("task=!,worker=who,answer=what", Err("no such column")),
        (
            "task=id,worker=who,answer=label",
            Err("several columns of that name"),
        ),
        (
            "task=id,worker=who,answer=1",
            Err("task and answer the same column, \"id\""),
        ),
        (
            "task=id,worker=who,answer=4,gold=4",
            Err("answer and gold the same column"),
        ),
    ] {
        let located = locate(&headers, Some(&columns.parse().unwrap()), false);
        match expected {
            Ok(expected) => assert_eq!(located, Ok(expected), "{columns}"),
            Err(why) => {
                let error = located.unwrap_err();
                assert!(error.contains(why), "{columns}: {error}");
            }
        }
    }
}

#[test]
fn a_header_may_have_a_plus() {
    let headers = header("a+b,a,b,worker,answer");
    for (columns, task) in [
        ("task=a+b,worker=4,answer=5", &[0][..]),
        ("task=b+a,worker=4,answer=5", &[2, 1]),
    ] {
        let located = locate(&headers, Some(&columns.parse().unwrap()), false);
        let expected = more(&places(0, 3, 4, None), task, None);
        assert_eq!(located, Ok(expected), "{columns}");
    }
}

#[test]
fn what_is_typed_names_all_columns() {
    let headers = header("release,artifact,builder,hash,minute,other");
    let places = more(&places(0, 2, 3, None), &[0, 1], Some(4));
    let typed = places.typed(&headers, 1, 5);
    assert_eq!(
        typed,
        "task=release+other,worker=builder,answer=hash,time=minute"
    );
}

#[test]
fn a_wrong_columns_option_says_what_is_wrong() {
    for (text, why) in [
        ("", "not of the form"),
        ("task", "not of the form"),
        ("task=a,worker=b", "answer is missing"),
        ("task=a,worker=b,answer=", "answer names no column"),
        ("task=a,task=b,worker=c,answer=d", "task is named twice"),
        ("item=a,worker=b,answer=c", "\"item\" is no column to name"),
    ] {
        let error = Columns::from_str(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}
