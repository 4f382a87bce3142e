//! Playbooks: the recipe, an ordered list of steps read from `playbooks/NN-name.toml`.
mod load;
pub mod model;
mod read;
pub mod render;
mod source;
mod trial;
mod unquoted;
pub mod when;

pub use load::{InvalidPlaybooks, load_dir, load_embedded, load_embedded_of, parse};
pub use model::{Action, On, Recipe, Step};
pub use render::{RenderContext, RenderError, render};
pub use source::COMMANDS;
pub use source::{ExportError, export};
