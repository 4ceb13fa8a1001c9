//! Reads any bytes as CSV, or TSV if there is a tab: no panic, and only findings that fit an item, each once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_builds::Format;
use mycnet_builds::internals::exercise;

fuzz_target!(|bytes: &[u8]| {
    let delimiter = if bytes.contains(&b'\t') { b'\t' } else { b',' };
    exercise(Format::Table(delimiter), bytes);
});
