//! Makes a line that a program printed fit to be shown: one line, nothing that steers a terminal.

/// The text without escape sequences and control characters. Of a progress bar that redraws itself with carriage
/// returns, what it showed last.
pub fn clean(line: &str) -> String {
    let plain = console::strip_ansi_codes(line);
    let shown = plain.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
    shown
        .chars()
        .map(|character| if character == '\t' { ' ' } else { character })
        .filter(|character| !character.is_control() && !turns_text(*character))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// The marks that change the direction of the text after them, and could make a line read as another.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::clean;

    #[test]
    fn colours_titles_and_redrawn_bars_are_gone() {
        assert_eq!(clean("\u{1b}[32mok\u{1b}[0m\tdone "), "ok done");
        assert_eq!(clean("\u{1b}]0;owned\u{7}hello"), "hello");
        assert_eq!(clean("10%\r50%\r100%\r"), "100%");
        assert_eq!(clean("a\u{8}\u{8}b\u{0}c"), "abc");
        assert_eq!(clean("gnp.\u{202e}exe"), "gnp.exe");
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_is_left(line in any::<String>()) {
            let cleaned = clean(&line);
            prop_assert!(cleaned.chars().all(|character| !character.is_control()));
        }
    }
}
