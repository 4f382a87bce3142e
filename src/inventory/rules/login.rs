//! What ends up on the command line of ssh.

use crate::diagnostic::Problem;
use crate::document::Report;
use crate::document::{At, Field};
use crate::inventory::file::File;

type Text = Field<At<String>>;

/// Login names, hosts and jump hosts are single words that ssh cannot take for options.
pub(super) fn texts(file: &File, report: &mut Report) {
    let mut texts: Vec<(&str, &Text)> = Vec::new();
    if let Some(ssh) = file.ssh.given() {
        texts.extend([("user", &ssh.user), ("jump", &ssh.jump)]);
    }
    for ssh in file.nodes().iter().filter_map(|node| node.ssh.given()) {
        texts.extend([("user", &ssh.user), ("host", &ssh.host), ("jump", &ssh.jump)]);
    }
    for (key, text) in texts {
        if let Some(text) = text.given() {
            report.check(word(key, text));
        }
    }
}

fn word(key: &str, text: &At<String>) -> Result<(), Problem> {
    let value = &text.value;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let label = if value.is_empty() {
        "empty"
    } else if value.starts_with('-') {
        "ssh would take this for an option"
    } else if value.contains(odd) {
        "blanks are not allowed"
    } else if key == "host" && value.contains('@') {
        "this names a user too"
    } else {
        return Ok(());
    };
    let help = match key {
        "user" => "such as user = \"ubuntu\"; without the key OpenSSH decides",
        "host" => "such as host = \"nuc1.lan\"; the login name goes to `user`, the port to `port`",
        _ => "such as jump = \"me@gateway.lan:22\", several with commas between them",
    };
    Err(Problem::error(format!("`{key}` cannot be used")).at(text.span.clone(), label).help(help))
}

/// Paths are there and use no other user's home.
pub(super) fn paths(file: &File, report: &mut Report) {
    let mut paths: Vec<(&str, &Text)> = Vec::new();
    if let Some(ssh) = file.ssh.given() {
        paths.extend([("identity", &ssh.identity), ("config", &ssh.config), ("known_hosts", &ssh.known_hosts)]);
    }
    let nodes = file.nodes().iter().filter_map(|node| node.ssh.given());
    paths.extend(nodes.map(|ssh| ("identity", &ssh.identity)));
    for (key, path) in paths {
        let Some(path) = path.given() else { continue };
        let rest = path.value.strip_prefix('~');
        let label = if path.value.trim().is_empty() {
            "empty"
        } else if rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            "another user's home is not looked up"
        } else {
            continue;
        };
        report.push(
            Problem::error(format!("`{key}` is not a path that can be used"))
                .at(path.span.clone(), label)
                .help("`~/` is your home, a relative path starts at this file's folder"),
        );
    }
}
