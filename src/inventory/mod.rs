//! The inventory: the user's file that says what should be.
//!
//! [`load()`] turns a path into a [`model::Inventory`] and warnings, or into all errors at once. On the way:
//! text → TOML with places (`file`) → `rules`, one small function each → the model.

mod belonging;
mod build;
pub mod draft;
pub mod edit;
mod file;
mod flux;
mod load;
mod mastodon;
pub mod model;
mod paths;
mod pool;
mod rules;
mod schema;
pub mod storage;

pub use load::{InvalidInventory, Loaded, load, parse};
pub use model::*;
pub use pool::PoolFault;
pub use schema::schema;

pub use crate::diagnostic::Problem;
