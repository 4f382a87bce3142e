//! The owner's account, as `tootctl` makes it and talks of it (mastodon/mastodon `lib/mastodon/cli/accounts.rb`).

use secrecy::SecretString;

use super::NAMESPACE;
use crate::inventory::model::Admin;

/// The role that may do everything. Names of roles are case-sensitive.
const ROLE: &str = "Owner";
/// The container of a web pod (mastodon/chart `templates/deployment-web.yaml`).
const CONTAINER: &str = "mastodon-web";

/// What a call of `tootctl` came to.
#[derive(Debug)]
pub enum Said {
    /// It was done; with the password it has set, if it has.
    Done(Option<SecretString>),
    /// There is no such account.
    Absent,
    /// Something else: what it printed.
    Other(String),
}

/// Gives the account its role, if it is there: this is also how to find out whether it is.
pub fn promote(pod: &str, admin: &Admin) -> Vec<String> {
    exec(pod, &["modify", &admin.username, "--role", ROLE, "--approve"])
}

/// Makes the account, confirmed and approved.
pub fn create(pod: &str, admin: &Admin) -> Vec<String> {
    exec(pod, &["create", &admin.username, "--email", &admin.email, "--confirmed", "--approve", "--role", ROLE])
}

/// Gives the account another password.
pub fn reset(pod: &str, admin: &Admin) -> Vec<String> {
    exec(pod, &["modify", &admin.username, "--reset-password"])
}

/// Only looks whether the account is there: nothing is said that would change it.
pub fn look(pod: &str, admin: &Admin) -> Vec<String> {
    exec(pod, &["modify", &admin.username])
}

fn exec(pod: &str, arguments: &[&str]) -> Vec<String> {
    let start =
        ["/snap/bin/microk8s", "kubectl", "exec", "--namespace", NAMESPACE, pod, "--container", CONTAINER, "--"];
    let tool = ["tootctl", "accounts"];
    start.iter().chain(&tool).chain(arguments).map(|word| (*word).to_owned()).collect()
}

/// What an answer of `tootctl` means. The password it prints is in nothing but [`Said::Done`].
pub fn read(status: i32, stdout: &str, stderr: &str) -> Said {
    let lines = || stdout.lines().chain(stderr.lines()).map(plain);
    if status == 0 && lines().any(|line| line == "OK") {
        let password = stdout.lines().find_map(|line| plain(line).strip_prefix("New password: ").map(str::to_owned));
        return Said::Done(password.map(SecretString::from));
    }
    if lines().any(|line| line.contains("No user with such username")) {
        return Said::Absent;
    }
    let told: Vec<String> = lines().filter(|line| !line.is_empty() && !line.contains("password:")).collect();
    Said::Other(told.join("\n"))
}

/// A line without the colours `tootctl` paints it in, which it does also where nobody sees them.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn admin() -> Admin {
        Admin { username: "alice".into(), email: "alice@example.org".into() }
    }

    #[test]
    fn the_password_is_found_and_kept() {
        let said = read(0, "\u{1b}[32mOK\u{1b}[0m\nNew password: 0123456789abcdef\n", "");
        assert!(!format!("{said:?}").contains("0123456789abcdef"));
        let Said::Done(Some(password)) = said else { panic!("{said:?}") };
        assert_eq!(password.expose_secret(), "0123456789abcdef");
        assert!(matches!(read(0, "OK\n", ""), Said::Done(None)));
    }

    #[test]
    fn an_account_that_is_not_there_is_no_failure() {
        assert!(matches!(read(1, "\u{1b}[31mNo user with such username\u{1b}[0m\n", ""), Said::Absent));
        let taken = "Failure/Error: \nemail\n    has already been taken\n";
        let Said::Other(text) = read(1, taken, "") else { panic!("it is a failure") };
        assert!(text.ends_with("has already been taken"));
        // Cut off between the two lines: what was printed is not told on.
        let Said::Other(text) = read(137, "New password: 0123456789abcdef\n", "") else { panic!("it is a failure") };
        assert!(!text.contains("0123456789abcdef"));
    }

    #[test]
    fn no_secret_is_an_argument() {
        insta::assert_snapshot!(create("mastodon-web-5d9", &admin()).join(" "), @"/snap/bin/microk8s kubectl exec --namespace mastodon mastodon-web-5d9 --container mastodon-web -- tootctl accounts create alice --email alice@example.org --confirmed --approve --role Owner");
        insta::assert_snapshot!(look("mastodon-web-5d9", &admin())[9..].join(" "), @"tootctl accounts modify alice");
    }
}
