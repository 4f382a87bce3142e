//! The shell of a container: runs a script, with its pipes one stage after another.

mod expand;
mod syntax;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::connect::Env;
use super::types::Executed;
use syntax::skip as syntax_end;
use syntax::{Command, How, Joined, Redirect, Stage, Step};

/// The programs and files of a container.
pub(super) trait Host {
    /// Runs a program to its end; none where there is no such program.
    fn run(&mut self, argv: &[&str], env: &Env, cwd: &str, stdin: &[u8]) -> Option<Executed>;
    /// The bytes of a file.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String>;
    /// Writes a file, or appends to it.
    fn write(&mut self, path: &str, bytes: &[u8], append: bool) -> Result<(), String>;
    /// Whether there is a file (`f`), a folder (`d`), or either (`e`).
    fn is(&mut self, kind: char, path: &str) -> bool;
}

type Pipe = Rc<RefCell<Vec<u8>>>;

/// What a file descriptor leads to.
#[derive(Clone)]
enum End {
    Pipe(Pipe),
    File(String),
    Nothing,
}

type Ends = BTreeMap<u32, End>;

/// A shell on its way through a script.
#[derive(Clone)]
pub(super) struct Shell {
    pub(super) vars: Env,
    pub(super) arguments: Vec<String>,
    pub(super) cwd: String,
    status: i32,
    /// `set -e`
    strict: bool,
    over: bool,
}

/// Runs `sh -c SCRIPT NAME ARGUMENTS…`.
pub(super) fn run(
    host: &mut dyn Host,
    env: &Env,
    cwd: &str,
    script: &str,
    arguments: &[&str],
    stdin: &[u8],
) -> Executed {
    let steps = match syntax::parse(script) {
        Ok(steps) => steps,
        Err(why) => return Executed::failed(2, format!("sh: 1: {why}\n")),
    };
    let pipe = |bytes: &[u8]| Rc::new(RefCell::new(bytes.to_vec()));
    let (input, out, err) = (pipe(stdin), pipe(b""), pipe(b""));
    let ends: Ends = [(0, End::Pipe(input)), (1, End::Pipe(Rc::clone(&out))), (2, End::Pipe(Rc::clone(&err)))].into();
    let mut shell = Shell {
        vars: env.clone(),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        cwd: cwd.to_owned(),
        status: 0,
        strict: false,
        over: false,
    };
    shell.list(host, &steps, &ends);
    let (stdout, stderr) = (out.take(), err.take());
    Executed { stdout, stderr, status: shell.status }
}

impl Shell {
    fn list(&mut self, host: &mut dyn Host, steps: &[Step], ends: &Ends) {
        for (at, step) in steps.iter().enumerate() {
            let due = match step.joined {
                Joined::Always => true,
                Joined::AfterSuccess => self.status == 0,
                Joined::AfterFailure => self.status != 0,
            };
            if self.over {
                return;
            }
            if !due {
                continue;
            }
            self.pipeline(host, &step.stages, ends);
            if step.negated {
                self.status = i32::from(self.status == 0);
            }
            let tested = steps.get(at + 1).is_some_and(|next| next.joined != Joined::Always) || step.negated;
            self.over |= self.strict && self.status != 0 && !tested;
        }
    }

    fn pipeline(&mut self, host: &mut dyn Host, stages: &[Stage], ends: &Ends) {
        if let [stage] = stages {
            return self.stage(host, stage, ends);
        }
        let mut input = ends.get(&0).cloned().unwrap_or(End::Nothing);
        for (at, stage) in stages.iter().enumerate() {
            let mut own = ends.clone();
            own.insert(0, input);
            let next = End::Pipe(Rc::default());
            if at + 1 < stages.len() {
                own.insert(1, next.clone());
            }
            let mut shell = self.clone();
            shell.stage(host, stage, &own);
            self.status = shell.status;
            input = next;
        }
    }

