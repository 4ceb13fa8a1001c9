//! Reads any bytes as a file with an index, and as what is in one: no panic, and an index that is read is written as the same index.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_builds::internals::exercise_index;

fuzz_target!(|bytes: &[u8]| {
    exercise_index(bytes);
});
