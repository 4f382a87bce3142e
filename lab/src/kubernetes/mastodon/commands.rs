//! Programs that run to their end in the images: Rails' tasks, `tootctl`, the clients of the databases, a shell around them.

use super::connect::Env;
use super::sql::SCHEMA;
use super::types::Executed;
use crate::kubernetes::Kubernetes;

impl Kubernetes {
    /// Runs a command in an image of Mastodon's; the words are those after the entry point.
    pub(super) fn run_words(&mut self, namespace: &str, env: &Env, words: &[String]) -> Executed {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.run_known(namespace, env, &words).unwrap_or_else(|| {
            let name = words.first().copied().unwrap_or_default();
            Executed::failed(127, format!("sh: 1: {name}: not found\n"))
        })
    }

    /// The same; none for a program that the image does not have.
    pub(super) fn run_known(&mut self, namespace: &str, env: &Env, words: &[&str]) -> Option<Executed> {
        let (name, rest) = words.split_first()?;
        let name = name.rsplit('/').next().unwrap_or_default();
        match (name, rest) {
            ("bundle", ["exec", rest @ ..]) => self.run_known(namespace, env, rest),
            ("env", rest) => self.run_known(namespace, env, skip_assignments(rest)),
            ("sh" | "bash", [flag, script, ..]) if flag.starts_with('-') && flag.ends_with('c') => {
                Some(self.run_script(namespace, env, script))
            }
            ("true", _) => Some(Executed::default()),
            ("echo", words) => Some(Executed::said(format!("{}\n", words.join(" ")))),
            ("printenv", [name]) => Some(match env.get(*name) {
                Some(value) => Executed::said(format!("{value}\n")),
                None => Executed { status: 1, ..Executed::default() },
            }),
            ("tootctl", words) => Some(self.tootctl(namespace, env, words)),
            ("rails" | "rake", [task, ..]) => Some(self.task(namespace, env, task)),
            _ => None,
        }
    }

    /// A script of simple commands, joined by `&&`, `;` or line ends.
    fn run_script(&mut self, namespace: &str, env: &Env, script: &str) -> Executed {
        let mut all = Executed::default();
        for command in script.split(['\n', ';']).flat_map(|line| line.split("&&")) {
            let words = shell_words(command);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let words = skip_assignments(&words);
            let words = if words.first() == Some(&"exec") { &words[1..] } else { words };
            if words.is_empty() || ["cd", "set"].contains(&words[0]) {
                continue;
            }
            let done = self
                .run_known(namespace, env, words)
                .unwrap_or_else(|| Executed::failed(127, format!("sh: 1: {}: not found\n", words[0])));
            all.stdout.extend(done.stdout);
            all.stderr.extend(done.stderr);
            all.status = done.status;
            if all.status != 0 {
                break;
            }
        }
        all
    }

    /// A task of Rake's.
    fn task(&mut self, namespace: &str, env: &Env, task: &str) -> Executed {
        if !["db:migrate", "db:prepare", "db:version"].contains(&task) {
            return Executed::failed(
                1,
                format!("Unrecognized command \"{task}\" (Rails::Command::UnrecognizedCommandError)\n"),
            );
        }
        let id = match self.database_of(namespace, env) {
            Ok(id) => id,
            Err(why) => {
                return Executed::failed(
                    1,
                    format!("bin/rails aborted!\nActiveRecord::ConnectionNotEstablished: {why}"),
                );
            }
        };
        let database = self.programs.databases.entry(id).or_default();
        if task == "db:version" {
            let version = if database.migrated { SCHEMA } else { "0" };
            return Executed::said(format!(
                "database: {}\nCurrent version: {version}\n",
                env.get("DB_NAME").map_or("", String::as_str)
            ));
        }
        database.migrated = true;
        self.unseen.get_or_insert(self.now);
        Executed::default()
    }
}

/// What comes after `NAME=value`.
fn skip_assignments<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    let is_assignment = |word: &&str| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()))
    };
    let count = words.iter().take_while(|word| is_assignment(word)).count();
    &words[count..]
}

/// The words of a simple command, with its quotes taken away.
pub(super) fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => word.extend(letters.next()),
            ('\'' | '"', None) => (quote, begun) = (Some(letter), true),
            (_, None) if letter.is_whitespace() => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => (word, begun) = (word + letter.encode_utf8(&mut [0; 4]), true),
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::shell_words;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(shell_words("a 'b c' \"d \\\"e\\\"\" f\\ g ''"), ["a", "b c", "d \"e\"", "f g", ""]);
    }
}
