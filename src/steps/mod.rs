//! The Rust steps, one file each.
