//! The core as a whole.

mod admission;
mod net;
mod smoke;
