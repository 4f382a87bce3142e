//! How root's rights are had.

use crate::diagnostic::Problem;
use crate::document::At;
use crate::document::Report;
use crate::document::suggest::nearest;
use crate::inventory::file::File;
use crate::inventory::model::Sudo;

/// The way is one there is.
pub(super) fn known(file: &File, report: &mut Report) {
    if let Some(sudo) = file.ssh.given().and_then(|table| table.sudo.given()) {
        report.check(parse(sudo));
    }
}

/// Without sudo the login has to be root.
pub(super) fn never_needs_root(file: &File, report: &mut Report) {
    let Some(ssh) = file.ssh.given() else { return };
    let Some(sudo) = ssh.sudo.given().filter(|sudo| sudo.value == "never") else {
        return;
    };
    let others = file.nodes().iter().filter_map(|node| node.ssh.given());
    let users = ssh.user.given().into_iter().chain(others.filter_map(|table| table.user.given()));
    for user in users.filter(|user| user.value != "root") {
        report.push(
            Problem::warning(format!("the login `{}` is not root, and sudo is never used", user.value.escape_debug()))
                .at(user.span.clone(), "not root")
                .at(sudo.span.clone(), "no sudo")
                .why("installing MicroK8s needs root's rights")
                .help("log in as root, or write sudo = \"auto\""),
        );
    }
}

/// The way root's rights are had.
pub(in crate::inventory) fn parse(text: &At<String>) -> Result<Sudo, Problem> {
    match text.value.as_str() {
        "auto" => Ok(Sudo::Auto),
        "password" => Ok(Sudo::Password),
        "never" => Ok(Sudo::Never),
        other => {
            let label = nearest(other, ["auto", "password", "never"])
                .map_or_else(|| "no such way".to_owned(), |near| format!("did you mean \"{near}\"?"));
            Err(Problem::error(format!("`{}` is not a way to use sudo", other.escape_debug()))
                .at(text.span.clone(), label)
                .help("\"auto\" asks for a password when sudo wants one, \"password\" always uses one, \"never\" is for root logins; the password itself is asked for and never stands in this file"))
        }
    }
}