    fn redirect(&mut self, host: &mut dyn Host, redirects: &[Redirect], ends: &Ends) -> Result<Ends, String> {
        let mut ends = ends.clone();
        for redirect in redirects {
            let target = self.expand(host, &redirect.target).concat();
            let end = match redirect.how {
                How::Same => match ends.get(&target.parse().unwrap_or(u32::MAX)) {
                    Some(end) => end.clone(),
                    None => return Err(format!("sh: 1: {target}: Bad file descriptor\n")),
                },
                How::Read if target == "/dev/null" => End::Nothing,
                How::Read => End::Pipe(Rc::new(RefCell::new(host.read(&self.path(&target))?))),
                How::Write | How::Append => {
                    if let Some(end) = device(&target, &ends) {
                        end
                    } else {
                        let path = self.path(&target);
                        host.write(&path, b"", redirect.how == How::Append)
                            .map_err(|why| format!("sh: 1: cannot create {target}: {why}\n"))?;
                        End::File(path)
                    }
                }
            };
            ends.insert(redirect.fd, end);
        }
        Ok(ends)
    }

    fn stage(&mut self, host: &mut dyn Host, stage: &Stage, ends: &Ends) {
        let ends = match self.redirect(host, &stage.redirects, ends) {
            Ok(ends) => ends,
            Err(why) => {
                put(host, ends, 2, why.as_bytes());
                self.status = 2;
                return;
            }
        };
        match &stage.command {
            Command::Group(steps) => self.list(host, steps, &ends),
            Command::Subshell(steps) => {
                let mut shell = self.clone();
                shell.list(host, steps, &ends);
                self.status = shell.status;
            }
            Command::If(condition, then, other) => {
                let strict = std::mem::replace(&mut self.strict, false);
                self.list(host, condition, &ends);
                self.strict = strict;
                let chosen = if self.status == 0 { then } else { other };
                self.status = 0;
                self.list(host, chosen, &ends);
            }
            Command::Simple(assignments, words) => self.simple(host, assignments, words, &ends),
        }
    }

    fn simple(&mut self, host: &mut dyn Host, assignments: &[(String, String)], words: &[String], ends: &Ends) {
        let words: Vec<String> = words.iter().flat_map(|word| self.expand(host, word)).collect();
        let mut values = Vec::new();
        for (name, value) in assignments {
            self.status = 0;
            values.push((name.clone(), self.expand(host, value).concat()));
        }
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        while words.first().is_some_and(|word| ["exec", "command"].contains(word)) {
            words.remove(0);
        }
        let Some((&name, rest)) = words.split_first() else {
            self.vars.extend(values);
            return;
        };
        let mut env = self.vars.clone();
        env.extend(values.clone());
        if let Some(status) = self.builtin(host, name, rest, ends) {
            self.status = status;
            return;
        }
        let stdin = if reads(&words) { take(ends) } else { Vec::new() };
        let done = host.run(&words, &env, &self.cwd, &stdin);
        let done = done.unwrap_or_else(|| Executed::failed(127, format!("sh: 1: {name}: not found\n")));
        put(host, ends, 1, &done.stdout);
        put(host, ends, 2, &done.stderr);
        self.status = done.status;
    }

