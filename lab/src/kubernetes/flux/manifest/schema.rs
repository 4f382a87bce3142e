//! Schemas in a line each: what a definition's `openAPIV3Schema` says of an object, without its prose.
//!
//! `{a, b!, c:b}` is an object with the fields a, b (required) and c. After the colon stands the type: `s`tring (the
//! one that is meant where none stands), `b`oolean, `i`nteger, `m`ap of strings, `*` anything, `[…]` a list,
//! `(a|b)` one of these strings, `{…}` an object; `=…` behind it is the default.

use serde_json::{Map, Value, json};

/// The schema a line stands for.
pub(super) fn schema(line: &str) -> Value {
    Reader { text: line.as_bytes(), at: 0 }.value()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or_default()
    }

    fn take(&mut self, letter: u8) -> bool {
        let found = self.peek() == letter;
        self.at += usize::from(found);
        found
    }

    /// The text up to one of the stops, which is left standing.
    fn word(&mut self, stops: &[u8]) -> String {
        let start = self.at;
        while self.at < self.text.len() && !stops.contains(&self.peek()) {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.text[start..self.at]).trim().to_owned()
    }

    fn value(&mut self) -> Value {
        let mut schema = match self.peek() {
            b'{' => self.object(),
            b'[' => {
                self.at += 1;
                let items = self.value();
                self.take(b']');
                json!({"type": "array", "items": items})
            }
            b'(' => {
                self.at += 1;
                let mut names = Vec::new();
                while !self.take(b')') && self.at < self.text.len() {
                    names.push(self.word(b"|)"));
                    self.take(b'|');
                }
                json!({"type": "string", "enum": names})
            }
            letter => {
                self.at += 1;
                match letter {
                    b'b' => json!({"type": "boolean"}),
                    b'i' => json!({"type": "integer"}),
                    b'm' => json!({"type": "object", "additionalProperties": {"type": "string"}}),
                    b'*' => json!({"x-kubernetes-preserve-unknown-fields": true}),
                    _ => json!({"type": "string"}),
                }
            }
        };
        if self.take(b'=') {
            let default = self.word(b",}]");
            schema["default"] = if schema["type"] == "boolean" { (default == "true").into() } else { default.into() };
        }
        schema
    }

    fn object(&mut self) -> Value {
        self.at += 1;
        let (mut properties, mut required) = (Map::new(), Vec::new());
        while !self.take(b'}') && self.at < self.text.len() {
            let name = self.word(b"!:,}");
            if self.take(b'!') {
                required.push(name.clone());
            }
            let schema = if self.take(b':') { self.value() } else { json!({"type": "string"}) };
            properties.insert(name, schema);
            self.take(b',');
            while self.take(b' ') {}
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_schema() {
        let read = schema(
            "{url!, ref:{branch,tag}, on:b=false, kind!:(A|B)=A, list:[{n:i}], labels:m, values:*, timeout:s=60s}",
        );
        let text = json!({"type": "string"});
        assert_eq!(
            read,
            json!({"type": "object", "required": ["url", "kind"], "properties": {
                "url": text, "ref": {"type": "object", "properties": {"branch": text, "tag": text}},
                "on": {"type": "boolean", "default": false}, "kind": {"type": "string", "enum": ["A", "B"], "default": "A"},
                "list": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
                "labels": {"type": "object", "additionalProperties": text},
                "values": {"x-kubernetes-preserve-unknown-fields": true}, "timeout": {"type": "string", "default": "60s"}}})
        );
    }
}
