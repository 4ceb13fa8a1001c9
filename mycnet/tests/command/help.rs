//! Every command's help, and completions.

use crate::place::mycnet;

fn help(path: &[&str]) -> String {
    let mut all = path.to_vec();
    all.push("--help");
    let output = mycnet(&all);
    assert!(output.status.success(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the subcommands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    // Continuation lines are indented further than names.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(first)
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn every_command_explains_itself() {
    let top = help(&[]);
    let names = commands(&top);
    assert!(names.len() >= 24, "{names:?}");
    for name in &names {
        let text = help(&[name]);
        assert!(text.contains("Usage: mycnet"), "{name}: {text}");
        assert!(text.contains("Exit codes:"), "{name}: {text}");
        for line in text.lines() {
            // Lines with options are wrapped by nobody.
            assert!(line.chars().count() <= 120, "{name}: {line}");
        }
        for kind in commands(&text) {
            let text = help(&[name, &kind]);
            for what in ["--json", "Exit codes:"] {
                assert!(text.contains(what), "{name} {kind}: {text}");
            }
        }
    }
}

#[test]
fn shells_can_complete_it() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = mycnet(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("certificate"), "{shell}");
    }
    assert_eq!(mycnet(&["completions", "dos"]).status.code(), Some(2));
}
