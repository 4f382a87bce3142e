//! The program `homeprov-lab`.
fn main() {}
