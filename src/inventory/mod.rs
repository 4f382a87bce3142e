//! The inventory: the user's file that says what should be.
pub mod model;
