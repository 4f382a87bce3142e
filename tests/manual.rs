//! What is written for people: the manual, the README, the machines of Vagrant, the Debian package.

#[path = "manual/blocks.rs"]
mod blocks;
#[path = "manual/commands.rs"]
mod commands;
#[path = "manual/links.rs"]
mod links;
#[path = "manual/package.rs"]
mod package;
#[path = "manual/pages.rs"]
mod pages;
#[path = "manual/vagrant.rs"]
mod vagrant;
