//! The site's page: what it loads besides itself.

/// The paths on this host of the scripts, style sheets and icons a page loads, in its order, each once. What it loads from
/// other hosts is counted.
pub fn assets(html: &str, host: &str) -> (Vec<String>, usize) {
    let mut paths: Vec<String> = Vec::new();
    let mut elsewhere = 0;
    for (name, attribute) in [("<script", "src"), ("<link", "href")] {
        for tag in tags(html, name) {
            if name == "<link" && !loads(tag) {
                continue;
            }
            match value(tag, attribute).map(|url| on_host(url, host)) {
                Some(Some(path)) if !paths.contains(&path) => paths.push(path),
                Some(None) => elsewhere += 1,
                _ => {}
            }
        }
    }
    (paths, elsewhere)
}

/// The tags of a name, from `<` up to `>`.
fn tags<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    html.match_indices(name).filter_map(move |(start, _)| {
        let rest = &html[start..];
        let ends = rest[name.len()..].starts_with(|next: char| next.is_ascii_whitespace());
        ends.then(|| &rest[..rest.find('>').unwrap_or(rest.len())])
    })
}

/// Whether a browser loads what a `<link>` names to show the page.
fn loads(tag: &str) -> bool {
    let kinds = value(tag, "rel").unwrap_or_default();
    kinds.split_ascii_whitespace().any(|kind| ["stylesheet", "preload", "modulepreload", "icon"].contains(&kind))
}

/// The value of an attribute, in quotes of either kind or none.
fn value<'a>(tag: &'a str, attribute: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        let at = rest.find(attribute)?;
        let before = rest[..at].ends_with(|last: char| last.is_ascii_whitespace());
        rest = &rest[at + attribute.len()..];
        let Some(text) = rest.strip_prefix('=').filter(|_| before) else { continue };
        return match text.chars().next()? {
            quote @ ('"' | '\'') => text[1..].split(quote).next(),
            _ => text.split(|end: char| end.is_ascii_whitespace()).next(),
        };
    }
}

/// The path of an URL on the host; none when it is another host's.
fn on_host(url: &str, host: &str) -> Option<String> {
    let url = url.replace("&amp;", "&");
    let rest = url.split_once("://").map_or_else(|| url.strip_prefix("//"), |(_, rest)| Some(rest));
    match rest {
        Some(rest) => {
            let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (name == host).then(|| if path.is_empty() { "/".to_owned() } else { path.to_owned() })
        }
        None if url.starts_with('/') => Some(url),
        None => Some(format!("/{url}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_page_loads() {
        let html = r#"<!DOCTYPE html><html><head>
            <link href="/packs/assets/common-1a.css" rel="stylesheet" crossorigin="anonymous">
            <link rel='mask-icon' href='/packs/logo.svg'><link rel="manifest" href="/manifest">
            <link data-href="/not-this" rel="icon" href="/favicon.ico" />
            <script src="https://social.example.org/packs/assets/application-2b.js?a=1&amp;b=2" type="module"></script>
            <script src="/packs/assets/application-2b.js?a=1&b=2"></script>
            <link href="https://cdn.example.net/x.css" rel="stylesheet"><script>inline("src=/no")</script>
            <linker href="/no" rel="stylesheet"></head></html>"#;
        let (paths, elsewhere) = assets(html, "social.example.org");
        assert_eq!(paths, ["/packs/assets/application-2b.js?a=1&b=2", "/packs/assets/common-1a.css", "/favicon.ico"]);
        assert_eq!(elsewhere, 1);
    }

    #[test]
    fn a_page_that_breaks_off_is_no_trouble() {
        assert_eq!(assets("<script src=\"/a.js", "h").0, ["/a.js"]);
        assert_eq!(assets("<link rel=stylesheet href=/b.css", "h").0, ["/b.css"]);
        assert_eq!(assets("<script ", "h").0, Vec::<String>::new());
    }
}
