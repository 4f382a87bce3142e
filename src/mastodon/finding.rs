//! What was found about one part of the site.

use serde::Serialize;

use crate::status::Conclusion;

/// One part of the site and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The part, in a word or two: `mail`, `web`, `page`.
    pub part: String,
    /// Whether it is as it should be.
    pub verdict: Conclusion,
    /// What was seen, in one sentence.
    pub text: String,
    /// What to do, where something is wrong.
    pub remedy: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn good(part: &str, text: impl Into<String>) -> Self {
        Self { part: part.to_owned(), verdict: Conclusion::Yes, text: text.into(), remedy: None }
    }

    /// It is not.
    pub fn bad(part: &str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part: part.to_owned(), verdict: Conclusion::No, text: text.into(), remedy: Some(remedy.into()) }
    }

    /// It could not be tried, or does not decide anything.
    pub fn open(part: &str, text: impl Into<String>) -> Self {
        Self { part: part.to_owned(), verdict: Conclusion::Unknown, text: text.into(), remedy: None }
    }

    /// Whether it is known not to be as it should.
    pub fn wrong(&self) -> bool {
        self.verdict == Conclusion::No
    }

    /// In one line, with what to do.
    pub fn line(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("{}: {}; what to do: {remedy}", self.part, self.text),
            None => format!("{}: {}", self.part, self.text),
        }
    }
}
