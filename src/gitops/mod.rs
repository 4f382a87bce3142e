//! The user's Git repository: what homeprov writes there, and the `git` program that brings it there.

pub mod access;
pub mod cause;
pub mod commit;
pub mod components;
pub mod git;
pub mod header;
pub mod key;
pub mod known_hosts;
pub mod publish;
pub mod remote;
pub mod render;
pub mod repository;
pub mod wanted;
pub mod yaml;

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod tests;
