//! The core as a whole.

mod admission;
mod forks;
mod net;
mod promises;
mod rejections;
mod smoke;
