//! Reads any bytes as an in-toto link: no panic, and only findings that fit an item, each once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_builds::Format;
use mycnet_builds::internals::exercise;

fuzz_target!(|bytes: &[u8]| {
    exercise(Format::Link, bytes);
});
