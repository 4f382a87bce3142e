//! What a POSIX shell script says (IEEE Std 1003.1, "Shell Command Language"), as far as it is written for pods: lists,
//! pipelines, groups, `if`, redirections, assignments. A word is kept as it is written; [`super::Shell`] expands it.

/// One step of a list: a pipeline, and what joins it to the one before.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) joined: Joined,
    /// Whether `!` stands before it.
    pub(super) negated: bool,
    pub(super) stages: Vec<Stage>,
}

/// When a step is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    Always,
    AfterSuccess,
    AfterFailure,
}

/// A command with its redirections.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) command: Command,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug, Clone)]
pub(super) enum Command {
    /// Assignments, then words.
    Simple(Vec<(String, String)>, Vec<String>),
    /// `{ … }`
    Group(Vec<Step>),
    /// `( … )`
    Subshell(Vec<Step>),
    /// Condition, then, else.
    If(Vec<Step>, Vec<Step>, Vec<Step>),
}

#[derive(Debug, Clone)]
pub(super) struct Redirect {
    pub(super) fd: u32,
    pub(super) how: How,
    pub(super) target: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Write,
    Append,
    Read,
    /// `>&` and `<&`
    Same,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Operator(&'static str),
    Redirect(u32, How),
}

fn redirect(how: How) -> impl Fn(u32) -> Token {
    move |fd| Token::Redirect(fd, how)
}

/// The end of a quoted or substituted part that begins at `at`.
pub(super) fn skip(letters: &[char], at: usize) -> usize {
    match letters[at] {
        '\\' => at + 2,
        '\'' => letters[at + 1..].iter().position(|letter| *letter == '\'').map_or(letters.len(), |end| at + end + 2),
        '"' => {
            let mut end = at + 1;
            while end < letters.len() && letters[end] != '"' {
                end = if letters[end] == '"' || letters[end] == '\'' { end + 1 } else { skip(letters, end) };
            }
            end + 1
        }
        '$' if letters.get(at + 1) == Some(&'(') => closed(letters, at + 2, '(', ')'),
        '$' if letters.get(at + 1) == Some(&'{') => closed(letters, at + 2, '{', '}'),
        _ => at + 1,
    }
}

fn closed(letters: &[char], mut at: usize, open: char, close: char) -> usize {
    let mut depth = 1;
    while at < letters.len() && depth > 0 {
        match letters[at] {
            letter if letter == open => (depth, at) = (depth + 1, at + 1),
            letter if letter == close => (depth, at) = (depth - 1, at + 1),
            _ => at = skip(letters, at),
        }
    }
    at
}

fn tokens(script: &str) -> Vec<Token> {
    const OPERATORS: [(&str, &str); 7] =
        [("&&", "&&"), ("||", "||"), ("|", "|"), (";", ";"), ("\n", ";"), ("(", "("), (")", ")")];
    let letters: Vec<char> = script.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        let rest: String = letters[at..letters.len().min(at + 2)].iter().collect();
        if letters[at] == '#' {
            while at < letters.len() && letters[at] != '\n' {
                at += 1;
            }
        } else if letters[at] == ' ' || letters[at] == '\t' {
            at += 1;
        } else if rest == "\\\n" {
            at += 2;
        } else if let Some((text, operator)) = OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) {
            found.push(Token::Operator(operator));
            at += text.len();
        } else {
            let digits = letters[at..].iter().take_while(|letter| letter.is_ascii_digit()).count();
            if let Some(mark @ ('<' | '>')) = letters.get(at + digits) {
                let fd = letters[at..at + digits].iter().collect::<String>().parse().ok();
                let (token, length): (Box<dyn Fn(u32) -> Token>, usize) = match (mark, letters.get(at + digits + 1)) {
                    (_, Some('&')) => (Box::new(redirect(How::Same)), 2),
                    ('>', Some('>')) => (Box::new(redirect(How::Append)), 2),
                    ('>', _) => (Box::new(redirect(How::Write)), 1),
                    _ => (Box::new(redirect(How::Read)), 1),
                };
                found.push(token(fd.unwrap_or(u32::from(*mark == '>'))));
                at += digits + length;
                continue;
            }
            let begin = at;
            while at < letters.len() && !" \t\n;|&()<>".contains(letters[at]) {
                at = skip(&letters, at);
            }
            if at == begin {
                at += 1;
            }
            found.push(Token::Word(letters[begin..at.min(letters.len())].iter().collect()));
        }
    }
    found
}

