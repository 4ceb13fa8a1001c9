//! Every kind of bad input, with its own error and line, and the rest of the file is read.

use super::limits::LINE_BYTES_MAX;
use super::*;

/// Reads a text and asserts its subjects and its problems, each as `line: text`.
fn assert_told(desc: &str, bytes: &[u8], subjects: &[&str], problems: &[(u64, &str)]) {
    let told = read(bytes);
    assert_eq!(told.subjects(), subjects, "{desc}: {:?}", told.problems);
    let faults = told.faults().into_iter();
    let faults: Vec<_> = faults
        .map(|(line, fault)| (line.unwrap_or(0), fault.to_string()))
        .collect();
    assert_eq!(faults.len(), problems.len(), "{desc}: {faults:?}");
    for ((line, text), (at, begin)) in faults.iter().zip(problems) {
        assert_eq!(line, at, "{desc}: {text}");
        assert!(text.starts_with(begin), "{desc}: {text}");
    }
}

#[test]
fn files_that_are_nothing_of_this() {
    let unknown = "is none of the formats";
    for (desc, bytes, problem) in [
        ("nothing", &b""[..], "is empty"),
        ("white space", b" \n\t\n", "is empty"),
        ("a mark only", b"\xef\xbb\xbf\n", "is empty"),
        ("comments only", b"# a\n# b\n", unknown),
        ("prose", b"Dear all,\nthis is a text.\n", unknown),
        ("a package", b"!<arch>\ndebian-binary", unknown),
        ("UTF-16", b"\xff\xfeh\0i\0", unknown),
        ("a list of JSON", b"[1]", unknown),
        (
            "gzip",
            b"\x1f\x8b\x08\0",
            "is compressed with gzip: decompress it first",
        ),
        ("xz", b"\xfd7zXZ\0\0", "is compressed with xz"),
        ("zstd", b"\x28\xb5\x2f\xfd\0", "is compressed with zstd"),
        ("bzip2", b"BZh9", "is compressed with bzip2"),
    ] {
        assert_told(desc, bytes, &[], &[(0, problem)]);
    }
}

#[test]
fn bad_lines_of_a_list_cost_only_themselves() {
    let good = |n: u8| format!("{}  good-{n}\n", hash(n)).into_bytes();
    let long = format!("{}  {}", hash(9), "x".repeat(LINE_BYTES_MAX));
    let subject = format!("{}  {}", hash(9), "x".repeat(300));
    let name = |name: &str| format!("{}  {name}", hash(9));
    for (desc, line, problem) in [
        ("rubbish", b"rubbish".to_vec(), "is not of the form"),
        (
            "a binary line",
            b"\xff\xfe\0".to_vec(),
            "the line is not UTF-8 text",
        ),
        (
            "a long line",
            long.into(),
            "the line is longer than 16384 bytes",
        ),
        ("a long subject", subject.into(), "the subject \"xxx"),
        ("no name", name("").into(), "the name of the file is empty"),
        (
            "a directory",
            name("a/").into(),
            "the name of the file is empty",
        ),
        (
            "a traversal",
            name("../../etc/passwd").into(),
            "\"../../etc/passwd\" leads out",
        ),
        (
            "one in a package",
            name("../a_1_all.deb").into(),
            "\"../a_1_all.deb\" leads out",
        ),
        (
            "one of Windows",
            name(r"..\a").into(),
            r#""..\a" leads out"#,
        ),
        (
            "the root",
            name("/etc/passwd").into(),
            "\"/etc/passwd\" is a path from the root",
        ),
        (
            "a control character",
            name("a\x1b[2J").into(),
            r#""a\u{1b}[2J" has control characters"#,
        ),
        (
            "an escaped line end",
            format!("\\{}", name(r"a\nb")).into(),
            r#""a\nb" has control characters"#,
        ),
        (
            "a mark of direction",
            name("a\u{202e}b").into(),
            r#""a\u{202e}b" has control characters"#,
        ),
        (
            "no purl",
            name("pkg:deb").into(),
            "\"pkg:deb\" is no package URL",
        ),
        (
            "MD5",
            format!("{}  a", &hash(9)[32..]).into(),
            "is a checksum by MD5",
        ),
        (
            "a short hash",
            name("a")[1..].to_owned().into(),
            "is not of the form",
        ),
    ] {
        let bytes = [good(1), line, b"\n".to_vec(), good(2)].concat();
        assert_told(desc, &bytes, &["good-1", "good-2"], &[(2, problem)]);
        // The last line has no end.
        let bytes = [
            good(1),
            bytes[good(1).len()..bytes.len() - good(2).len() - 1].to_vec(),
        ]
        .concat();
        assert_told(desc, &bytes, &["good-1"], &[(2, problem)]);
    }
    // A bad line at the front does not hide what the file is.
    let bytes = [b"rubbish\n".to_vec(), good(1)].concat();
    assert_told("front", &bytes, &["good-1"], &[(1, "is not of the form")]);
}

