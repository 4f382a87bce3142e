//! Domains, the owner, the language.

use crate::diagnostic::Problem;
use crate::document::{At, Report};
use crate::inventory::file::File;

/// Names that no new account may have, not with `tootctl` either (mastodon/mastodon `config/settings.yml` and issue 30945).
const RESERVED: [&str; 21] = [
    "abuse",
    "account",
    "accounts",
    "admin",
    "administration",
    "administrator",
    "admins",
    "help",
    "helpdesk",
    "instance",
    "mod",
    "moderator",
    "moderators",
    "mods",
    "owner",
    "root",
    "security",
    "server",
    "staff",
    "support",
    "webmaster",
];

/// Domains are host names with a dot, and nothing more.
pub(super) fn domains(file: &File, report: &mut Report) {
    let Some(mastodon) = file.mastodon.given() else { return };
    let smtp = mastodon.smtp.given();
    let domains = [
        ("local_domain", mastodon.local_domain.given()),
        ("web_domain", mastodon.web_domain.given()),
        ("domain", smtp.and_then(|smtp| smtp.domain.given())),
    ];
    for (key, domain) in domains {
        let Some(domain) = domain else { continue };
        let text = domain.value.as_str();
        let label = match text {
            _ if text.contains("://") || text.contains('/') => "a URL, or a part of one",
            _ if text.parse::<std::net::IpAddr>().is_ok() => "an address",
            _ if text.contains(':') => "a domain has no port",
            _ if text.chars().any(char::is_uppercase) => "domains are written in lower case",
            _ if !is_host(text) => "not a domain",
            _ if !text.contains('.') => "no dot in it",
            _ => continue,
        };
        report.push(
            Problem::error(format!("`{key}` is not a domain")).at(domain.span.clone(), label).help(format!(
                "just the name, such as {key} = \"example.org\"; write other letters in their xn-- form"
            )),
        );
    }
}

/// A host name: parts of letters, digits and dashes; the last is not a number.
pub(super) fn is_host(text: &str) -> bool {
    let part = |part: &str| {
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !part.is_empty() && part.len() <= 63 && part.bytes().all(sane) && !part.starts_with('-') && !part.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(part) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A server is named by its host name or its IPv4 address.
pub(super) fn is_server(text: &str) -> bool {
    is_host(text) || text.parse::<std::net::Ipv4Addr>().is_ok()
}

/// The owner can have the account.
pub(super) fn owner(file: &File, report: &mut Report) {
    let Some(admin) = file.mastodon.given().and_then(|mastodon| mastodon.admin.given()) else { return };
    if let Some(name) = admin.username.given() {
        let text = &name.value;
        let sane = (1..=30).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let problem =
            |label: &str| Problem::error("nobody can have this user name").at(name.span.clone(), label.to_owned());
        let help = "such as username = \"alice\"; the role of owner comes with the account, whatever its name";
        if !sane {
            report.push(problem("up to 30 letters, digits and `_`, without @").help(help));
        } else if RESERVED.contains(&text.to_lowercase().as_str()) {
            report.push(problem("Mastodon keeps it back").help(help));
        }
    }
    if let Some(email) = admin.email.given().filter(|email| !is_email(&email.value)) {
        report.push(not_email("email", email));
    }
}

/// The sender of mail is an address, perhaps with a name before it.
pub(super) fn sender(file: &File, report: &mut Report) {
    let smtp = file.mastodon.given().and_then(|mastodon| mastodon.smtp.given());
    let Some(from) = smtp.and_then(|smtp| smtp.from_address.given()) else { return };
    let text = from.value.trim();
    let address = text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')).map_or(text, |(_, address)| address);
    if !is_email(address) || text.chars().any(char::is_control) {
        report.push(not_email("from_address", from));
    }
}

fn not_email(key: &str, text: &At<String>) -> Problem {
    Problem::error(format!("`{key}` is not an e-mail address"))
        .at(text.span.clone(), "a name, @ and a domain")
        .help(format!("such as {key} = \"alice@example.org\""))
}

fn is_email(text: &str) -> bool {
    let sane = |c: char| c.is_ascii_graphic() && !"()<>[]:;,\\\"@".contains(c);
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    (1..=64).contains(&name.len()) && name.chars().all(sane) && domain.contains('.') && is_host(domain)
}

/// The language is a tag such as `de` or `pt-BR`.
pub(super) fn language(file: &File, report: &mut Report) {
    let Some(locale) = file.mastodon.given().and_then(|mastodon| mastodon.locale.given()) else { return };
    let mut parts = locale.value.split('-');
    let first = parts.next().unwrap_or_default();
    let language = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    let rest = |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !(language && parts.all(rest)) {
        report.push(
            Problem::error("this is not a language Mastodon has")
                .at(locale.span.clone(), "a tag such as `de` or `pt-BR`")
                .help("such as locale = \"en\"; the tags are in mastodon/mastodon config/locales"),
        );
    }
}
