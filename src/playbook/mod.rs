//! Playbooks: the recipe, an ordered list of steps read from `playbooks/NN-name.toml`.
pub mod model;
pub mod render;
mod unquoted;
pub mod when;

pub use model::{Action, On, Recipe, Step};
pub use render::{RenderContext, RenderError, render};