#[test]
fn bad_rows_of_a_table_cost_only_themselves() {
    for (desc, row, problem) in [
        (
            "an open quote",
            format!("\"a,{},", hash(9)),
            "a quotation mark opens",
        ),
        (
            "too few fields",
            "a".to_owned(),
            "has 1 fields, and the first line names 3",
        ),
        (
            "too many",
            format!("a,{},,", hash(9)),
            "has 4 fields, and the first line names 3",
        ),
        (
            "no hash",
            "a,,".to_owned(),
            "\"\" in column \"SHA-256\" is no SHA-256",
        ),
        (
            "rubbish as a hash",
            "a,\u{202e}x,".to_owned(),
            r#""\u{202e}x" in column "SHA-256" is no SHA-256"#,
        ),
        (
            "an input that is none",
            format!("a,{},x", hash(9)),
            "\"x\" in column \"input\" is no input",
        ),
        (
            "a long input",
            format!("a,{},{}", hash(9), "00".repeat(65)),
            "\"0000",
        ),
        (
            "no subject",
            format!(",{},", hash(9)),
            "the name of the file is empty",
        ),
        (
            "a traversal",
            format!("../a,{},", hash(9)),
            "\"../a\" leads out",
        ),
    ] {
        let text = format!(
            "file,SHA-256,input\ng,{},\n{row}\nh,{},01\n",
            hash(1),
            hash(2)
        );
        assert_told(desc, text.as_bytes(), &["g", "h"], &[(3, problem)]);
    }
    for (desc, text, problem) in [
        (
            "no hashes",
            "file,md5\na,b\n",
            "no column has a name for the SHA-256",
        ),
        (
            "no subjects",
            "name,sha256\na,b\n",
            "no column has a name for what was built",
        ),
        ("two", "file,hash,Hash\n", "two columns are named hash"),
        (
            "several builders",
            "worker,file,hash\n",
            "has a column \"worker\": say whose",
        ),
    ] {
        assert_told(desc, text.as_bytes(), &[], &[(1, problem)]);
    }
    let wide = format!("file,sha256{}\n", ",".repeat(300));
    assert_told(
        "too wide",
        wide.as_bytes(),
        &[],
        &[(0, "is none of the formats")],
    );
}

