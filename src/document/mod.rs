//! A TOML document, read with places: every fault is collected, none stops the reading.
//!
//! The inventory and the playbooks are read with this.

mod field;
mod report;
pub mod suggest;
mod syntax;
mod table;

pub use field::{At, Field};
pub use report::Report;
pub use syntax::parse;
pub use table::Table;
