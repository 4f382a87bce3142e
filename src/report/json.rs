//! Events as JSON, one object per line.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Reporter;
use super::redact::Redactor;
use crate::engine::event::{Event, SCHEMA};

/// One line: the format's version and the time before the event's own fields.
#[derive(Serialize)]
struct Line {
    schema: u32,
    time: Timestamp,
    event: Value,
    #[serde(flatten)]
    fields: serde_json::Map<String, Value>,
}

/// The line an event is written as, without its end.
pub fn line(at: Timestamp, event: &Event, redactor: &Redactor) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(event)?;
    // The name of the event is homeprov's own: a secret that happens to be a part of it must not make it unreadable.
    let event = value.as_object_mut().and_then(|fields| fields.remove("event")).unwrap_or_default();
    redactor.value(&mut value);
    let mut fields = match value {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    fields.remove("schema");
    serde_json::to_string(&Line { schema: SCHEMA, time: at, event, fields })
}

/// Writes events as JSON lines.
pub struct Json<W> {
    out: W,
    redactor: Redactor,
    broken: bool,
    error: Option<io::Error>,
}

impl<W: Write> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W, redactor: Redactor) -> Self {
        Self { out, redactor, broken: false, error: None }
    }

    /// Why nothing is written any more; told once.
    pub fn broke(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn write(&mut self, at: Timestamp, event: &Event) -> io::Result<()> {
        let line = line(at, event, &self.redactor)?;
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn event(&mut self, at: Timestamp, event: &Event) {
        // After the first error the reader is gone or the disk is full: half a line more would help nobody.
        if !self.broken {
            self.error = self.write(at, event).err();
            self.broken = self.error.is_some();
        }
    }
}
