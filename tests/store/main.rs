//! A node on a disk.
