//! The programs every image has: coreutils, findutils, tar.

use std::fmt::Write as _;

use super::files::{FileSystem, Files, View};
use super::shell::absolute;
use super::types::Executed;
use crate::tar;

/// A file system and where one stands in it.
pub(super) struct Place<'a> {
    pub(super) view: &'a View,
    pub(super) files: &'a mut Files,
    pub(super) cwd: &'a str,
}

/// Runs one of them; none when it is another program.
pub(super) fn run(place: &mut Place<'_>, argv: &[&str], stdin: &[u8]) -> Option<Executed> {
    let (name, rest) = argv.split_first()?;
    let words: Vec<&str> = rest.iter().copied().filter(|word| !word.starts_with('-') || *word == "-").collect();
    let flag = |letter: char| {
        rest.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(letter))
    };
    Some(match name.rsplit('/').next().unwrap_or_default() {
        "mkdir" => place.mkdir(&words, flag('p')),
        "rm" => place.rm(&words, flag('f')),
        "mv" => place.mv(&words),
        "ls" => place.ls(&words),
        "find" => place.find(rest),
        "sha256sum" => place.sha256sum(&words, stdin),
        "stat" => place.stat(&words),
        "wc" => Executed::said(format!(
            "{}\n",
            if flag('l') { stdin.split(|byte| *byte == b'\n').count() - 1 } else { stdin.len() }
        )),
        "head" => Executed {
            stdout: stdin.split_inclusive(|byte| *byte == b'\n').take(1).flatten().copied().collect(),
            ..Executed::default()
        },
        "tr" => translate(&words, stdin),
        "tar" => place.tar(rest, stdin),
        "df" => place.df(&words),
        "du" => {
            let of = |path: &&str| {
                let below = place.view.below(place.files, &absolute(place.cwd, path));
                let bytes: usize = below.iter().filter_map(|(_, file)| file.as_ref()).map(Vec::len).sum();
                format!("{}\t{path}\n", if flag('b') { bytes } else { bytes.div_ceil(1024) })
            };
            Executed::said(words.iter().map(of).collect::<String>())
        }
        "chown" | "chmod" | "sync" | "touch" | "sleep" => Executed::default(),
        "id" => Executed::said("991\n"),
        _ => return None,
    })
}

fn absent(program: &str, path: &str) -> Executed {
    Executed::failed(1, format!("{program}: cannot access '{path}': No such file or directory\n"))
}

fn translate(words: &[&str], stdin: &[u8]) -> Executed {
    let letter = |word: &str| match word {
        "\\n" => b'\n',
        "\\0" => 0,
        word => word.bytes().next().unwrap_or(0),
    };
    let [from, to] = words else { return Executed::failed(1, "tr: missing operand\n") };
    let (from, to) = (letter(from), letter(to));
    let stdout = stdin.iter().map(|byte| if *byte == from { to } else { *byte }).collect();
    Executed { stdout, ..Executed::default() }
}

