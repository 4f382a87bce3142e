//! The programs of PostgreSQL in its pod: `psql`, `pg_dump`, `pg_restore`, `pg_isready`.

use std::collections::BTreeMap;

use super::connect::Env;
use super::container::Container;
use super::shell::Host;
use super::sql::{Connection, SNAPSHOT, TABLES};
use super::state::{Content, Life};
use super::types::Executed;
use crate::kubernetes::names::digest_hex;
use crate::kubernetes::value::text;

/// What a custom-format archive begins with (postgres/postgres `src/bin/pg_dump/pg_backup_archiver.h`).
const MAGIC: &[u8] = b"PGDMP\x01\x0f\x00";

/// Options as `getopt_long` takes them.
#[derive(Default)]
struct Options {
    values: BTreeMap<String, Vec<String>>,
    words: Vec<String>,
}

impl Options {
    fn parse(words: &[&str]) -> Self {
        const LONG: [(&str, &str); 7] = [
            ("dbname", "d"),
            ("username", "U"),
            ("command", "c"),
            ("file", "f"),
            ("jobs", "j"),
            ("list", "l"),
            ("format", "F"),
        ];
        let mut options = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if let Some(name) = word.strip_prefix("--") {
                let (name, value) = name.split_once('=').unwrap_or((name, ""));
                let name = LONG.iter().find(|(long, _)| *long == name).map_or(name, |(_, short)| short);
                options.values.entry(name.to_owned()).or_default().push(value.to_owned());
            } else if word.starts_with('-') && word.len() > 1 {
                let letters: Vec<char> = word.chars().skip(1).collect();
                for (at, letter) in letters.iter().enumerate() {
                    let takes = "cdfFhpUvjnPT".contains(*letter);
                    let own: String = letters[at + 1..].iter().collect();
                    let value = match (takes, own.is_empty()) {
                        (true, true) => rest.next().copied().unwrap_or_default().to_owned(),
                        (true, false) => own,
                        _ => String::new(),
                    };
                    options.values.entry(letter.to_string()).or_default().push(value);
                    if takes {
                        break;
                    }
                }
            } else {
                options.words.push((*word).to_owned());
            }
        }
        options
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }
}

