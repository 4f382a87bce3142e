//! Finds a `{{value}}` where the shell would read its quotes as text: inside quotes or in a here-document.

use super::render::RenderError;

/// Where in a script the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Bare,
    Single,
    Double,
    Comment,
}

/// Refuses the first template tag that does not stand where a word of its own could.
pub(super) fn check(template: &str) -> Result<(), RenderError> {
    let mut state = State::Bare;
    let mut document: Option<Document> = None;
    for (number, line) in template.lines().enumerate() {
        let refuse = |at: usize, message: &str| {
            let column = line[..at].chars().count() + 1;
            Err(RenderError::new(number + 1, column, message))
        };
        if let Some(open) = &document {
            if let Some(at) = tag(line) {
                return refuse(at, "a here-document does not read quotes; pass the value to `printf '%s\\n'` instead");
            }
            if open.ends_at(line) {
                document = None;
            }
            continue;
        }
        if state == State::Comment {
            state = State::Bare;
        }
        let mut rest = line;
        let mut before = ' ';
        while let Some(character) = rest.chars().next() {
            let at = line.len() - rest.len();
            let mut step = character.len_utf8();
            if rest.starts_with("\\{{") {
                step = "\\{{".len();
            } else if rest.starts_with("{{") {
                if state == State::Single || state == State::Double {
                    return refuse(at, "this value stands inside quotes; it is quoted already, so take them away");
                }
                step = rest.find("}}").map_or(rest.len(), |end| end + 2);
            } else {
                match (state, character) {
                    (State::Bare | State::Double, '\\') => {
                        step += rest[1..].chars().next().map_or(0, char::len_utf8);
                    }
                    (State::Bare, '\'') => state = State::Single,
                    (State::Bare, '"') => state = State::Double,
                    (State::Single, '\'') | (State::Double, '"') => state = State::Bare,
                    (State::Bare, '#') if before.is_whitespace() || ";&|(".contains(before) => {
                        state = State::Comment;
                    }
                    (State::Bare, '<') if rest.starts_with("<<") => {
                        document = Document::opened(&rest[2..]).or(document);
                        step = 2;
                    }
                    _ => {}
                }
            }
            before = character;
            rest = &rest[step..];
        }
    }
    Ok(())
}

/// An open here-document.
struct Document {
    delimiter: String,
    tabs: bool,
}

impl Document {
    fn opened(after: &str) -> Option<Self> {
        let (tabs, word) = match after.strip_prefix('-') {
            Some(word) => (true, word),
            None => (false, after),
        };
        let word = word.trim_start();
        let end = word.find(|c: char| c.is_whitespace() || ";&|<>()".contains(c)).unwrap_or(word.len());
        let delimiter: String = word[..end].chars().filter(|c| !"'\"\\".contains(*c)).collect();
        (!delimiter.is_empty()).then_some(Self { delimiter, tabs })
    }

    fn ends_at(&self, line: &str) -> bool {
        let line = if self.tabs { line.trim_start_matches('\t') } else { line };
        line == self.delimiter
    }
}

/// Where the first tag of a line begins.
fn tag(line: &str) -> Option<usize> {
    line.match_indices("{{").map(|(at, _)| at).find(|at| !line[..*at].ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_stand_where_a_word_may() {
        for script in [
            "echo {{x}}",
            "echo 'it' \"is\" {{x}}",
            "x={{x}}; echo \"$x\"",
            "# don't\necho {{x}} # isn't it",
            "echo a\\'b {{x}}",
            "echo \"a\\\"b\" {{x}}",
            "cat <<'EOF'\ndon't\nEOF\necho {{x}}",
            "cat <<-EOF\n\tdon't\n\tEOF\necho {{x}}",
            "echo '\\{{'",
        ] {
            assert_eq!(check(script), Ok(()), "{script}");
        }
    }

    #[test]
    fn a_value_inside_quotes_or_a_here_document_is_refused() {
        for (script, line, column) in [
            ("echo \"{{x}}\"", 1, 7),
            ("echo 'a\nb {{x}}'", 2, 3),
            ("cat <<EOF\na {{x}}\nEOF", 2, 3),
            ("echo \"ä\" ; y=\"{{x}}\"", 1, 15),
        ] {
            let error = check(script).expect_err(script);
            assert_eq!((error.line, error.column), (line, column), "{script}");
        }
    }
}
