//! The repository's URL: what Flux takes, and what people write.

/// Why a text is not a URL that Flux reads a repository from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFault {
    /// Another scheme than ssh and https.
    Scheme,
    /// No host, or none that can be one.
    Host,
    /// No user name, which SSH needs.
    User,
    /// Nothing after the host.
    Path,
    /// A password in it.
    Password,
    /// The port is none.
    Port,
    /// Blanks, or characters that no URL holds.
    Characters,
}

impl UrlFault {
    /// What is wrong, for the place it stands at.
    pub fn label(self) -> &'static str {
        match self {
            Self::Scheme => "neither ssh:// nor https://",
            Self::Host => "no host name",
            Self::User => "no user before the host: git@",
            Self::Path => "no repository after the host",
            Self::Password => "a password stands in it",
            Self::Port => "not a port",
            Self::Characters => "characters that no URL holds",
        }
    }
}

/// The URL as source-controller takes it: `git@host:path`, the short form of `git` and `scp`, becomes `ssh://git@host/path`
/// (fluxcd/source-controller `docs/spec/v1/gitrepositories.md`: the short form is not supported).
pub fn normal(text: &str) -> Result<String, UrlFault> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || "\"'<>`{}|\\^".contains(c)) || !text.is_ascii() {
        return Err(UrlFault::Characters);
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme, rest.to_owned()),
        None => ("ssh", short(text).ok_or(UrlFault::Scheme)?),
    };
    if !["ssh", "https"].contains(&scheme) {
        return Err(UrlFault::Scheme);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(':')) {
        return Err(UrlFault::Password);
    }
    if scheme == "ssh" && user.is_none_or(str::is_empty) {
        return Err(UrlFault::User);
    }
    let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
    let sane = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    if host.is_empty() || !host.chars().all(sane) || host.starts_with('-') {
        return Err(UrlFault::Host);
    }
    if port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err()) {
        return Err(UrlFault::Port);
    }
    if path.trim_matches('/').is_empty() {
        return Err(UrlFault::Path);
    }
    Ok(format!("{scheme}://{rest}"))
}

/// `git@host:path` as `git@host/path`.
fn short(text: &str) -> Option<String> {
    let (authority, path) = text.split_once(':')?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A path on this machine that holds a colon has a slash before it (git-clone(1)).
    (!host.is_empty() && !authority.contains('/')).then(|| format!("{authority}/{}", path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_as_flux_takes_them() {
        for (written, taken) in [
            ("ssh://git@github.com/alice/home", "ssh://git@github.com/alice/home"),
            ("ssh://git@10.77.0.1:2222/srv/git/home.git", "ssh://git@10.77.0.1:2222/srv/git/home.git"),
            ("git@github.com:alice/home.git", "ssh://git@github.com/alice/home.git"),
            ("git@nas.lan:/srv/git/home.git", "ssh://git@nas.lan/srv/git/home.git"),
            ("https://github.com/alice/home.git", "https://github.com/alice/home.git"),
        ] {
            assert_eq!(normal(written).as_deref(), Ok(taken), "{written}");
        }
        for (written, fault) in [
            ("http://github.com/alice/home", UrlFault::Scheme),
            ("/srv/git/home.git", UrlFault::Scheme),
            ("file:///srv/git/home.git", UrlFault::Scheme),
            ("ssh://github.com/alice/home", UrlFault::User),
            ("github.com:alice/home", UrlFault::User),
            ("https://alice:token@github.com/alice/home", UrlFault::Password),
            ("https://github.com", UrlFault::Path),
            ("ssh://git@host:70000/x", UrlFault::Port),
            ("ssh://git@-oProxyCommand/x", UrlFault::Host),
            ("https://git hub.com/x", UrlFault::Characters),
            ("", UrlFault::Scheme),
        ] {
            assert_eq!(normal(written), Err(fault), "{written}");
        }
    }
}
