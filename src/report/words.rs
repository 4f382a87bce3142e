//! How durations and places are written for people.

use std::time::Duration;

use crate::plan::Place;

/// `0.2 s`, `34 s`, `3 min 12 s`, `1 h 5 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => {
            let tenths = duration.as_millis() / 100;
            if tenths.is_multiple_of(10) {
                format!("{} s", tenths / 10)
            } else {
                format!("{}.{} s", tenths / 10, tenths % 10)
            }
        }
        10..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if (seconds % 3600) / 60 == 0 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, (seconds % 3600) / 60),
    }
}

/// The time between two moments; nothing when the clock was set back.
pub fn between(from: jiff::Timestamp, to: jiff::Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// The node's name, or `cluster`.
pub fn place(place: &Place) -> &str {
    match place {
        Place::Node(name) => name,
        Place::Cluster => "cluster",
    }
}

/// The first line of a text.
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A command as it is typed: the words quoted where a shell needs that.
pub fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoter = shlex::Quoter::new().allow_nul(true);
    quoter.join(words).unwrap_or_default()
}

/// The text in lines of at most `width` columns, broken between words; a longer word has a line of its own. Line
/// breaks of the text stay.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    for paragraph in text.lines() {
        if console::measure_text_width(paragraph) <= width {
            lines.push(paragraph.trim_end().to_owned());
            continue;
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let needed = console::measure_text_width(&line) + 1 + console::measure_text_width(word);
            if !line.is_empty() && needed > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// `1 step`, `2 steps`.
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// The texts after one another as a sentence has them: `a`, `a and b`, `a, b and c`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(249), "0.2 s");
        assert_eq!(said(9_990), "9.9 s");
        assert_eq!(said(34_700), "34 s");
        assert_eq!(said(60_000), "1 min");
        assert_eq!(said(192_000), "3 min 12 s");
        assert_eq!(said(3_600_000), "1 h");
        assert_eq!(said(3_900_000), "1 h 5 min");
    }

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("- a\n+   b", 8), ["- a", "+   b"]);
        assert_eq!(wrap("incomprehensible word", 8), ["incomprehensible", "word"]);
    }

    #[test]
    fn a_command_can_be_pasted() {
        assert_eq!(command(["homeprov", "up", "my home.toml"]), "homeprov up 'my home.toml'");
    }

    #[test]
    fn lists_read_well() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
