//! Makes text fit to be shown on a terminal: what steers one is spelled out.

/// Whether a character moves the cursor, colours, rings, hides or turns what stands around it.
pub(super) fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text of one line: line breaks are spelled out as well.
pub(super) fn line(text: &str) -> String {
    spell(text, steers)
}

/// A text that may have several lines.
pub(super) fn lines(text: &str) -> String {
    spell(text, |character| character != '\n' && steers(character))
}

fn spell(text: &str, unfit: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if unfit(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{line, lines, steers};

    #[test]
    fn what_steers_a_terminal_is_spelled_out() {
        assert_eq!(line("a\u{1b}[31m\u{9b}b\r\n\tc"), r"a\u{1b}[31m\u{9b}b\r\n\tc");
        assert_eq!(line("gnp.\u{202e}exe\u{feff}"), r"gnp.\u{202e}exe\u{feff}");
        assert_eq!(lines("one\ntwo\u{7}"), "one\ntwo\\u{7}");
        assert_eq!(line("Küche 台所 '\"\\"), "Küche 台所 '\"\\");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_is_left(text in any::<String>()) {
            prop_assert!(!line(&text).chars().any(steers));
        }
    }
}