    /// What the shell does itself, and the two programs that are about file descriptors.
    fn builtin(&mut self, host: &mut dyn Host, name: &str, rest: &[&str], ends: &Ends) -> Option<i32> {
        Some(match name {
            ":" | "true" | "umask" | "trap" => 0,
            "false" => 1,
            "exit" => {
                self.over = true;
                rest.first().and_then(|word| word.parse().ok()).unwrap_or(self.status)
            }
            "set" => {
                self.strict |= rest.iter().any(|word| word.starts_with('-') && word.contains('e'));
                0
            }
            "export" => {
                for (name, value) in rest.iter().filter_map(|word| word.split_once('=')) {
                    self.vars.insert(name.to_owned(), value.to_owned());
                }
                0
            }
            "unset" => {
                for name in rest {
                    self.vars.remove(*name);
                }
                0
            }
            "shift" => {
                self.arguments.remove(1);
                0
            }
            "cd" => {
                let to = self.path(rest.first().copied().unwrap_or("/"));
                if !host.is('d', &to) {
                    put(host, ends, 2, format!("sh: 1: cd: can't cd to {to}\n").as_bytes());
                    return Some(2);
                }
                self.cwd = to;
                0
            }
            "echo" => {
                put(host, ends, 1, format!("{}\n", rest.join(" ")).as_bytes());
                0
            }
            "printf" => {
                put(host, ends, 1, expand::printf(rest).as_bytes());
                0
            }
            "test" | "[" => i32::from(!self.test(host, rest.strip_suffix(&["]"]).unwrap_or(rest))),
            "cat" => {
                let mut status = 0;
                for path in if rest.is_empty() { &["-"] } else { rest } {
                    let bytes = if *path == "-" { Ok(take(ends)) } else { host.read(&self.path(path)) };
                    match bytes {
                        Ok(bytes) => put(host, ends, 1, &bytes),
                        Err(why) => {
                            put(host, ends, 2, format!("cat: {path}: {why}\n").as_bytes());
                            status = 1;
                        }
                    }
                }
                status
            }
            "tee" => {
                let bytes = take(ends);
                put(host, ends, 1, &bytes);
                for path in rest {
                    match device(path, ends) {
                        Some(End::Pipe(pipe)) => pipe.borrow_mut().extend(&bytes),
                        Some(End::File(path)) => drop(host.write(&path, &bytes, true)),
                        Some(End::Nothing) => {}
                        None => {
                            if let Err(why) = host.write(&self.path(path), &bytes, false) {
                                put(host, ends, 2, format!("tee: {path}: {why}\n").as_bytes());
                                return Some(1);
                            }
                        }
                    }
                }
                0
            }
            _ => return None,
        })
    }

    fn test(&self, host: &mut dyn Host, words: &[&str]) -> bool {
        match words {
            ["!", rest @ ..] => !self.test(host, rest),
            ["-n", word] | [word] => !word.is_empty(),
            ["-z", word] => word.is_empty(),
            [flag, path] if flag.len() == 2 && flag.starts_with('-') => {
                host.is(flag.chars().last().unwrap_or('e'), &self.path(path))
            }
            [left, "=" | "==", right] => left == right,
            [left, "!=", right] => left != right,
            [left, "-eq", right] => left.parse::<i64>().ok() == right.parse::<i64>().ok(),
            [left, "-ne", right] => left.parse::<i64>().ok() != right.parse::<i64>().ok(),
            _ => false,
        }
    }

    fn path(&self, path: &str) -> String {
        absolute(&self.cwd, path)
    }
}

/// A path from a working directory on.
pub(super) fn absolute(cwd: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `/dev/fd/N` and its like.
fn device(path: &str, ends: &Ends) -> Option<End> {
    let fd = match path {
        "/dev/null" => return Some(End::Nothing),
        "/dev/stdout" => 1,
        "/dev/stderr" => 2,
        _ => path.strip_prefix("/dev/fd/")?.parse().ok()?,
    };
    Some(ends.get(&fd).cloned().unwrap_or(End::Nothing))
}

/// Whether a program reads its standard input; who does not leaves it to the next one.
fn reads(words: &[&str]) -> bool {
    const READERS: [&str; 12] =
        ["sh", "bash", "env", "cat", "tee", "sha256sum", "tar", "wc", "head", "tr", "xargs", "pg_restore"];
    let name = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    READERS.contains(&name) || name == "psql" && !words.contains(&"-c")
}

/// All that is left to read on standard input.
fn take(ends: &Ends) -> Vec<u8> {
    match ends.get(&0) {
        Some(End::Pipe(pipe)) => pipe.take(),
        _ => Vec::new(),
    }
}

fn put(host: &mut dyn Host, ends: &Ends, fd: u32, bytes: &[u8]) {
    match ends.get(&fd) {
        Some(End::Pipe(pipe)) => pipe.borrow_mut().extend(bytes),
        Some(End::File(path)) => drop(host.write(path, bytes, true)),
        _ => {}
    }
}
