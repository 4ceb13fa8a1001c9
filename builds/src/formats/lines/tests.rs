use std::io::{BufReader, Cursor, Read};

use super::*;
use crate::formats::limits::{LINE_BYTES_MAX, LIST_BYTES_MAX};

/// All lines as text, with faults as `!fault`, and what ended them.
fn read(text: &[u8], bytes_max: u64, line_bytes_max: usize) -> (Vec<String>, Option<Stop>) {
    let mut lines = Lines::new(Cursor::new(text), bytes_max, line_bytes_max);
    let mut all = Vec::new();
    loop {
        match lines.next() {
            Ok(Some((number, Ok(line)))) => all.push(format!("{number} {line}")),
            Ok(Some((number, Err(fault)))) => all.push(format!("{number} !{fault:?}")),
            Ok(None) => return (all, None),
            Err(stop) => return (all, Some(stop)),
        }
    }
}

#[test]
fn lines_end_and_are_bounded() {
    for (desc, text, lines) in [
        ("nothing", &b""[..], &[][..]),
        ("the last without end", b"a\nb", &["1 a", "2 b"]),
        (
            "ends of Windows, and a mark",
            b"\xef\xbb\xbfa\r\n\r\nb\r\n",
            &["1 a", "2 ", "3 b"],
        ),
        ("just long enough", b"12345678\nb", &["1 12345678", "2 b"]),
        ("with both ends", b"12345678\r\nb", &["1 12345678", "2 b"]),
        ("too long", b"123456789\nb", &["1 !LineTooLong", "2 b"]),
        ("longer", b"123456789012\nb", &["1 !LineTooLong", "2 b"]),
        ("far too long", &[b'x'; 100], &["1 !LineTooLong"]),
        ("not UTF-8", b"a\n\xff\nb", &["1 a", "2 !NotUtf8", "3 b"]),
    ] {
        assert_eq!(read(text, 1000, 8).0, lines, "{desc}");
        assert_eq!(read(text, 1000, 8).1, None, "{desc}");
    }
    let (lines, stop) = read(b"a\nb\nc\n", 4, 8);
    assert_eq!(lines, ["1 a", "2 b"]);
    let fault = Fault::FileTooLong { max: 4, read: true };
    assert_eq!(stop, Some((Some(2), fault)));
}

#[test]
fn an_envelope_is_taken_off() {
    let signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\na\n- -b\n\n-----BEGIN PGP SIGNATURE-----\n\niQ\n\
                  -----END PGP SIGNATURE-----\n";
    let all = |text: &str| read(text.as_bytes(), 1000, 100);
    assert_eq!(all(signed).0, ["4 a", "5 -b", "6 "]);
    assert_eq!(all(&format!("\n{signed}\n")).0, ["1 ", "5 a", "6 -b", "7 "]);
    assert_eq!(
        all(&format!("{signed}\nmore\n")).0[3..],
        ["12 !OutsideEnvelope"]
    );
    assert_eq!(
        all(&signed.replace("- -b", "--b")).0[1..2],
        ["5 !EnvelopeDash"]
    );
    for cut in [40, 52, 60, 90, 100] {
        let (_, stop) = all(&signed[..cut]);
        assert_eq!(stop.map(|(_, fault)| fault), Some(Fault::EnvelopeCut));
    }
    // Without its beginning it is just text.
    let rest = signed.split_once('\n').unwrap().1;
    assert_eq!(all(rest).1, None);
    assert!(all(rest).0.contains(&"4 - -b".to_owned()));
}

/// A source of one byte without end, which counts.
struct Endless<'a> {
    byte: u8,
    left: u64,
    read: &'a mut u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let length = to.len().min(usize::try_from(self.left).unwrap());
        to[..length].fill(self.byte);
        self.left -= length as u64;
        *self.read += length as u64;
        Ok(length)
    }
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    let mut read = 0;
    let endless = Endless {
        byte: b'x',
        left: 1 << 30,
        read: &mut read,
    };
    let mut lines = Lines::new(BufReader::new(endless), LIST_BYTES_MAX, LINE_BYTES_MAX);
    assert_eq!(lines.next(), Err((Some(1), Fault::LineEndless)));
    // What it holds is a piece of the line.
    assert!(lines.line.capacity() <= 4 * LINE_BYTES_MAX);
    assert!(read < 2 * LINE_SKIP_BYTES_MAX as u64, "{read} bytes read");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let mut read = 0;
    let endless = Endless {
        byte: b'\n',
        left: 1 << 30,
        read: &mut read,
    };
    let bytes_max = 1 << 20;
    let mut lines = Lines::new(BufReader::new(endless), bytes_max, LINE_BYTES_MAX);
    let stop = loop {
        match lines.next() {
            Ok(line) => assert!(line.is_some()),
            Err(stop) => break stop,
        }
    };
    let fault = Fault::FileTooLong {
        max: bytes_max,
        read: true,
    };
    assert_eq!(stop, (Some(bytes_max), fault));
    assert!(read < 2 * bytes_max, "{read} bytes read");
}
