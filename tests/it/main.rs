//! The core as a whole.

mod net;
mod rejections;
mod smoke;