impl Place<'_> {
    fn there(&mut self, path: &str) -> bool {
        self.view.is_dir(self.files, path) || self.view.read(self.files, path).is_some()
    }

    fn mkdir(&mut self, words: &[&str], parents: bool) -> Executed {
        for word in words {
            let path = absolute(self.cwd, word);
            if !parents && self.there(&path) {
                return Executed::failed(1, format!("mkdir: cannot create directory '{word}': File exists\n"));
            }
            self.view.make_dir(self.files, &path);
        }
        Executed::default()
    }

    fn rm(&mut self, words: &[&str], force: bool) -> Executed {
        for word in words {
            let path = absolute(self.cwd, word);
            if self.view.is_mount(&path) {
                return Executed::failed(1, format!("rm: cannot remove '{word}': Device or resource busy\n"));
            }
            if !self.view.remove(self.files, &path) && !force {
                return Executed::failed(1, format!("rm: cannot remove '{word}': No such file or directory\n"));
            }
        }
        Executed::default()
    }

    fn mv(&mut self, words: &[&str]) -> Executed {
        let Some((target, sources)) = words.split_last() else {
            return Executed::failed(1, "mv: missing file operand\n");
        };
        let to = absolute(self.cwd, target);
        let into = self.view.is_dir(self.files, &to);
        for source in sources {
            let from = absolute(self.cwd, source);
            if !self.there(&from) {
                return Executed::failed(1, format!("mv: cannot stat '{source}': No such file or directory\n"));
            }
            let name = from.rsplit('/').next().unwrap_or_default();
            let to = if into { format!("{to}/{name}") } else { to.clone() };
            if self.view.is_dir(self.files, &to) && self.view.below(self.files, &to).len() > 1 {
                return Executed::failed(1, format!("mv: cannot move '{source}' to '{to}': Directory not empty\n"));
            }
            for (path, file) in self.view.below(self.files, &from) {
                let path = absolute(&to, &path);
                match file {
                    None => self.view.make_dir(self.files, &path),
                    Some(bytes) => {
                        if let Err(why) = self.view.write(self.files, &path, &bytes, false) {
                            return Executed::failed(1, format!("mv: cannot create '{path}': {why}\n"));
                        }
                    }
                }
            }
            self.view.remove(self.files, &from);
        }
        Executed::default()
    }

    /// One name a line, as into a pipe, hidden ones too (`-A`).
    fn ls(&mut self, words: &[&str]) -> Executed {
        let path = absolute(self.cwd, words.first().copied().unwrap_or("."));
        if !self.there(&path) {
            let why = format!("ls: cannot access '{path}': No such file or directory\n");
            return Executed::failed(2, why);
        }
        let below = self.view.below(self.files, &path);
        let mut names: Vec<&str> =
            below.iter().filter_map(|(path, _)| path.split('/').next()).filter(|name| !name.is_empty()).collect();
        names.dedup();
        Executed::said(names.iter().fold(String::new(), |all, name| all + name + "\n"))
    }

    /// `find PATHS… [-type f]`, and `-printf '%s\n'`.
    fn find(&mut self, words: &[&str]) -> Executed {
        let paths: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let files_only = words.windows(2).any(|pair| pair == ["-type", "f"]);
        let sizes = words.windows(2).any(|pair| pair == ["-printf", "%s\\n"]);
        let mut all = Executed::default();
        let mut out = String::new();
        for path in paths {
            let below = self.view.below(self.files, &absolute(self.cwd, path));
            if below.is_empty() {
                all = absent("find", path);
                continue;
            }
            for (inner, file) in below {
                let shown = if inner.is_empty() { path.to_owned() } else { format!("{path}/{inner}") };
                match file {
                    None if files_only => {}
                    Some(bytes) if sizes => drop(writeln!(out, "{}", bytes.len())),
                    _ => drop(writeln!(out, "{shown}")),
                }
            }
        }
        Executed { stdout: out.into_bytes(), ..all }
    }

    fn sha256sum(&mut self, words: &[&str], stdin: &[u8]) -> Executed {
        let sum = |bytes: &[u8]| crate::kubernetes::names::sha256_hex(bytes);
        let mut out = String::new();
        for word in if words.is_empty() { &["-"] } else { words } {
            let bytes =
                if *word == "-" { Some(stdin.to_vec()) } else { self.view.read(self.files, &absolute(self.cwd, word)) };
            let Some(bytes) = bytes else {
                return Executed::failed(1, format!("sha256sum: {word}: No such file or directory\n"));
            };
            let _ = writeln!(out, "{}  {word}", sum(&bytes));
        }
        Executed::said(out)
    }

    /// `df -Pk PATHS…`
    fn df(&mut self, words: &[&str]) -> Executed {
        let mut out = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n".to_owned();
        for word in if words.is_empty() { &["/"] } else { words } {
            let path = absolute(self.cwd, word);
            if !self.there(&path) {
                return Executed::failed(1, format!("df: {word}: No such file or directory\n"));
            }
            let FileSystem { device, kib, used_kib, mount } = self.view.file_system(self.files, &path);
            // A twentieth is root's own (e2fsprogs `misc/mke2fs.conf.5`, `reserved_ratio`).
            let free = (kib - kib / 20).saturating_sub(used_kib);
            let share = (used_kib * 100).div_ceil((used_kib + free).max(1));
            let _ = writeln!(out, "{device:<14} {kib:>11} {used_kib:>7} {free:>9} {share:>7}% {mount}");
        }
        Executed::said(out)
    }

    /// `stat -c %s FILE`
    fn stat(&mut self, words: &[&str]) -> Executed {
        let path = words.last().copied().unwrap_or_default();
        match self.view.read(self.files, &absolute(self.cwd, path)) {
            Some(bytes) => Executed::said(format!("{}\n", bytes.len())),
            None => absent("stat", path),
        }
    }

    fn tar(&mut self, words: &[&str], stdin: &[u8]) -> Executed {
        let (mut cwd, mut paths, mut excluded, mut letters) =
            (self.cwd.to_owned(), Vec::new(), Vec::new(), String::new());
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match *word {
                "-C" | "--directory" => cwd = absolute(&cwd, rest.next().copied().unwrap_or_default()),
                "-f" | "--file" => drop(rest.next()),
                word if word.starts_with("--exclude=") => excluded.push(&word[10..]),
                word if word.starts_with("--") => letters.extend(word.strip_prefix("--").and_then(long)),
                word if word.starts_with('-') && word.len() > 1 => {
                    letters.push_str(&word[1..]);
                    if word.ends_with('f') {
                        rest.next();
                    }
                }
                word => paths.push(word),
            }
        }
        if !self.view.is_dir(self.files, &cwd) {
            return Executed::failed(
                2,
                format!(
                    "tar: {cwd}: Cannot open: No such file or directory\ntar: Error is not recoverable: exiting now\n"
                ),
            );
        }
        if letters.contains('c') {
            return self.pack(&cwd, &paths, &excluded);
        }
        let members = match tar::read(stdin) {
            Ok(members) => members,
            Err(why) => return Executed::failed(2, why),
        };
        if letters.contains('t') {
            let name =
                |(path, file): &tar::Member| if file.is_none() { format!("{path}/\n") } else { format!("{path}\n") };
            return Executed::said(members.iter().map(name).collect::<String>());
        }
        for (path, file) in members {
            let path = absolute(&cwd, &path);
            self.view.make_dir(self.files, &absolute(&path, ".."));
            match file {
                None => self.view.make_dir(self.files, &path),
                Some(bytes) => drop(self.view.write(self.files, &path, &bytes, false)),
            }
        }
        Executed::default()
    }

    fn pack(&mut self, cwd: &str, paths: &[&str], excluded: &[&str]) -> Executed {
        let mut members = Vec::new();
        for path in paths {
            let below = self.view.below(self.files, &absolute(cwd, path));
            if below.is_empty() {
                return Executed::failed(
                    2,
                    format!(
                        "tar: {path}: Cannot stat: No such file or directory\ntar: Exiting with failure status due to previous errors\n"
                    ),
                );
            }
            for (inner, file) in below {
                let name = if inner.is_empty() { (*path).to_owned() } else { format!("{path}/{inner}") };
                let name = name.trim_start_matches("./").to_owned();
                if !excluded.iter().any(|one| name == *one || name.starts_with(&format!("{one}/"))) {
                    members.push((name, file));
                }
            }
        }
        Executed { stdout: tar::write(&members), ..Executed::default() }
    }
}

fn long(word: &str) -> Option<char> {
    match word {
        "create" => Some('c'),
        "extract" => Some('x'),
        "list" => Some('t'),
        _ => None,
    }
}
