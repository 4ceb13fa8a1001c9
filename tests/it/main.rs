//! The core as a whole.

mod net;
mod smoke;
