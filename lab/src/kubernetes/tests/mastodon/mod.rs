//! Mastodon: the chart, and what becomes of its objects.

mod bench;
mod commands;
mod data;
mod faults;
mod install;
mod render;
mod site;
