//! Finds what no message may quote: the values of keys that look like a password.
//!
//! Quoted files are often broken, so this reads lines and no TOML, and rather hides too much.

use std::ops::Range;

/// Parts of the names that passwords go by.
const NAMES: [&str; 8] = ["pass", "pwd", "secret", "token", "credential", "private_key", "api_key", "apikey"];

/// Whether a key's name, which may be dotted and quoted, sounds as if its value were a secret.
pub(crate) fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('-', "_");
    NAMES.iter().any(|name| key.contains(name))
}

/// Where the values of such keys stand, in order; a value of several lines is one range.
pub(super) fn values(text: &str) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let mut table = false;
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let line = &text[at..end];
        if let Some(header) = header(line) {
            table = looks_secret(header);
        }
        at = if let Some((start, inline)) = value(line, table) {
            let range = extent(text, at + start, inline);
            values.push(range.clone());
            range.end
        } else {
            values.extend(in_urls(line).map(|range| at + range.start..at + range.end));
            end + 1
        };
    }
    values
}

/// Passwords in the URLs of a line: `https://alice:hunter2@example.org`.
fn in_urls(line: &str) -> impl Iterator<Item = Range<usize>> {
    line.match_indices("://").filter_map(|(at, separator)| {
        let start = at + separator.len();
        let ends = |c: char| c.is_whitespace() || "/\"'".contains(c);
        let end = line[start..].find(ends).map_or(line.len(), |length| start + length);
        // A password may hold an @ itself.
        let (user, _) = line[start..end].rsplit_once('@')?;
        let (name, password) = user.split_once(':')?;
        let first = start + name.len() + 1;
        (!password.is_empty()).then(|| first..first + password.len())
    })
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |length| from + length)
}

/// The name in a line such as `[name]`.
fn header(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?.split(']').next()?;
    (!name.contains('=')).then_some(name)
}

/// Where the first secret value of a line begins, blanks before it included, and whether it is inside braces.
/// `table` says that every value is one.
fn value(line: &str, table: bool) -> Option<(usize, bool)> {
    let assigned = line.match_indices(['=', ':']).map(|(at, _)| at).find(|at| {
        let before = &line[..*at];
        let key = before.rsplit(['=', '{', '(', '[', ',', ';', '#']).next().unwrap_or(before);
        looks_secret(key) || (table && !key.trim().is_empty())
    });
    if let Some(at) = assigned {
        return Some((at + 1, line[..at].contains('{')));
    }
    // `password hunter2`, where the `=` was forgotten.
    let key = line.trim_start();
    let (word, rest) = key.split_once(char::is_whitespace)?;
    (looks_secret(word) && !rest.trim().is_empty()).then(|| (line.len() - rest.len(), false))
}

/// The value that begins at or after `from`. Outside of braces everything up to the end of its last line belongs to
/// it: a quote in a password ends the text for TOML, and not for the one who wrote it.
fn extent(text: &str, from: usize, inline: bool) -> Range<usize> {
    let Some(blanks) = text[from..].find(|c: char| !c.is_whitespace()) else {
        return text.len()..text.len();
    };
    let start = from + blanks;
    let value = &text[start..];
    let closed = if let Some(quotes) = ["\"\"\"", "'''"].into_iter().find(|quotes| value.starts_with(quotes)) {
        Some(value[3..].find(quotes).map_or(value.len(), |length| 3 + length + 3))
    } else if value.starts_with(['"', '\'']) {
        string(value)
    } else if value.starts_with(['[', '{']) {
        Some(brackets(value))
    } else {
        return start..line_end(text, start);
    };
    let end = match closed {
        Some(length) if inline => start + length,
        Some(length) => line_end(text, start + length),
        None => unclosed(text, start),
    };
    start..end
}

/// The length of a text in quotes, if they close on its line.
fn string(value: &str) -> Option<usize> {
    let quote = value.chars().next()?;
    let mut escaped = false;
    for (at, character) in value[..line_end(value, 0)].char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == quote {
            return Some(at + 1);
        } else {
            escaped = character == '\\' && quote == '"';
        }
    }
    None
}

/// The length up to the bracket that closes the first one; all of it when none does.
fn brackets(value: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(character) = value[at..].chars().next() {
        match character {
            '"' | '\'' => {
                at += string(&value[at..]).unwrap_or(1);
                continue;
            }
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        at += character.len_utf8();
        if depth == 0 {
            return at;
        }
    }
    value.len()
}

/// The end of a text whose quotes were forgotten: the lines up to the next that could be another key or table.
fn unclosed(text: &str, start: usize) -> usize {
    let mut end = line_end(text, start);
    while end < text.len() {
        let next = line_end(text, end + 1);
        let line = &text[end + 1..next];
        if line.contains('=') || line.trim_start().starts_with('[') {
            break;
        }
        end = next;
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::values;

    fn hidden(text: &str) -> String {
        let mut shown = text.to_owned();
        for range in values(text).into_iter().rev() {
            shown.replace_range(range, "*");
        }
        shown
    }

    #[test]
    fn values_of_secret_keys_are_found_however_they_are_written() {
        for (text, shown) in [
            ("password = \"hunter2\"\nport = 1", "password = *\nport = 1"),
            ("Sudo-Password='hunter2' # hunter2", "Sudo-Password=*"),
            ("\"become.passwd\" = \"hunter2", "\"become.passwd\" = *"),
            ("ssh.password.nuc1 = \"hunter2\"", "ssh.password.nuc1 = *"),
            ("ssh = { password = \"hunt}er2\", port = 1 }", "ssh = { password = *, port = 1 }"),
            ("ssh = { port = 1, token = \"hunt\\\"er2\" }", "ssh = { port = 1, token = * }"),
            ("# password = \"hunter2\"", "# password = *"),
            ("password: hunter2", "password: *"),
            ("  password hunter2", "  password *"),
            ("password =\n  \"hunter2\"\nx = 1", "password =\n  *\nx = 1"),
            ("password = \"hun\"ter2\"", "password = *"),
            ("password = \"hun\nter2\nx = 1", "password = *\nx = 1"),
            ("secret = \"\"\"hun\nter2\"\"\"\nx = 1", "secret = *\nx = 1"),
            ("secret = '''hun\nter2", "secret = *"),
            ("tokens = [\n \"hunt]er2\",\n]\nx = 1", "tokens = *\nx = 1"),
            ("pwds = { nuc1 = \"hunter2\" }", "pwds = *"),
            ("push = \"https://me:hun@ter2@example.org/x\"", "push = \"https://me:*@example.org/x\""),
            ("a = \"ssh://me@b:22/x\" # https://u:p@c", "a = \"ssh://me@b:22/x\" # https://u:*@c"),
            ("[passwords]\nnuc1 = \"hunter2\"\n[ssh]\nuser = \"me\"", "[passwords]\nnuc1 = *\n[ssh]\nuser = \"me\""),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }

    #[test]
    fn other_values_may_be_quoted() {
        for text in ["sudo = \"password\"\n", "host_key = \"a\" # b\n", "# why a password\n", "token\n"] {
            assert_eq!(hidden(text), text);
        }
    }

    proptest! {
        #[test]
        fn ranges_are_whole_characters_in_order(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "password", "token", "x", "://", "@", "/", "ä", " = ", ":", "\"", "'", "\"\"\"", "[", "]", "{", "}", ",", "#", "\\", "\r\n", "\n",
            ]), 0..30),
        ) {
            let text = pieces.concat();
            let mut end = 0;
            for range in values(&text) {
                prop_assert!(end <= range.start && range.start <= range.end);
                prop_assert!(text.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
