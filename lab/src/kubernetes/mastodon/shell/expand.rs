//! Expanding words: parameters, substituted commands, quotes, fields.

use super::{Host, Shell, run};

/// The fields a word becomes.
#[derive(Default)]
struct Fields {
    done: Vec<String>,
    now: Option<String>,
}

impl Fields {
    fn push(&mut self, text: &str) {
        self.now.get_or_insert_default().push_str(text);
    }

    fn end(&mut self) {
        self.done.extend(self.now.take());
    }

    /// Text that is not in quotes is split at blanks.
    fn split(&mut self, text: &str) {
        if text.starts_with(char::is_whitespace) {
            self.end();
        }
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            self.push(word);
            if words.peek().is_some() || text.ends_with(char::is_whitespace) {
                self.end();
            }
        }
    }
}

impl Shell {
    /// The fields of a word.
    pub(super) fn expand(&mut self, host: &mut dyn Host, word: &str) -> Vec<String> {
        let letters: Vec<char> = word.chars().collect();
        let (mut fields, mut at, mut quoted) = (Fields::default(), 0, false);
        while at < letters.len() {
            match letters[at] {
                '\'' if !quoted => {
                    let end = letters[at + 1..].iter().position(|letter| *letter == '\'').unwrap_or(0);
                    fields.push(&letters[at + 1..at + 1 + end].iter().collect::<String>());
                    at += end + 2;
                }
                '"' => {
                    quoted = !quoted;
                    let all = letters[at..].iter().collect::<String>().starts_with("\"$@\"");
                    if !all {
                        fields.push("");
                    }
                    at += 1;
                }
                '\\' => {
                    let next = letters.get(at + 1).copied().unwrap_or('\\');
                    if quoted && !"$`\"\\\n".contains(next) {
                        fields.push("\\");
                    }
                    if next != '\n' {
                        fields.push(next.encode_utf8(&mut [0; 4]));
                    }
                    at += 2;
                }
                '$' if quoted && letters.get(at + 1) == Some(&'@') => {
                    for (place, argument) in self.arguments.iter().skip(1).enumerate() {
                        if place > 0 {
                            fields.end();
                        }
                        fields.push(argument);
                    }
                    at += 2;
                    // The closing quote adds nothing.
                    if letters.get(at) == Some(&'"') {
                        (at, quoted) = (at + 1, false);
                    }
                }
                '$' => {
                    let (value, end) = self.parameter(host, &letters, at);
                    if quoted {
                        fields.push(&value);
                    } else {
                        fields.split(&value);
                    }
                    at = end;
                }
                letter => {
                    fields.push(letter.encode_utf8(&mut [0; 4]));
                    at += 1;
                }
            }
        }
        fields.end();
        fields.done
    }

    /// What stands for `$…` at a place, and the place behind it.
    fn parameter(&mut self, host: &mut dyn Host, letters: &[char], at: usize) -> (String, usize) {
        match letters.get(at + 1) {
            Some('(') => {
                let end = super::syntax_end(letters, at);
                let script: String = letters[at + 2..end - 1].iter().collect();
                let words: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
                let done = run(host, &self.vars, &self.cwd, &script, &words, b"");
                self.status = done.status;
                (String::from_utf8_lossy(&done.stdout).trim_end_matches('\n').to_owned(), end)
            }
            Some('{') => {
                let end = super::syntax_end(letters, at);
                let inner: String = letters[at + 2..end - 1].iter().collect();
                let value = match inner.split_once(":-") {
                    None => self.value(&inner),
                    Some((name, other)) => match self.value(name) {
                        empty if empty.is_empty() => self.expand(host, other).concat(),
                        value => value,
                    },
                };
                (value, end)
            }
            Some(letter) if letter.is_ascii_digit() || *letter == '?' || *letter == '#' => {
                (self.value(&letter.to_string()), at + 2)
            }
            _ => {
                let name: String = letters[at + 1..]
                    .iter()
                    .take_while(|letter| **letter == '_' || letter.is_ascii_alphanumeric())
                    .collect();
                if name.is_empty() { ("$".to_owned(), at + 1) } else { (self.value(&name), at + 1 + name.len()) }
            }
        }
    }

    fn value(&self, name: &str) -> String {
        match name {
            "?" => self.status.to_string(),
            "#" => self.arguments.len().saturating_sub(1).to_string(),
            _ => match name.parse::<usize>() {
                Ok(number) => self.arguments.get(number).cloned().unwrap_or_default(),
                Err(_) => self.vars.get(name).cloned().unwrap_or_default(),
            },
        }
    }
}

/// `printf FORMAT WORDS…` with `%s` and `\n`.
pub(super) fn printf(words: &[&str]) -> String {
    let Some((format, mut rest)) = words.split_first() else { return String::new() };
    let mut text = String::new();
    loop {
        let mut pieces = format.split("%s");
        text.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (word, others) = rest.split_first().map_or(("", rest), |(word, others)| (*word, others));
            rest = others;
            text.push_str(word);
            text.push_str(piece);
        }
        if rest.is_empty() || !format.contains("%s") {
            return text.replace("\\n", "\n").replace("\\0", "\0");
        }
    }
}
