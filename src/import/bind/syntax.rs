//! The syntax of named.conf: statements of words that end with a semicolon, with blocks in braces.

/// Most blocks nested in each other.
const MAX_DEPTH: usize = 32;
/// Most statements of a file.
const MAX_STATEMENTS: usize = 1_000_000;

/// `word word { statement; … };`.
#[derive(Debug, Default)]
pub(super) struct Statement {
    words: Vec<String>,
    block: Vec<Self>,
    /// Counted from 1.
    pub(super) line: usize,
}

impl Statement {
    /// Whether the first word equals `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        self.words.first().is_some_and(|word| word.eq_ignore_ascii_case(name))
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    pub(super) fn block(&self) -> &[Self] {
        &self.block
    }
}

enum Token<'t> {
    Word(&'t str),
    Open,
    Close,
    End,
}

/// Parses a whole file.
///
/// # Errors
/// The first syntax error, with its line.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, String> {
    let mut tokens = Tokens { rest: text, line: 1 };
    let mut open: Vec<Statement> = vec![Statement::default()];
    let mut blocks: Vec<Vec<Statement>> = vec![Vec::new()];
    let mut count = 0;
    while let Some(token) = tokens.next()? {
        let line = tokens.line;
        let Some(current) = open.last_mut() else { return Err(format!("line {line}: a brace without its other")) };
        match token {
            Token::Word(word) => {
                if current.words.is_empty() {
                    current.line = line;
                }
                current.words.push(word.to_owned());
            }
            Token::Open => {
                if open.len() > MAX_DEPTH {
                    return Err(format!("line {line}: blocks are nested more than {MAX_DEPTH} deep"));
                }
                open.push(Statement::default());
                blocks.push(Vec::new());
            }
            Token::Close => {
                let (Some(last), Some(mut block)) = (open.pop(), blocks.pop()) else { continue };
                if !last.words.is_empty() || !last.block.is_empty() {
                    block.push(last);
                }
                match open.last_mut() {
                    Some(statement) => statement.block = block,
                    None => return Err(format!("line {line}: a brace is closed that is not open")),
                }
            }
            Token::End => {
                count += 1;
                if count > MAX_STATEMENTS {
                    return Err(format!("line {line}: more than {MAX_STATEMENTS} statements"));
                }
                let statement = std::mem::take(current);
                if let Some(block) =
                    blocks.last_mut().filter(|_| !statement.words.is_empty() || !statement.block.is_empty())
                {
                    block.push(statement);
                }
            }
        }
    }
    let (open, block) = (open.len(), blocks.pop().unwrap_or_default());
    if open == 1 { Ok(block) } else { Err(format!("{} blocks are not closed at the end of the file", open - 1)) }
}

/// The words of the first statement, up to and including its brace or semicolon.
pub(super) fn first_words(text: &str) -> Option<Vec<&str>> {
    let mut tokens = Tokens { rest: text, line: 1 };
    let mut words = Vec::new();
    while words.len() < 8 {
        match tokens.next().ok()?? {
            Token::Word(word) => words.push(word),
            Token::Open => {
                words.push("{");
                return Some(words);
            }
            Token::End => {
                words.push(";");
                return Some(words);
            }
            Token::Close => return None,
        }
    }
    None
}

struct Tokens<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Tokens<'t> {
    fn skip(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.bytes().filter(|octet| *octet == b'\n').count();
        self.rest = rest;
        taken
    }

    fn next(&mut self) -> Result<Option<Token<'t>>, String> {
        loop {
            let spaces = self.rest.len() - self.rest.trim_start().len();
            self.skip(spaces);
            let comment = if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/").ok_or_else(|| format!("line {}: a comment has no end", self.line))?;
                end + 2
            } else {
                break;
            };
            self.skip(comment);
        }
        let token = match self.rest.chars().next() {
            None => return Ok(None),
            Some('{') => Token::Open,
            Some('}') => Token::Close,
            Some(';') => Token::End,
            Some('"') => {
                let end = self.rest[1..].find('"').ok_or_else(|| format!("line {}: a string has no end", self.line))?;
                return Ok(Some(Token::Word(&self.skip(end + 2)[1..=end])));
            }
            // A negation stands before a prefix, a name or a block.
            Some('!') => {
                self.skip(1);
                return Ok(Some(Token::Word("!")));
            }
            Some(_) => {
                let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '"');
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                return Ok(Some(Token::Word(self.skip(length))));
            }
        };
        self.skip(1);
        Ok(Some(token))
    }
}
