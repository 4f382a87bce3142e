//! The statements that `psql` is given here: what databases there are, what is counted in them, and rows put in by hand.

use super::state::{Content, Database};

/// The tables of Mastodon's schema that rows are counted in (mastodon/mastodon `db/schema.rb`).
pub(super) const TABLES: [&str; 14] = [
    "users",
    "accounts",
    "statuses",
    "media_attachments",
    "follows",
    "favourites",
    "notifications",
    "custom_emojis",
    "mentions",
    "blocks",
    "mutes",
    "settings",
    "preview_cards",
    "schema_migrations",
];
/// The version of Mastodon's schema at v4.6.3.
pub(super) const SCHEMA: &str = "20260610141516";
/// How many migrations that schema has.
const MIGRATIONS: usize = 520;
/// The snapshot of a transaction.
pub(super) const SNAPSHOT: &str = "00000004-0000001B-1";

/// A connection to one database of a server.
pub(super) struct Connection<'a> {
    pub(super) server: &'a mut Database,
    /// The name of Mastodon's own database there.
    pub(super) main: String,
    /// The one connected to.
    pub(super) name: String,
    /// Whether Mastodon's processes are connected to its own database.
    pub(super) in_use: bool,
}

impl Database {
    /// The databases' names.
    pub(super) fn names<'a>(&'a self, main: &'a str) -> impl Iterator<Item = &'a str> {
        (!self.dropped).then_some(main).into_iter().chain(self.others.keys().map(String::as_str)).chain(["postgres"])
    }

    /// What is in the database of a name.
    pub(super) fn named(&mut self, main: &str, name: &str) -> Option<&mut Content> {
        if name == main { (!self.dropped).then_some(&mut self.content) } else { self.others.get_mut(name) }
    }

    fn put(&mut self, main: &str, name: &str, content: Content) {
        if name == main {
            (self.content, self.dropped) = (content, false);
        } else {
            self.others.insert(name.to_owned(), content);
        }
    }

    fn take(&mut self, main: &str, name: &str) -> Option<Content> {
        if name == main {
            return (!std::mem::replace(&mut self.dropped, true)).then(|| std::mem::take(&mut self.content));
        }
        self.others.remove(name)
    }
}

impl Content {
    /// The number of rows of a table; none while it is not there.
    pub(super) fn count(&self, table: &str) -> Option<usize> {
        let here = self.migrated && TABLES.contains(&table);
        let own = self.rows.get(table).map_or(0, Vec::len);
        here.then(|| match table {
            "users" | "accounts" => self.accounts.len() + own,
            "schema_migrations" => MIGRATIONS,
            _ => own,
        })
    }
}

/// `'text'`
fn literal(word: &str) -> Option<&str> {
    word.trim().strip_prefix('\'')?.strip_suffix('\'')
}

/// `"name"` or `name`
fn identifier(word: &str) -> &str {
    word.trim_matches('"')
}

/// Parts at commas outside of parentheses and quotes.
fn items(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut begin) = (Vec::new(), 0, false, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}

