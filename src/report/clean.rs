//! Makes what a program printed fit to be shown: nothing that steers a terminal.

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

/// Each line cleaned as [`clean`] does it; how many lines there are stays.
pub fn lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// A text of many lines in homeprov's own colours: they stay, and nothing else that steers a terminal.
pub fn keeping_colours(text: &str) -> String {
    let shown =
        |character: &char| matches!(character, '\n' | '\t') || !(character.is_control() || turns_text(*character));
    console::AnsiCodeIterator::new(text)
        .filter(|(piece, code)| !code || is_colour(piece))
        .flat_map(|(piece, code)| piece.chars().filter(move |character| code || shown(character)))
        .collect()
}

/// Whether an escape sequence changes how letters look, and nothing else.
fn is_colour(sequence: &str) -> bool {
    let parameters = sequence.strip_prefix("\u{1b}[").and_then(|rest| rest.strip_suffix('m'));
    parameters
        .is_some_and(|parameters| parameters.chars().all(|character| character.is_ascii_digit() || character == ';'))
}

/// The marks that change the direction of the text after them, and could make a line read as another.
fn turns_text(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{clean, keeping_colours, lines};

    #[test]
    fn colours_titles_and_redrawn_bars_are_gone() {
        assert_eq!(clean("\u{1b}[32mok\u{1b}[0m\tdone "), "ok done");
        assert_eq!(clean("\u{1b}]0;owned\u{7}hello"), "hello");
        assert_eq!(clean("10%\r50%\r100%\r"), "100%");
        assert_eq!(clean("a\u{8}\u{8}b\u{0}c"), "abc");
        assert_eq!(clean("gnp.\u{202e}exe"), "gnp.exe");
    }

    #[test]
    fn of_a_text_the_colours_stay() {
        let text = "\u{1b}[1mbold\u{1b}[0m\n\tnext\u{1b}[2J\u{1b}]0;owned\u{7}\u{8}\u{202e}\n";
        assert_eq!(keeping_colours(text), "\u{1b}[1mbold\u{1b}[0m\n\tnext\n");
        assert_eq!(lines("a\u{1b}[2J\n\nb\r\n"), "a\n\nb\n");
    }

    proptest! {
        #[test]
        fn only_colours_are_left_of_a_text(text in any::<String>()) {
            let left = keeping_colours(&text);
            let plain = console::strip_ansi_codes(&left).into_owned();
            prop_assert!(plain.chars().all(|character| matches!(character, '\n' | '\t') || !character.is_control()), "{left:?}");
        }

        #[test]
        fn nothing_that_steers_a_terminal_is_left(line in any::<String>()) {
            let cleaned = clean(&line);
            prop_assert!(cleaned.chars().all(|character| !character.is_control()));
        }
    }
}
