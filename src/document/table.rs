//! Reads a parsed TOML document table by table and collects every fault, where serde would stop at the first.
//!
//! A table learns its keys from what is asked of it; what was never asked for is unknown, and reported together
//! with the nearest key there is.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::field::{At, Field};
use super::report::Report;
use super::suggest::nearest;
use crate::diagnostic::{Problem, looks_secret};

/// A table being read.
pub struct Table<'a> {
    /// How messages call it: `[cluster]`.
    title: &'static str,
    /// Its header, or its braces where it is written in line.
    pub span: Range<usize>,
    entries: &'a DeTable<'a>,
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The table that messages call `title`.
    pub fn new(title: &'static str, span: Range<usize>, entries: &'a DeTable<'a>) -> Self {
        Self { title, span, entries, asked: Vec::new() }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.entries.get(key)
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        report: &mut Report,
        read: impl FnOnce(&'a Spanned<DeValue<'a>>) -> Result<T, Problem>,
    ) -> Field<T> {
        match self.get(key).map(read) {
            None => Field::Absent,
            Some(Ok(value)) => Field::Given(value),
            Some(Err(problem)) => {
                report.push(problem);
                Field::Faulty
            }
        }
    }

    /// A text.
    pub fn text(&mut self, key: &'static str, report: &mut Report) -> Field<At<String>> {
        self.read(key, report, |value| text(key, value))
    }

    /// A whole number within limits; `help` says what to write instead of what is none.
    pub fn number(
        &mut self,
        key: &'static str,
        limits: RangeInclusive<u32>,
        help: &str,
        report: &mut Report,
    ) -> Field<At<u32>> {
        self.read(key, report, |value| number(key, value, &limits, help))
    }

    /// `true` or `false`.
    pub fn switch(&mut self, key: &'static str, report: &mut Report) -> Field<At<bool>> {
        self.read(key, report, |value| {
            let problem =
                || wrong_type(key, "true or false", value).help(format!("write it without quotes: {key} = true"));
            let found = value.get_ref().as_bool().ok_or_else(problem)?;
            Ok(At { value: found, span: value.span() })
        })
    }

    /// A text, or a list of them; one faulty text does not hide the others.
    pub fn texts(&mut self, key: &'static str, report: &mut Report) -> Field<Vec<At<String>>> {
        let Some(value) = self.get(key) else {
            return Field::Absent;
        };
        let elements = match value.get_ref() {
            DeValue::Array(array) => array.iter().collect(),
            DeValue::String(_) => vec![value],
            _ => {
                report.push(wrong_type(key, "a text or a list of texts", value));
                return Field::Faulty;
            }
        };
        collect(elements.into_iter().map(|element| text(key, element)), report)
    }

    /// A table whose keys and values the user chooses, of any type JSON has.
    pub fn free(&mut self, key: &'static str, report: &mut Report) -> Field<At<Map<String, Value>>> {
        self.read(key, report, |value| match free(value)? {
            Value::Object(map) => Ok(At { value: map, span: value.span() }),
            _ => Err(wrong_type(key, "a table", value)),
        })
    }

    /// A table under this one.
    pub fn table(&mut self, key: &'static str, title: &'static str, report: &mut Report) -> Field<Table<'a>> {
        self.read(key, report, |value| match value.get_ref() {
            DeValue::Table(entries) => Ok(Table::new(title, value.span(), entries)),
            DeValue::Array(array) if header(array, value).is_some() => {
                Err(wrong_type(key, "one table", value).help(format!("write [{key}] with single brackets, once")))
            }
            _ => Err(wrong_type(key, "a table", value)),
        })
    }

    /// A list of tables, each under `[[key]]`.
    pub fn tables(&mut self, key: &'static str, title: &'static str, report: &mut Report) -> Field<Vec<Table<'a>>> {
        let problem = |value| {
            wrong_type(key, "a list of tables", value)
                .help(format!("write [[{key}]] with double brackets, once for each"))
        };
        let Some(value) = self.get(key) else {
            return Field::Absent;
        };
        let DeValue::Array(array) = value.get_ref() else {
            report.push(problem(value));
            return Field::Faulty;
        };
        let tables = array.iter().map(|element| match element.get_ref() {
            DeValue::Table(entries) => Ok(Table::new(title, element.span(), entries)),
            _ => Err(problem(element)),
        });
        collect(tables, report)
    }

    /// All entries of a table whose keys the user chooses; the values are texts.
    pub fn entries(&self, report: &mut Report) -> Vec<(At<String>, At<String>)> {
        let mut entries = Vec::new();
        for (key, value) in self.entries {
            let name = At { value: key.get_ref().to_string(), span: key.span() };
            match text(&name.value, value) {
                Ok(text) => entries.push((name, text)),
                Err(problem) => report.push(problem),
            }
        }
        entries
    }

    /// Takes a key for faulty that is not there because its name was mistyped, which is reported as an unknown key.
    /// To be called when all keys have been asked for.
    pub fn settle<T>(&self, field: &mut Field<T>, key: &str) {
        if matches!(field, Field::Absent) && self.is_mistyped(key) {
            *field = Field::Faulty;
        }
    }

    /// Whether an unknown key is nearest to this one.
    fn is_mistyped(&self, key: &str) -> bool {
        let mut unknown = self.entries.keys().filter(|name| !self.knows(name.get_ref()));
        unknown.any(|name| self.nearest(name.get_ref()) == Some(key))
    }

    fn knows(&self, name: &str) -> bool {
        self.asked.contains(&name)
    }

    fn nearest(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.asked.iter().copied())
    }

    /// Reports a key that has to be there and is not. `example` is a line to copy.
    pub fn require<T>(&self, field: &Field<T>, key: &str, example: &str, report: &mut Report) {
        if matches!(field, Field::Absent) && !self.is_mistyped(key) {
            report.push(
                Problem::error(format!("`{key}` is missing in {}", self.title))
                    .at(self.span.clone(), format!("no `{key}` here"))
                    .help(format!("add a line such as: {example}")),
            );
        }
    }

    /// Reports the keys nobody asked for.
    pub fn finish(self, report: &mut Report) {
        self.finish_with(report, |_| None);
    }

    /// Reports the keys nobody asked for. `elsewhere` may say of a name that is none of this table where it belongs.
    pub fn finish_with(self, report: &mut Report, elsewhere: impl Fn(&str) -> Option<String>) {
        for (key, value) in self.entries {
            if !self.knows(key.get_ref()) {
                report.push(self.unknown(key, value, &elsewhere));
            }
        }
    }

    fn unknown(
        &self,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        elsewhere: impl Fn(&str) -> Option<String>,
    ) -> Problem {
        let name = key.get_ref();
        let what = match value.get_ref() {
            DeValue::Table(_) => "table",
            DeValue::Array(array) if header(array, value).is_some() => "table",
            _ => "key",
        };
        let near = self.nearest(name);
        let label = near.map_or_else(|| format!("no such {what} here"), |near| format!("did you mean `{near}`?"));
        let known = || format!("known here: {}", self.asked.join(", "));
        let help = if near.is_some() { known() } else { elsewhere(name).unwrap_or_else(known) };
        Problem::error(format!("unknown {what} `{name}` in {}", self.title)).at(key.span(), label).help(help)
    }
}

