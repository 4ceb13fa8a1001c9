//! The core as a whole.

mod authority;
mod forks;
mod net;
mod promises;
mod rejections;
mod smoke;
