//! A node on a disk: stops, failures, damage, starts and questions.

mod blackout;
mod c_crash;
mod damage;
mod disk;
mod failing;
mod host;
mod journal;
mod moving;
mod packing;
mod questions;
mod succession;
