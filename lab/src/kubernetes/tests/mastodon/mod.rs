//! Mastodon: the chart, and what becomes of its objects.

mod bench;
mod commands;
mod faults;
mod install;
mod render;
mod site;