impl Connection<'_> {
    /// Runs a statement: the rows of its answer, or the server's words.
    pub(super) fn run(&mut self, statement: &str) -> Result<Vec<Vec<String>>, String> {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let small: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let small: Vec<&str> = small.iter().map(String::as_str).collect();
        match small.as_slice() {
            ["begin" | "commit" | "rollback" | "start" | "end" | "set" | "analyze" | "reindex", ..] | [] => {
                Ok(Vec::new())
            }
            ["show", "server_version"] => Ok(one("16.2")),
            ["show", "server_version_num"] => Ok(one("160002")),
            ["select", ..] => self.select(statement.trim()[6..].trim()),
            ["create", "database", ..] => self.create(identifier(words[2])),
            ["drop", "database", rest @ ..] => {
                let known = usize::from(rest.starts_with(&["if", "exists"])) * 2;
                let force = rest.join(" ").contains("force");
                self.drop(identifier(words[2 + known]), known > 0, force)
            }
            ["alter", "database", _, "rename", "to", _] => self.rename(identifier(words[2]), identifier(words[5])),
            ["alter", "database", ..] => Ok(Vec::new()),
            ["comment", "on", "database", _, "is", ..] => {
                let (main, name) = (self.main.clone(), identifier(words[3]));
                let content = self.server.named(&main, name).ok_or_else(|| absent(name))?;
                let text = words[5..].join(" ");
                content.comment = if text == "NULL" { String::new() } else { text.trim_matches('\'').to_owned() };
                Ok(Vec::new())
            }
            ["insert", "into", ..] => self.insert(identifier(words[2]), statement),
            ["delete", "from", ..] => {
                let table = identifier(words[2]).to_owned();
                self.table(&table)?.clear();
                Ok(Vec::new())
            }
            _ => Err(format!("ERROR:  syntax error at or near \"{}\"", words[0])),
        }
    }

    fn here(&mut self) -> &mut Content {
        let main = self.main.clone();
        self.server.named(&main, &self.name).expect("one connects to databases that are there")
    }

    fn table(&mut self, table: &str) -> Result<&mut Vec<String>, String> {
        let here = self.here();
        if here.count(table).is_none() {
            return Err(format!("ERROR:  relation \"{table}\" does not exist"));
        }
        Ok(here.rows.entry(table.to_owned()).or_default())
    }

    fn select(&mut self, text: &str) -> Result<Vec<Vec<String>>, String> {
        let at = text.to_lowercase().find(" from ");
        let (wanted, from) = at.map_or((text, ""), |at| (&text[..at], text[at + 6..].trim()));
        let table = identifier(from.split_whitespace().next().unwrap_or_default()).to_owned();
        if table == "pg_database" {
            return Ok(self.databases(wanted, from));
        }
        if table == "pg_stat_activity" {
            return Ok(Vec::new());
        }
        items(wanted)
            .into_iter()
            .map(|item| self.value(item, &table))
            .collect::<Result<Vec<_>, _>>()
            .map(|row| vec![row])
    }

    fn value(&mut self, item: &str, table: &str) -> Result<String, String> {
        let item =
            item.to_lowercase().split(" as ").next().map_or_else(String::new, |short| item[..short.len()].to_owned());
        if let Some(text) = literal(&item) {
            return Ok(text.to_owned());
        }
        let here = |connection: &mut Self| {
            connection.here().count(table).ok_or_else(|| format!("ERROR:  relation \"{table}\" does not exist"))
        };
        match item.to_lowercase().as_str() {
            "count(*)" => here(self).map(|count| count.to_string()),
            "max(version)" => here(self).map(|_| SCHEMA.to_owned()),
            "current_setting('server_version_num')" => Ok("160002".to_owned()),
            "pg_export_snapshot()" => Ok(SNAPSHOT.to_owned()),
            "current_database()" => Ok(self.name.clone()),
            size if size.starts_with("pg_database_size(") => Ok("8192000".to_owned()),
            number if number.parse::<i64>().is_ok() => Ok(number.to_owned()),
            other => Err(format!("ERROR:  column \"{other}\" does not exist")),
        }
    }

    /// `SELECT … FROM pg_database [WHERE datname = '…']`
    fn databases(&self, wanted: &str, from: &str) -> Vec<Vec<String>> {
        let only = from.split_once("datname = '").and_then(|(_, rest)| rest.split('\'').next());
        let names: Vec<&str> =
            self.server.names(&self.main).filter(|name| only.is_none_or(|only| only == *name)).collect();
        let comment = |name: &str| {
            if name == self.main {
                &self.server.content.comment
            } else {
                self.server.others.get(name).map_or(&self.server.content.comment, |one| &one.comment)
            }
            .clone()
        };
        let value = |name: &str, item: &str| match item {
            "datname" => name.to_owned(),
            item if item.contains("shobj_description") && name != "postgres" => comment(name),
            item if item.contains("pg_database_size") => "8192000".to_owned(),
            _ => String::new(),
        };
        names.into_iter().map(|name| items(wanted).into_iter().map(|item| value(name, item)).collect()).collect()
    }

    fn create(&mut self, name: &str) -> Result<Vec<Vec<String>>, String> {
        let main = self.main.clone();
        if self.server.named(&main, name).is_some() {
            return Err(format!("ERROR:  database \"{name}\" already exists"));
        }
        self.server.put(&main, name, Content::default());
        Ok(Vec::new())
    }

    fn drop(&mut self, name: &str, if_exists: bool, force: bool) -> Result<Vec<Vec<String>>, String> {
        let main = self.main.clone();
        if self.server.named(&main, name).is_none() {
            return if if_exists { Ok(Vec::new()) } else { Err(absent(name)) };
        }
        if name == self.name {
            return Err("ERROR:  cannot drop the currently open database".to_owned());
        }
        if !force {
            self.free(name)?;
        }
        self.server.take(&main, name);
        Ok(Vec::new())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<Vec<Vec<String>>, String> {
        let main = self.main.clone();
        if self.server.named(&main, to).is_some() {
            return Err(format!("ERROR:  database \"{to}\" already exists"));
        }
        if from == self.name {
            return Err("ERROR:  current database cannot be renamed".to_owned());
        }
        self.free(from)?;
        let content = self.server.take(&main, from).ok_or_else(|| absent(from))?;
        self.server.put(&main, to, content);
        Ok(Vec::new())
    }

    /// Whether nobody is connected to a database.
    fn free(&self, name: &str) -> Result<(), String> {
        if name == self.main && self.in_use {
            return Err(format!(
                "ERROR:  database \"{name}\" is being accessed by other users\nDETAIL:  There are 5 other sessions using the database."
            ));
        }
        Ok(())
    }

    /// `INSERT INTO t … generate_series(1, N)`, or `… VALUES ('…'), …`
    fn insert(&mut self, table: &str, statement: &str) -> Result<Vec<Vec<String>>, String> {
        let rows: Vec<String> = if let Some((_, rest)) = statement.split_once("generate_series(") {
            let words = rest.split(')').next().unwrap_or_default().split(',');
            let bounds: Vec<u32> = words.filter_map(|word| word.trim().parse().ok()).collect();
            let [first, last] = bounds[..] else {
                return Err("ERROR:  function generate_series does not exist".to_owned());
            };
            (first..=last).map(|number| number.to_string()).collect()
        } else {
            let values = statement.to_lowercase().find("values").map_or("", |at| &statement[at + 6..]);
            items(values).into_iter().map(str::to_owned).collect()
        };
        self.table(table)?.extend(rows);
        Ok(Vec::new())
    }
}

fn one(text: &str) -> Vec<Vec<String>> {
    vec![vec![text.to_owned()]]
}

fn absent(name: &str) -> String {
    format!("ERROR:  database \"{name}\" does not exist")
}
