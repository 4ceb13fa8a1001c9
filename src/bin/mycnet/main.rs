//! The `mycnet` command.

fn main() {}
