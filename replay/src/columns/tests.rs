use std::collections::BTreeSet;

use super::*;

fn header(line: &str) -> Vec<String> {
    line.split(',').map(str::to_owned).collect()
}

fn places(task: usize, worker: usize, answer: usize, gold: Option<usize>) -> Places {
    Places {
        task,
        worker,
        answer,
        gold,
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
        // An id stands for its name or text.
        ("question,question_id,user_name,user_id,vote", places(1, 3, 4, None)),
        ("subject_id,user_name,user_id,answer", places(0, 2, 3, None)),
    ];
    for (line, expected) in cases {
        assert_eq!(locate(&header(line), None), Ok(expected), "{line}");
    }
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
        let error = locate(&header(line), None).unwrap_err();
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
        let located = locate(&headers, Some(&columns.parse().unwrap()));
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
