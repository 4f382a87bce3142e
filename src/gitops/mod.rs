//! What lands in the user's Git repository.

pub mod header;
pub mod render;
pub mod yaml;
