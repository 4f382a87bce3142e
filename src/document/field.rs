//! A key's value with its place in the file.

use std::borrow::Cow;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};

/// A value and the bytes of the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands; a text includes its quotes.
    pub span: Range<usize>,
}

impl At<String> {
    /// Where a part of the text stands, given its bytes in the text. With escapes in it, the whole text is meant.
    pub fn part(&self, bytes: Range<usize>) -> Range<usize> {
        // Every escape and every other kind of quotes is longer than what it stands for and two quotes.
        if self.span.len() == self.value.len() + 2 {
            let start = self.span.start + 1;
            start + bytes.start..start + bytes.end
        } else {
            self.span.clone()
        }
    }

    /// Where a piece of the text stands first.
    pub fn find(&self, piece: &str) -> Range<usize> {
        match self.value.find(piece) {
            Some(start) if !piece.is_empty() => self.part(start..start + piece.len()),
            _ => self.span.clone(),
        }
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there and cannot be used; that has been reported, and nobody should stumble over it again.
    Faulty,
    /// It is there.
    Given(T),
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Faulty => None,
        }
    }
}

/// The schema of a field is that of what it holds.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The schema of a value knows no places.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
