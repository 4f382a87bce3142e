//! What runs in a container: its shell, the programs of every image, and those of its own.

use std::sync::Arc;

use serde_json::Value;

use super::connect::Env;
use super::files::View;
use super::program::Program;
use super::shell::{self, Host, absolute};
use super::tools;
use super::types::Executed;
use crate::kubernetes::Kubernetes;
use crate::kubernetes::value::text;

/// Where the files of other servers' emoji are.
const REMOTE_EMOJI: &str = "/opt/mastodon/public/system/cache/custom_emojis";

/// A running container.
pub(super) struct Container<'a> {
    pub(super) cluster: &'a mut Kubernetes,
    pub(super) pod: Arc<Value>,
    pub(super) program: Program,
    pub(super) view: View,
}

impl Container<'_> {
    /// Where a process begins.
    pub(super) const fn home(&self) -> &'static str {
        match self.program {
            Program::Web | Program::Sidekiq | Program::Command(_) => "/opt/mastodon",
            _ => "/",
        }
    }

    /// `xargs [-0] [-r] [-n NUMBER] COMMAND…`
    fn xargs(&mut self, rest: &[&str], env: &Env, cwd: &str, stdin: &[u8]) -> Option<Executed> {
        let mut words = rest;
        let mut zero = false;
        while let [flag, more @ ..] = words {
            if !flag.starts_with('-') {
                break;
            }
            zero |= flag.contains('0');
            words = if *flag == "-n" { &more[1..] } else { more };
        }
        let input = String::from_utf8_lossy(stdin).into_owned();
        let parts: Vec<&str> = if zero {
            input.split('\0').filter(|part| !part.is_empty()).collect()
        } else {
            input.split_whitespace().collect()
        };
        if parts.is_empty() {
            return Some(Executed::default());
        }
        let whole: Vec<&str> = words.iter().copied().chain(parts).collect();
        self.run(&whole, env, cwd, b"")
    }
}

impl Host for Container<'_> {
    fn run(&mut self, argv: &[&str], env: &Env, cwd: &str, stdin: &[u8]) -> Option<Executed> {
        let (name, rest) = argv.split_first()?;
        match (name.rsplit('/').next().unwrap_or_default(), rest) {
            ("sh" | "bash", [flag, script, words @ ..]) if flag.starts_with('-') && flag.ends_with('c') => {
                let strict = if flag.contains('e') { "set -e\n" } else { "" };
                let words = if words.is_empty() { &["sh"] } else { words };
                return Some(shell::run(self, env, cwd, &format!("{strict}{script}"), words, stdin));
            }
            ("env", []) => {
                return Some(Executed::lines(env.iter().map(|(name, value)| format!("{name}={value}"))));
            }
            // Outside of a shell these are programs of their own.
            ("cat" | "tee" | "echo" | "printf" | "test" | "true", _) => {
                let words: Vec<&str> = std::iter::once("sh").chain(argv.iter().copied()).collect();
                return Some(shell::run(self, env, cwd, "\"$@\"", &words, stdin));
            }
            ("xargs", rest) => return self.xargs(rest, env, cwd, stdin),
            _ => {}
        }
        let mut place = tools::Place { view: &self.view, files: &mut self.cluster.programs.files, cwd };
        if let Some(done) = tools::run(&mut place, argv, stdin) {
            return Some(done);
        }
        let namespace = text(&self.pod, "/metadata/namespace").to_owned();
        match self.program {
            Program::Database => self.database_program(argv, env, cwd, stdin),
            Program::Redis => self.redis_program(argv, env),
            Program::Search | Program::Streaming => None,
            Program::Web | Program::Sidekiq | Program::Command(_) => {
                let done = self.cluster.run_known(&namespace, env, argv)?;
                // With their rows go the files of other servers' emoji (mastodon/mastodon `lib/mastodon/cli/emoji.rb`).
                if done.status == 0 && argv.ends_with(&["emoji", "purge", "--remote-only"]) {
                    self.view.remove(&mut self.cluster.programs.files, REMOTE_EMOJI);
                }
                Some(done)
            }
        }
    }

    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        if self.view.is_dir(&mut self.cluster.programs.files, path) {
            return Err("Is a directory".to_owned());
        }
        self.view.read(&mut self.cluster.programs.files, path).ok_or_else(|| "No such file or directory".to_owned())
    }

    fn write(&mut self, path: &str, bytes: &[u8], append: bool) -> Result<(), String> {
        self.view.write(&mut self.cluster.programs.files, path, bytes, append)
    }

    fn is(&mut self, kind: char, path: &str) -> bool {
        let path = absolute("/", path);
        let dir = self.view.is_dir(&mut self.cluster.programs.files, &path);
        let file = self.view.read(&mut self.cluster.programs.files, &path);
        match kind {
            'd' => dir,
            'f' => file.is_some(),
            's' => file.is_some_and(|bytes| !bytes.is_empty()),
            _ => dir || file.is_some(),
        }
    }
}
