//! The login at a mail server (RFC 4954), tried as Mastodon would.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;

use super::{Privacy, Wire, answer, offer, say};
use crate::inventory::model::Smtp;
use crate::redact;

/// What came of the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoginTried {
    /// There is none to try.
    None,
    /// The server took it.
    Taken,
    /// The server's own words against it.
    Refused(String),
    /// Why it was not tried.
    Not(String),
}

/// The name of the method in the server's list (RFC 4954): `cram_md5` is `CRAM-MD5`.
pub(super) fn method(smtp: &Smtp) -> String {
    smtp.auth_method.to_ascii_uppercase().replace('_', "-")
}

/// Tries the login as Mastodon would; the password travels in no clear text and to no server that Mastodon would not trust.
pub(super) async fn try_out(stream: &mut Wire, smtp: &Smtp, privacy: &Privacy, offers: &[String]) -> LoginTried {
    let (Some(login), Some(file)) = (&smtp.login, &smtp.password_file) else { return LoginTried::None };
    let not = |why: &str| LoginTried::Not(why.to_owned());
    match privacy {
        Privacy::Tls(None) => {}
        Privacy::Tls(Some(_)) if !smtp.verify => {}
        Privacy::Tls(Some(_)) => return not("its certificate is not trusted"),
        Privacy::Clear | Privacy::Broken(_) => return not("the connection is in clear"),
    }
    let method = method(smtp);
    if !offer(offers, "AUTH").is_some_and(|line| line.split(' ').any(|word| word == method)) {
        return not("the method is not offered");
    }
    let password = match std::fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => return LoginTried::Not(format!("{}: {error}", file.display())),
    };
    let password = password.trim_end_matches(['\r', '\n']);
    redact::learn(&password.into());
    let tried = match method.as_str() {
        "PLAIN" => {
            let both = Zeroizing::new(format!("\0{login}\0{password}"));
            exchange(stream, "AUTH PLAIN", &[both.as_str()]).await
        }
        "LOGIN" => exchange(stream, "AUTH LOGIN", &["", login.as_str(), password]).await,
        other => return LoginTried::Not(format!("homeprov does not know the method {other}")),
    };
    match tried {
        Ok(()) => LoginTried::Taken,
        // A server that shows what it was sent is not to be quoted.
        Err(why) if why.contains(password) => LoginTried::Refused("it refuses the login".to_owned()),
        Err(why) => LoginTried::Refused(why),
    }
}

/// Sends a command with the first part behind it, and each other part after the server asked for it.
async fn exchange(stream: &mut Wire, command: &str, parts: &[&str]) -> Result<(), String> {
    for (number, part) in parts.iter().enumerate() {
        let part = Zeroizing::new(STANDARD.encode(part));
        let line = Zeroizing::new(if number == 0 { format!("{command} {}", *part) } else { (*part).clone() });
        say(stream, line.trim_end()).await?;
        answer(stream, if number + 1 == parts.len() { "235" } else { "334" }).await?;
    }
    Ok(())
}
