//! Playbooks: the recipe, an ordered list of steps read from `playbooks/NN-name.toml`.
pub mod model;