/// Reads a script.
///
/// # Errors
/// What `sh` says of it.
pub(super) fn parse(script: &str) -> Result<Vec<Step>, String> {
    let mut parser = Parser { tokens: tokens(script), at: 0 };
    let steps = parser.list(&[])?;
    match parser.tokens.get(parser.at) {
        None => Ok(steps),
        Some(token) => Err(format!("Syntax error: {token:?} unexpected")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn is_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(own)) if own == word)
    }

    fn take(&mut self, operator: &str) -> bool {
        let here = matches!(self.tokens.get(self.at), Some(Token::Operator(own)) if *own == operator);
        self.at += usize::from(here);
        here
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        if self.is_word(word) {
            self.at += 1;
            return Ok(());
        }
        Err(format!("Syntax error: end of file unexpected (expecting \"{word}\")"))
    }

    fn list(&mut self, ends: &[&str]) -> Result<Vec<Step>, String> {
        let (mut steps, mut joined) = (Vec::new(), Joined::Always);
        loop {
            while self.take(";") {}
            let over = matches!(self.tokens.get(self.at), None | Some(Token::Operator(")")));
            if over || ends.iter().any(|end| self.is_word(end)) {
                return Ok(steps);
            }
            let negated = self.is_word("!");
            self.at += usize::from(negated);
            let mut stages = vec![self.stage()?];
            while self.take("|") {
                while self.take(";") {}
                stages.push(self.stage()?);
            }
            steps.push(Step { joined, negated, stages });
            joined = if self.take("&&") {
                Joined::AfterSuccess
            } else if self.take("||") {
                Joined::AfterFailure
            } else {
                Joined::Always
            };
        }
    }

    fn stage(&mut self) -> Result<Stage, String> {
        let command = if self.take("(") {
            let list = self.list(&[])?;
            if !self.take(")") {
                return Err("Syntax error: end of file unexpected (expecting \")\")".to_owned());
            }
            Command::Subshell(list)
        } else if self.is_word("{") {
            self.at += 1;
            let list = self.list(&["}"])?;
            self.word("}")?;
            Command::Group(list)
        } else if self.is_word("if") {
            self.at += 1;
            let condition = self.list(&["then"])?;
            self.word("then")?;
            let then = self.list(&["else", "fi"])?;
            let mut other = Vec::new();
            if self.is_word("else") {
                self.at += 1;
                other = self.list(&["fi"])?;
            }
            self.word("fi")?;
            Command::If(condition, then, other)
        } else {
            return self.simple();
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect() {
            redirects.push(redirect?);
        }
        Ok(Stage { command, redirects })
    }

    fn redirect(&mut self) -> Option<Result<Redirect, String>> {
        let Some(Token::Redirect(fd, how)) = self.tokens.get(self.at).cloned() else { return None };
        self.at += 1;
        let Some(Token::Word(target)) = self.tokens.get(self.at).cloned() else {
            return Some(Err("Syntax error: redirection unexpected".to_owned()));
        };
        self.at += 1;
        Some(Ok(Redirect { fd, how, target }))
    }

    fn simple(&mut self) -> Result<Stage, String> {
        let (mut assignments, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            if let Some(redirect) = self.redirect() {
                redirects.push(redirect?);
                continue;
            }
            let Some(Token::Word(word)) = self.tokens.get(self.at).cloned() else { break };
            self.at += 1;
            match assignment(&word).filter(|_| words.is_empty()) {
                Some((name, value)) => assignments.push((name.to_owned(), value.to_owned())),
                None => words.push(word),
            }
        }
        if assignments.is_empty() && words.is_empty() && redirects.is_empty() {
            return Err("Syntax error: end of file unexpected".to_owned());
        }
        Ok(Stage { command: Command::Simple(assignments, words), redirects })
    }
}

/// `NAME=value`
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let named = name.starts_with(|letter: char| letter == '_' || letter.is_ascii_alphabetic())
        && name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric());
    named.then_some((name, value))
}
