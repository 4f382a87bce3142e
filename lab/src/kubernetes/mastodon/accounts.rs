//! Accounts, as `tootctl accounts` makes and changes them (mastodon/mastodon `lib/mastodon/cli/accounts.rb`).

use super::state::{Account, Database};
use super::types::Executed;
use crate::kubernetes::names::digest_hex;

/// The roles a migrated database has; they are found by their exact names.
const ROLES: [&str; 3] = ["Owner", "Admin", "Moderator"];
/// The longest name of a local account.
const LONGEST: usize = 30;

/// The options of a command, as Thor takes them: `--name value`, `--name=value`, `--switch`.
struct Options<'a> {
    words: Vec<&'a str>,
    values: Vec<(&'a str, &'a str)>,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a str], with_value: &[&str]) -> Self {
        let mut options = Self { words: Vec::new(), values: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let Some(name) = word.strip_prefix("--") else {
                options.words.push(word);
                continue;
            };
            if let Some((name, value)) = name.split_once('=') {
                options.values.push((name, value));
            } else if with_value.contains(&name) {
                options.values.push((name, rest.next().copied().unwrap_or_default()));
            } else {
                options.values.push((name, ""));
            }
        }
        options
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn on(&self, name: &str) -> bool {
        let spelled = name.replace('_', "-");
        self.values.iter().any(|(known, value)| (*known == name || *known == spelled) && *value != "false")
    }
}

fn refused(why: &str) -> Executed {
    Executed::failed(1, format!("{why}\n"))
}

/// 32 hexadecimal digits.
fn new_password(seed: &str) -> String {
    digest_hex(&[seed.as_bytes()])[..32].to_owned()
}

fn created(password: &str) -> Executed {
    Executed::said(format!("OK\nNew password: {password}\n"))
}

fn role(options: &Options<'_>) -> Result<Option<String>, Executed> {
    match options.value("role") {
        Some(name) if !ROLES.contains(&name) => Err(refused("Cannot find user role with that name")),
        other => Ok(other.map(str::to_owned)),
    }
}

pub(super) fn create(database: &mut Database, arguments: &[&str], seed: &str) -> Executed {
    let options = Options::parse(arguments, &["email", "role"]);
    let Some(email) = options.value("email") else {
        return refused("No value provided for required options '--email'");
    };
    let [username] = options.words.as_slice() else {
        return refused(
            "ERROR: \"tootctl accounts create\" was called with no arguments\nUsage: \"tootctl accounts create USERNAME --email=EMAIL\"",
        );
    };
    let role = match role(&options) {
        Ok(role) => role,
        Err(refusal) => return refusal,
    };
    let name = username.to_lowercase();
    if options.on("reattach") && database.accounts.contains_key(&name) {
        if !options.on("force") {
            return Executed::said(
                "The chosen username is currently in use\nUse --force to reattach it anyway and delete the other user\n",
            );
        }
        database.accounts.remove(&name);
    }
    let errors = errors(database, username, email);
    if !errors.is_empty() {
        return refused(&errors);
    }
    let password = new_password(seed);
    database.accounts.insert(
        name,
        Account {
            username: (*username).to_owned(),
            email: email.to_owned(),
            // Who may manage others is approved from the start.
            approved: options.on("approve") || role.is_some(),
            role,
            confirmed: options.on("confirmed"),
            disabled: false,
            password: password.clone(),
        },
    );
    created(&password)
}

/// What the validations find, two lines for each; empty where all is well.
fn errors(database: &Database, username: &str, email: &str) -> String {
    let mut found = Vec::new();
    if database.accounts.contains_key(&username.to_lowercase()) {
        found.push(("account.username", "taken"));
    }
    if !username.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) || username.is_empty() {
        found.push(("account.username", "invalid"));
    }
    if username.len() > LONGEST {
        found.push(("account.username", "too_long"));
    }
    if ["admin", "administrator", "support", "help", "root", "webmaster", "mastodon"]
        .contains(&username.to_lowercase().as_str())
    {
        found.push(("account.username", "reserved"));
    }
    if database.accounts.values().any(|account| account.email.eq_ignore_ascii_case(email)) {
        found.push(("email", "taken"));
    }
    let is_address = email
        .split_once('@')
        .is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.') && !email.contains(' '));
    if !is_address {
        found.push(("email", "invalid"));
    }
    let lines: Vec<String> =
        found.iter().map(|(field, kind)| format!("Failure/Error: {field}\n    {kind}\n")).collect();
    lines.concat()
}

pub(super) fn modify(database: &mut Database, arguments: &[&str], seed: &str) -> Executed {
    let options = Options::parse(arguments, &["email", "role"]);
    let name = options.words.first().map(|name| name.to_lowercase()).unwrap_or_default();
    let Some(account) = database.accounts.get_mut(&name) else { return refused("No user with such username") };
    match role(&options) {
        Ok(Some(role)) => account.role = Some(role),
        Ok(None) if options.on("remove_role") => account.role = None,
        Ok(None) => {}
        Err(refusal) => return refusal,
    }
    if let Some(email) = options.value("email") {
        email.clone_into(&mut account.email);
    }
    account.approved |= options.on("approve");
    account.confirmed |= options.on("confirm");
    account.disabled = (account.disabled || options.on("disable")) && !options.on("enable");
    if !options.on("reset_password") {
        return Executed::said("OK\n");
    }
    account.password = new_password(seed);
    created(&account.password)
}

pub(super) fn approve(database: &mut Database, arguments: &[&str]) -> Executed {
    let options = Options::parse(arguments, &["number"]);
    if options.on("all") {
        database.accounts.values_mut().for_each(|account| account.approved = true);
        return Executed::said("OK\n");
    }
    let name = options.words.first().map(|name| name.to_lowercase()).unwrap_or_default();
    match database.accounts.get_mut(&name) {
        Some(account) => {
            account.approved = true;
            Executed::said("OK\n")
        }
        None => refused("No such account"),
    }
}