impl Container<'_> {
    pub(super) fn database_program(&mut self, argv: &[&str], env: &Env, cwd: &str, stdin: &[u8]) -> Option<Executed> {
        let (name, rest) = argv.split_first()?;
        let name = name.rsplit('/').next().unwrap_or_default();
        if !["pg_isready", "psql", "pg_dump", "pg_restore"].contains(&name) {
            return None;
        }
        let process = self.cluster.programs.processes.get(text(&self.pod, "/metadata/uid"));
        let accepts = process.is_some_and(|process| process.booted);
        let options = Options::parse(rest);
        if name == "pg_isready" {
            let (word, status) = if accepts { ("accepting", 0) } else { ("rejecting", 1) };
            let stdout = format!("127.0.0.1:5432 - {word} connections\n").into_bytes();
            return Some(Executed { stdout, status, ..Executed::default() });
        }
        if name == "pg_restore" && options.values.contains_key("l") {
            return Some(self.listing(&options, cwd, stdin));
        }
        if let Err(why) = self.log_in(&options, env, accepts) {
            let why = format!("{name}: error: connection to server on socket \"/tmp/.s.PGSQL.5432\" failed: {why}\n");
            return Some(Executed::failed(if name == "psql" { 2 } else { 1 }, why));
        }
        Some(match name {
            "psql" => self.psql(&options, env, cwd, stdin),
            "pg_dump" => self.dump(&options, env),
            _ => self.restore(&options, env, cwd, stdin),
        })
    }

    fn own(&self, name: &str) -> String {
        let process = self.cluster.programs.processes.get(text(&self.pod, "/metadata/uid"));
        process.and_then(|process| process.env.get(name).cloned()).unwrap_or_default()
    }

    /// The name of Mastodon's database on this server.
    fn main(&self) -> String {
        self.own("POSTGRES_DATABASE")
    }

    fn user(options: &Options, env: &Env) -> String {
        options.value("U").or_else(|| env.get("PGUSER").map(String::as_str)).unwrap_or("postgres").to_owned()
    }

    fn target(options: &Options, env: &Env) -> String {
        let given = options.value("d").or_else(|| options.words.first().map(String::as_str));
        let named = given.or_else(|| env.get("PGDATABASE").map(String::as_str)).filter(|name| !name.is_empty());
        named.map_or_else(|| Self::user(options, env), str::to_owned)
    }

    /// Bitnami's server wants a password, from the same container too (bitnami/containers `libpostgresql.sh`,
    /// `postgresql_restrict_pghba`).
    fn log_in(&mut self, options: &Options, env: &Env, accepts: bool) -> Result<(), String> {
        if !accepts {
            return Err("FATAL:  the database system is starting up".to_owned());
        }
        let (user, plain) = (Self::user(options, env), self.own("POSTGRES_USER"));
        let right = match user.as_str() {
            "postgres" if !plain.is_empty() => self.own("POSTGRES_POSTGRES_PASSWORD"),
            _ => self.own("POSTGRES_PASSWORD"),
        };
        match env.get("PGPASSWORD").filter(|given| !given.is_empty()) {
            _ if right.is_empty() => {}
            Some(given) if *given == right => {}
            Some(_) => return Err(format!("FATAL:  password authentication failed for user \"{user}\"")),
            None => return Err("fe_sendauth: no password supplied".to_owned()),
        }
        let (name, main) = (Self::target(options, env), self.main());
        let restores = options.values.contains_key("l");
        let there = self.server().names(&main).any(|known| known == name) || restores;
        if there { Ok(()) } else { Err(format!("FATAL:  database \"{name}\" does not exist")) }
    }

    fn server(&mut self) -> &mut super::state::Database {
        let data = self.cluster.data_of(&self.pod);
        self.cluster.programs.databases.entry(data).or_default()
    }

    /// Whether a process of Mastodon's runs that keeps connections open.
    fn in_use(&self) -> bool {
        let namespace = text(&self.pod, "/metadata/namespace");
        let pods = self.cluster.store.list("", "pods", Some(namespace));
        let mut processes = pods.filter_map(|(_, pod)| self.cluster.programs.processes.get(text(pod, "/metadata/uid")));
        processes.any(|process| process.life == Life::Running && process.program.keeps_connections())
    }

    fn connection(&mut self, options: &Options, env: &Env) -> Connection<'_> {
        let (main, name, in_use) = (self.main(), Self::target(options, env), self.in_use());
        Connection { server: self.server(), main, name, in_use }
    }

    fn query(&mut self, options: &Options, env: &Env, statement: &str) -> Result<String, String> {
        let mut connection = self.connection(options, env);
        if connection.name == "postgres" {
            // It is there and has no table of anybody's.
            connection.server.others.entry("postgres".to_owned()).or_default();
        }
        let answer = connection.run(statement);
        connection.server.others.remove("postgres");
        let lines = answer?.into_iter().map(|row| row.join("|") + "\n");
        Ok(lines.collect())
    }

    fn psql(&mut self, options: &Options, env: &Env, cwd: &str, stdin: &[u8]) -> Executed {
        if let Some(command) = options.value("c") {
            return match self.query(options, env, command.trim().trim_end_matches(';')) {
                Ok(text) => Executed::said(text),
                Err(why) => Executed::failed(1, format!("{why}\n")),
            };
        }
        let stops = options.value("v") == Some("ON_ERROR_STOP=1");
        let mut env = env.clone();
        env.insert("PGDATABASE".to_owned(), Self::target(options, &env));
        let (mut variables, mut said, mut piped) = (Env::new(), Executed::default(), None::<(String, String)>);
        let mut statement = String::new();
        for line in String::from_utf8_lossy(stdin).lines() {
            let mut line = line.to_owned();
            for (name, value) in &variables {
                line = line.replace(&format!(":{name}"), value);
            }
            let meta = line.trim_start().starts_with('\\');
            if !meta {
                statement.push_str(&line);
                statement.push('\n');
            }
            let (sql, set) = match statement.trim_end().strip_suffix("\\gset") {
                Some(sql) => (Some(sql.to_owned()), true),
                None => (statement.trim_end().strip_suffix(';').map(str::to_owned), false),
            };
            if meta {
                self.meta(line.trim(), &mut env, cwd, &mut said, &mut piped);
            } else if let Some(sql) = sql {
                statement.clear();
                for part in sql.split(';') {
                    match self.query(options, &env, part) {
                        Ok(text) if set => {
                            let name = part.rsplit_once(" AS ").map_or("?column?", |(_, name)| name.trim());
                            variables.insert(name.to_owned(), text.trim_end().to_owned());
                        }
                        Ok(text) => match &mut piped {
                            Some((_, out)) => out.push_str(&text),
                            None => said.stdout.extend(text.as_bytes()),
                        },
                        Err(why) => {
                            said.stderr.extend(format!("psql:<stdin>:1: {why}\n").as_bytes());
                            if stops {
                                return Executed { status: 3, ..said };
                            }
                        }
                    }
                }
            }
        }
        said
    }

    /// A command of psql's own.
    fn meta(
        &mut self,
        line: &str,
        env: &mut Env,
        cwd: &str,
        said: &mut Executed,
        piped: &mut Option<(String, String)>,
    ) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "\\setenv" => {
                if let Some((name, value)) = rest.split_once(' ') {
                    env.insert(name.to_owned(), value.trim_matches('\'').to_owned());
                }
            }
            "\\echo" => said.stdout.extend(format!("{rest}\n").as_bytes()),
            "\\!" | "\\o" => {
                let (script, input) =
                    if command == "\\!" { (rest.to_owned(), String::new()) } else { piped.take().unwrap_or_default() };
                if command == "\\o"
                    && let Some(script) = rest.strip_prefix('|')
                {
                    *piped = Some((script.to_owned(), String::new()));
                }
                if !script.is_empty() {
                    let done = self.run(&["sh", "-c", &script], env, cwd, input.as_bytes()).unwrap_or_default();
                    said.stdout.extend(done.stdout);
                    said.stderr.extend(done.stderr);
                }
            }
            _ => {}
        }
    }

    fn dump(&mut self, options: &Options, env: &Env) -> Executed {
        if options.value("snapshot").is_some_and(|given| given != SNAPSHOT) {
            return Executed::failed(1, "pg_dump: error: query failed: ERROR:  invalid snapshot identifier\n");
        }
        let connection = self.connection(options, env);
        let (main, name) = (connection.main, connection.name);
        let content = connection.server.named(&main, &name).cloned().unwrap_or_default();
        let body = serde_json::to_vec(&content).unwrap_or_default();
        let sum = digest_hex(&[&body]);
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        Executed { stdout: [MAGIC, &length, sum.as_bytes(), &body].concat(), ..Executed::default() }
    }

    /// The archive a restore is given: a file, or standard input.
    fn archive(&mut self, options: &Options, cwd: &str, stdin: &[u8]) -> Result<Content, String> {
        let path = options.words.first().map(|path| super::shell::absolute(cwd, path));
        let bytes = match &path {
            None => stdin.to_vec(),
            Some(path) => self
                .read(path)
                .map_err(|why| format!("pg_restore: error: could not open input file \"{path}\": {why}\n"))?,
        };
        let short = || "pg_restore: error: could not read from input file: end of file\n".to_owned();
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            let why = "pg_restore: error: input file does not appear to be a valid archive\n";
            return Err(if bytes.len() < MAGIC.len() { short() } else { why.to_owned() });
        };
        let length = rest.get(..4).and_then(|length| length.try_into().ok()).ok_or_else(short)?;
        let (sum, body) = (rest.get(4..68).ok_or_else(short)?, rest.get(68..).unwrap_or_default());
        let body = body.get(..u32::from_be_bytes(length) as usize).ok_or_else(short)?;
        if digest_hex(&[body]).as_bytes() != sum {
            return Err("pg_restore: error: could not uncompress data: incorrect data check\n".to_owned());
        }
        serde_json::from_slice(body).map_err(|why| format!("pg_restore: error: {why}\n"))
    }

    fn listing(&mut self, options: &Options, cwd: &str, stdin: &[u8]) -> Executed {
        if let Err(why) = self.archive(options, cwd, stdin) {
            return Executed::failed(1, why);
        }
        let head =
            [";", "; Archive created at 2026-01-01 00:00:00 UTC", ";     Format: CUSTOM", ";"].map(str::to_owned);
        let line = |(at, table): (usize, &&str)| {
            format!("{}; 0 {} TABLE DATA public {table} mastodon", 4_000 + at, 16_400 + at)
        };
        Executed::lines(head.into_iter().chain(TABLES.iter().enumerate().map(line)))
    }

    fn restore(&mut self, options: &Options, env: &Env, cwd: &str, stdin: &[u8]) -> Executed {
        if options.value("j").is_some_and(|jobs| jobs != "1") && options.words.is_empty() {
            return Executed::failed(1, "pg_restore: error: parallel restore from standard input is not supported\n");
        }
        let content = match self.archive(options, cwd, stdin) {
            Ok(content) => content,
            Err(why) => return Executed::failed(1, why),
        };
        let connection = self.connection(options, env);
        let (main, name) = (connection.main, connection.name);
        let Some(here) = connection.server.named(&main, &name) else {
            return Executed::failed(
                1,
                format!("pg_restore: error: connection to server failed: FATAL:  database \"{name}\" does not exist\n"),
            );
        };
        if here.migrated {
            return Executed::failed(
                1,
                "pg_restore: error: could not execute query: ERROR:  relation \"accounts\" already exists\n",
            );
        }
        let comment = std::mem::take(&mut here.comment);
        *here = Content { comment, ..content };
        Executed::default()
    }
}
