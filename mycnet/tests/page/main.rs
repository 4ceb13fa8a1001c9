//! The page in a real browser, with real nodes.
//!
//! `cargo test -p mycnet --test page`. Chromium and chromedriver are programs of the machine: where they are missing, the tests say so
//! and skip. `MYCNET_CHROMIUM` and `MYCNET_CHROMEDRIVER` name others than those of the path.
//!
//! | variable | does |
//! |---|---|
//! | `MYCNET_AXE` | names the file `axe.min.js` of axe-core; else it is taken from npm |
//! | `MYCNET_SCREENSHOTS` | names a directory for a picture of each view |
//! | `MYCNET_PAGE_OPERATIONS` | adds a ledger with so many closed operations, such as 100000 |

#![cfg(unix)]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "tests say directly what they expect, wait, and print times"
)]

mod axe;
mod browser;
#[allow(dead_code, reason = "shared with the tests of the command")]
#[path = "../command/harness.rs"]
mod harness;
mod ledger;
mod people;
mod scale;
mod views;

/// The command under test, for the harness.
fn mycnet_path() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_mycnet").into()
}