/// All of them, or every reason why not.
fn collect<T>(elements: impl Iterator<Item = Result<T, Problem>>, report: &mut Report) -> Field<Vec<T>> {
    let mut values = Vec::new();
    let mut faulty = false;
    for element in elements {
        match element {
            Ok(value) => values.push(value),
            Err(problem) => {
                report.push(problem);
                faulty = true;
            }
        }
    }
    if faulty { Field::Faulty } else { Field::Given(values) }
}

/// Any value, as JSON has it.
fn free(value: &Spanned<DeValue<'_>>) -> Result<Value, Problem> {
    let problem = |what: &str, help: &str| Problem::error(what).at(value.span(), "here").help(help);
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(switch) => Value::Bool(*switch),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            let help = "write it in quotes if it is a text";
            Value::from(number.map_err(|_| problem("this number is too large", help))?)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            let help = "infinity and what is no number have no place in JSON";
            Value::Number(number.ok_or_else(|| problem("this is not a number that can be passed on", help))?)
        }
        DeValue::Datetime(_) => return Err(problem("JSON and YAML values have no dates", "write it in quotes")),
        DeValue::Array(array) => Value::Array(array.iter().map(free).collect::<Result<_, _>>()?),
        DeValue::Table(entries) => {
            let entry = |(key, value): (&Spanned<Cow<'_, str>>, _)| Ok((key.get_ref().to_string(), free(value)?));
            Value::Object(entries.iter().map(entry).collect::<Result<_, Problem>>()?)
        }
    })
}

fn text(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<String>, Problem> {
    let help = match value.get_ref() {
        DeValue::String(text) => {
            return Ok(At { value: text.to_string(), span: value.span() });
        }
        _ if looks_secret(key) => None,
        DeValue::Integer(number) => Some(format!("write it in quotes: \"{number}\"")),
        DeValue::Float(number) => Some(format!("write it in quotes: \"{}\"", number.as_str())),
        DeValue::Boolean(switch) => Some(format!("write it in quotes: \"{switch}\"")),
        DeValue::Table(_) => {
            Some("a dot in a bare key opens a table: if it belongs to the key, put the key in quotes".to_owned())
        }
        DeValue::Datetime(_) | DeValue::Array(_) => None,
    };
    let problem = wrong_type(key, "a text", value);
    Err(match help {
        Some(help) => problem.help(help),
        None => problem,
    })
}

fn number(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    limits: &RangeInclusive<u32>,
    help: &str,
) -> Result<At<u32>, Problem> {
    let wanted = format!("a whole number from {} to {}", limits.start(), limits.end());
    let fits = |number: &u32| limits.contains(number);
    Err(match value.get_ref() {
        DeValue::Integer(integer) => {
            let number = u32::from_str_radix(integer.as_str(), integer.radix());
            if let Some(number) = number.ok().filter(fits) {
                return Ok(At { value: number, span: value.span() });
            }
            Problem::error(format!("`{key}` must be {wanted}")).at(value.span(), "out of these limits").help(help)
        }
        DeValue::String(text) if text.parse().is_ok_and(|number| fits(&number)) => {
            wrong_type(key, &wanted, value).help(format!("write it without quotes: {key} = {text}"))
        }
        _ => wrong_type(key, &wanted, value).help(help),
    })
}

fn wrong_type(key: &str, wanted: &str, value: &Spanned<DeValue<'_>>) -> Problem {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::error(format!("`{key}` must be {wanted}")).at(value.span(), format!("this is {found}"))
}

/// The first table of a list written with `[[…]]` headers.
fn header<'a>(array: &'a [Spanned<DeValue<'a>>], value: &Spanned<DeValue<'_>>) -> Option<&'a Spanned<DeValue<'a>>> {
    array.first().filter(|first| first.span() == value.span())
}
