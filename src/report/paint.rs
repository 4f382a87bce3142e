//! Colour, where it is wanted.

use console::Style;

/// Colours text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// With or without colour.
    pub fn new(colour: bool) -> Self {
        Self(colour)
    }

    /// Good news.
    pub fn good(self, text: &str) -> String {
        self.with(Style::new().green(), text)
    }

    /// Bad news.
    pub fn bad(self, text: &str) -> String {
        self.with(Style::new().red().bold(), text)
    }

    /// What goes away.
    pub fn taken(self, text: &str) -> String {
        self.with(Style::new().red(), text)
    }

    /// What to look at.
    pub fn care(self, text: &str) -> String {
        self.with(Style::new().yellow(), text)
    }

    /// What goes on.
    pub fn busy(self, text: &str) -> String {
        self.with(Style::new().cyan(), text)
    }

    /// What may be overlooked.
    pub fn dim(self, text: &str) -> String {
        self.with(Style::new().dim(), text)
    }

    /// What should not be overlooked.
    pub fn bold(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        style.force_styling(self.0).apply_to(text).to_string()
    }
}
