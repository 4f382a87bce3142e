//! The mail server.

use crate::diagnostic::Problem;
use crate::document::suggest::nearest;
use crate::document::{At, Field, Report};
use crate::inventory::file::File;
use crate::inventory::model::StartTls;

const WAYS: [StartTls; 3] = [StartTls::Auto, StartTls::Always, StartTls::Never];
const METHODS: [&str; 4] = ["plain", "login", "cram_md5", "none"];

/// How TLS begins and how to log in are ways there are.
pub(super) fn known(file: &File, report: &mut Report) {
    let Some(smtp) = file.mastodon.given().and_then(|table| table.smtp.given()) else { return };
    if let Some(text) = smtp.starttls.given() {
        report.check(starttls(text));
    }
    if let Some(method) = smtp.auth_method.given().filter(|method| !METHODS.contains(&method.value.as_str())) {
        let near =
            nearest(&method.value, METHODS).map_or("no such way".into(), |near| format!("did you mean \"{near}\"?"));
        report.push(
            Problem::error(format!("`{}` is no way to log in to a mail server", method.value.escape_debug()))
                .at(method.span.clone(), near)
                .help(format!("Mastodon knows {}", METHODS.join(", "))),
        );
    }
}

/// TLS begins with the connection or by command, not twice.
pub(super) fn tls_once(file: &File, report: &mut Report) {
    let Some(smtp) = file.mastodon.given().and_then(|table| table.smtp.given()) else { return };
    let (Some(tls), Some(text)) = (smtp.tls.given(), smtp.starttls.given()) else { return };
    if tls.value && text.value == "always" {
        report.push(
            Problem::error("`starttls = \"always\"` does not go with tls = true")
                .at(text.span.clone(), "TLS by command")
                .at(tls.span.clone(), "TLS from the first byte on")
                .why("a connection that is encrypted already cannot begin it again: no mail would be sent")
                .help("remove `starttls` for port 465, or `tls` for port 587"),
        );
    }
}

/// A login has a password, and a password a login.
pub(super) fn login(file: &File, report: &mut Report) {
    let Some(smtp) = file.mastodon.given().and_then(|table| table.smtp.given()) else { return };
    let problem = match (&smtp.login, &smtp.password_file) {
        (Field::Given(login), Field::Absent) => Problem::error("`password_file` is missing: how does Mastodon log in?")
            .at(login.span.clone(), "a login without a password")
            .help("put the password into a file of your own and name it: password_file = \"~/.config/homeprov/smtp-password\""),
        (Field::Absent, Field::Given(password)) => Problem::error("`login` is missing: whose password is it?")
            .at(password.span.clone(), "a password without a login")
            .help("add a line such as: login = \"alice\""),
        _ => return,
    };
    report.push(problem);
}

/// How TLS begins by command.
pub(in crate::inventory) fn starttls(text: &At<String>) -> Result<StartTls, Problem> {
    let named = WAYS.into_iter().find(|way| way.name() == text.value);
    named.ok_or_else(|| {
        Problem::error(format!("`{}` says nothing about STARTTLS", text.value.escape_debug()))
            .at(text.span.clone(), "not one of them")
            .help("\"auto\" uses it where it is offered, \"always\" insists on it, \"never\" goes without")
    })
}
