//! A short slice of what the fuzz targets do: good inputs, changed at random.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::internals::exercise;
use crate::testing::seeds;

macro_rules! sample {
    ($file:literal) => {
        include_bytes!(concat!("../../../tests/data/", $file))
    };
}

const SAMPLES: [(Format, &[u8]); 9] = [
    (Format::Link, sample!("link/arch.link")),
    (Format::Link, sample!("link/debian.link")),
    (Format::Buildinfo, sample!("buildinfo/plain.buildinfo")),
    (Format::Buildinfo, sample!("buildinfo/signed.buildinfo")),
    (Format::Sums, sample!("sums/gnu")),
    (Format::Sums, sample!("sums/bsd")),
    (Format::Sums, sample!("sums/subjects")),
    (Format::Table(b','), sample!("table/subjects.csv")),
    (Format::Table(b'\t'), sample!("table/releases.tsv")),
];

/// Pieces that formats give a meaning.
const PIECES: [&[u8]; 24] = [
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b",",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b":",
    b"../",
    b"/",
    b"\0",
    b"\xff",
    b"\xe2\x80\xae",
    b"- ",
    b"-----BEGIN PGP SIGNATURE-----",
    b"pkg:",
    b"%3a",
    b"\\u0000",
    b"1e9",
    b"sha256",
    b"\xef\xbb\xbf",
];

fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=6) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 80));
        match rng.random_range(0..7) {
            0 => bytes.truncate(end),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = rng.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            3 => drop(bytes.splice(
                at..at,
                PIECES[rng.random_range(0..PIECES.len())].iter().copied(),
            )),
            4 => drop(bytes.splice(
                at..end,
                PIECES[rng.random_range(0..PIECES.len())].iter().copied(),
            )),
            5 => {
                let times = rng.random_range(1..300);
                let piece = bytes[at..end.min(at + 3)].repeat(times);
                bytes.splice(at..at, piece);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
            }
        }
    }
}

#[test]
fn changed_input_never_breaks_the_reader() {
    for seed in seeds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (format, sample) in SAMPLES {
            let mut bytes = sample.to_vec();
            mutate(&mut bytes, &mut rng);
            exercise(format, &bytes);
        }
    }
}

#[test]
fn every_sample_is_read_whole() {
    for (format, sample) in SAMPLES {
        assert_eq!(recognise::recognise(sample), Ok(format));
        exercise(format, sample);
        let told = read_with(
            Options {
                builder: Some("ada".to_owned()),
                ..Options::default()
            },
            sample,
        );
        assert_eq!(told.problems, [], "{format:?}");
        assert!(!told.findings.is_empty());
    }
}