#[test]
fn bad_links_are_refused() {
    let good = std::str::from_utf8(include_bytes!("../../../tests/data/link/debian.link")).unwrap();
    let package = "pkg:deb/debian/librust-as-slice-dev@0.2.1-1%2Bb2?arch=amd64";
    let deb = "librust-as-slice-dev_0.2.1-1+b2_amd64.deb\":{";
    assert_told("good", good.as_bytes(), &[package], &[]);
    let deep = good.replace("null", &"[".repeat(100_000));
    for (desc, text, line, problem) in [
        ("cut off", good[..500].to_owned(), 1, "is no JSON: EOF"),
        (
            "more after it",
            format!("{good}\nx"),
            2,
            "is no JSON: trailing characters",
        ),
        ("deep JSON", deep, 1, "values of JSON contain one another"),
        (
            "a key twice",
            good.replace("\"environment\"", "\"name\""),
            1,
            "the key \"name\" stands twice",
        ),
        (
            "a product twice",
            good.replace("\"products\":{", &format!("\"products\":{{\"{deb}}},")),
            1,
            "the key \"librust-as-slice-dev_0.2.1-1+b2_amd64.deb\" stands twice",
        ),
        (
            "a float",
            good.replace("null", "1.5"),
            1,
            "a number is not whole",
        ),
        (
            "a layout",
            good.replace("\"link\"", "\"layout\""),
            0,
            "is JSON, but no in-toto link: '_type'",
        ),
        (
            "a traversal",
            good.replace(deb, &format!("../../{deb}")),
            0,
            "\"../../librust-as-slice-dev_0.2.1-1+b2_amd64.deb\" leads out",
        ),
        (
            "no hash",
            good.replace("\"sha256\":\"32be", "\"sha1\":\"32be"),
            0,
            "the link has no sha256 for librust-as-slice-dev",
        ),
        (
            "a hash that is none",
            good.replace("\"sha256\":\"32be", "\"sha256\":\"x2be"),
            0,
            "the link's sha256 for librust-as-slice-dev_0.2.1-1+b2_amd64.deb is no SHA-256",
        ),
    ] {
        assert_told(desc, text.as_bytes(), &[], &[(line, problem)]);
    }
    for (desc, text, problem) in [
        (
            "no products",
            r#"{"signatures":[{"keyid":"a","sig":"b"}],"signed":{"_type":"link","materials":{},"products":{}}}"#,
            "the link has no products",
        ),
        (
            "no signature",
            r#"{"signatures":[],"signed":{"_type":"link","materials":{},"products":{"a":{}}}}"#,
            "the link has no signature",
        ),
    ] {
        assert_told(desc, text.as_bytes(), &[], &[(0, problem)]);
    }
    // One bad product does not hide the others.
    let more = good.replace(
        deb,
        &format!("/etc/passwd\":{{\"sha256\":\"{}\"}},\"{deb}", hash(1)),
    );
    assert_told(
        "two products",
        more.as_bytes(),
        &[package],
        &[(0, "\"/etc/passwd\" is a path")],
    );
}

#[test]
fn a_directory_goes_on_behind_every_bad_file() {
    let scratch = Scratch::new("hostile");
    let good = |n: u8| format!("{}  good-{n}\n", hash(n));
    scratch.put("a", good(1));
    scratch.put("b.link", "{".repeat(100_000));
    scratch.put("c.link", format!("{{\"a\":\"{}\"}}", "x".repeat(2_000_000)));
    scratch.put(
        "d.buildinfo",
        format!("Format: 1.0\n{}", " x\n".repeat(1_000_000)),
    );
    scratch.put(
        "e.buildinfo",
        format!("Format: 1.0\n{}", "x".repeat(5_000_000)),
    );
    scratch.put("f", [good(2).into_bytes(), vec![b'x'; 5_000_000]].concat());
    scratch.put("g", good(3));
    let told = scratch.read(Options::default());
    assert_eq!(told.subjects(), ["good-1", "good-2", "good-3"]);
    let problems = told.problems.iter().map(|problem| {
        let name = problem.place.file.file_name().unwrap().to_string_lossy();
        format!("{name} {}", problem.fault)
    });
    let begins = [
        "b.link is no JSON: key must be a string",
        "c.link is longer than 1048576 bytes, the most that is read of such a file, and was not read",
        "d.buildinfo is no .buildinfo: the field Source is missing",
        "e.buildinfo is longer than 4194304 bytes",
        "f the line does not end within 1048576 bytes",
    ];
    for (problem, begin) in problems.zip(begins) {
        assert!(problem.starts_with(begin), "{problem}");
    }
    assert_eq!(told.problems.len(), begins.len());
}
