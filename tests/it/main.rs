//! The core as a whole.

mod forks;
mod net;
mod promises;
mod rejections;
mod smoke;
