//! Parses template expressions: `[concat(parameters('a').b[0], 'it''s')]`.

use std::rc::Rc;

use super::value::Value;

/// Most nested calls in one expression.
const MAX_DEPTH: u32 = 200;

#[derive(Debug)]
pub(super) enum Expression {
    Literal(Value),
    Call {
        /// With its namespace, in lower case: `contoso.uniquename`.
        function: Rc<str>,
        arguments: Vec<Self>,
    },
    /// A value and the accesses to its members and items.
    Access(Box<Self>, Vec<Step>),
}

#[derive(Debug)]
pub(super) enum Step {
    Member(Rc<str>),
    Index(Expression),
}

/// What a string of a template is.
pub(super) enum Kind<'t> {
    /// An expression, without its brackets.
    Expression(&'t str),
    /// Literal text.
    Text(&'t str),
}

/// Distinguishes expressions from literal text; `[[` at the beginning of a text is an escaped `[`.
pub(super) fn kind_of(text: &str) -> Kind<'_> {
    match text.strip_prefix('[') {
        Some(rest) if text.ends_with(']') => match rest.strip_prefix('[') {
            Some(_) => Kind::Text(rest),
            None => Kind::Expression(&rest[..rest.len().saturating_sub(1)]),
        },
        _ => Kind::Text(text),
    }
}

/// Parses an expression without its brackets.
///
/// # Errors
/// What is wrong, and at which character, counted from 1 after the bracket.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.expression()?;
    parser.spaces();
    if parser.at < text.len() {
        return Err(parser.expected("the end"));
    }
    Ok(expression)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn spaces(&mut self) {
        while self.peek().is_some_and(|octet| octet.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Consumes a character if it is next.
    fn take(&mut self, octet: u8) -> bool {
        self.spaces();
        let is_next = self.peek() == Some(octet);
        self.at += usize::from(is_next);
        is_next
    }

    fn expected(&self, what: &str) -> String {
        let at = self.text.get(..self.at).map_or(self.at, |before| before.chars().count()) + 1;
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| "the end".to_owned(), |found| format!("`{found}`"));
        format!("character {at}: {what} is expected, not {found}")
    }

    fn expression(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("calls are nested more than {MAX_DEPTH} deep"));
        }
        let base = self.primary()?;
        let mut steps = Vec::new();
        loop {
            if self.take(b'.') {
                self.spaces();
                let name = self.name().ok_or_else(|| self.expected("the name of a member"))?;
                steps.push(Step::Member(name.into()));
            } else if self.take(b'[') {
                steps.push(Step::Index(self.expression()?));
                if !self.take(b']') {
                    return Err(self.expected("`]`"));
                }
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(if steps.is_empty() { base } else { Expression::Access(Box::new(base), steps) })
    }

    fn primary(&mut self) -> Result<Expression, String> {
        self.spaces();
        match self.peek() {
            Some(b'\'') => self.literal_text(),
            Some(b'-' | b'+' | b'0'..=b'9') => self.number(),
            _ => self.call(),
        }
    }

    fn literal_text(&mut self) -> Result<Expression, String> {
        let from = self.at + 1;
        let rest = self.text.get(from..).unwrap_or_default();
        let mut quotes = rest.match_indices('\'').map(|(at, _)| at).peekable();
        while let Some(at) = quotes.next() {
            if quotes.next_if_eq(&(at + 1)).is_none() {
                self.at = from + at + 1;
                return Ok(Expression::Literal(Value::text(rest[..at].replace("''", "'"))));
            }
        }
        Err(self.expected("a quote that ends this string"))
    }

    fn number(&mut self) -> Result<Expression, String> {
        let from = self.at;
        self.at += 1;
        while self.peek().is_some_and(|octet| octet.is_ascii_digit() || octet == b'.') {
            self.at += 1;
        }
        let text = &self.text[from..self.at];
        let value = text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Float));
        value.map(Expression::Literal).map_err(|_| format!("character {}: `{text}` is not a number", from + 1))
    }

    fn name(&mut self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
        self.at += length;
        (length > 0).then(|| rest[..length].to_owned())
    }

    fn call(&mut self) -> Result<Expression, String> {
        let mut function = self.name().ok_or_else(|| self.expected("a function, a string or a number"))?;
        // If arguments follow, a name after a dot is part of the function's name: `contoso.uniqueName()`.
        let behind = self.at;
        if self.take(b'.') {
            self.spaces();
            match self.name() {
                Some(name) if self.take(b'(') => {
                    function = format!("{function}.{name}");
                    return self.arguments(&function);
                }
                _ => self.at = behind,
            }
        }
        if self.take(b'(') {
            return self.arguments(&function);
        }
        self.at = behind;
        match function.to_ascii_lowercase().as_str() {
            "true" => Ok(Expression::Literal(Value::Bool(true))),
            "false" => Ok(Expression::Literal(Value::Bool(false))),
            "null" => Ok(Expression::Literal(Value::Null)),
            _ => Err(self.expected("`(`")),
        }
    }

    fn arguments(&mut self, function: &str) -> Result<Expression, String> {
        let mut arguments = Vec::new();
        if !self.take(b')') {
            loop {
                arguments.push(self.expression()?);
                if self.take(b')') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.expected("`,` or `)`"));
                }
            }
        }
        let lower = function.to_ascii_lowercase();
        let function = lower.strip_prefix("sys.").unwrap_or(&lower).into();
        Ok(Expression::Call { function, arguments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_an_expression_in_brackets_unless_it_begins_with_two() {
        let is = |text| match kind_of(text) {
            Kind::Expression(text) => format!("={text}"),
            Kind::Text(text) => text.to_owned(),
        };
        assert_eq!(is("[concat('a')]"), "=concat('a')");
        assert_eq!(is("[[literal]"), "[literal]");
        assert_eq!(is("[no end"), "[no end");
        assert_eq!(is("["), "[");
        assert_eq!(is("[]"), "=");
        assert_eq!(is("a[b]"), "a[b]");
    }

    #[test]
    fn quotes_are_doubled_and_spaces_do_not_matter() {
        let Ok(Expression::Literal(Value::Text(text))) = parse(" 'it''s' ") else { panic!("a text") };
        assert_eq!(&*text, "it's");
        let parsed = parse("contoso.Name( 1 , -2 ) . member [ 'x' ]");
        let Ok(Expression::Access(base, steps)) = parsed else { panic!("{parsed:?}") };
        let Expression::Call { function, arguments } = *base else { panic!("a call") };
        assert_eq!((&*function, arguments.len(), steps.len()), ("contoso.name", 2, 2));
    }

    #[test]
    fn mistakes_have_their_character() {
        let says = |text: &str| parse(text).expect_err(text);
        assert_eq!(says("concat('a'"), "character 11: `,` or `)` is expected, not the end");
        assert_eq!(says("concat('a')x"), "character 12: the end is expected, not `x`");
        assert_eq!(says("concat"), "character 7: `(` is expected, not the end");
        assert_eq!(says("'a"), "character 1: a quote that ends this string is expected, not `'`");
        assert_eq!(says("é('a)"), "character 3: a quote that ends this string is expected, not `'`");
        assert_eq!(says(""), "character 1: a function, a string or a number is expected, not the end");
        assert_eq!(says("1.2.3"), "character 1: `1.2.3` is not a number");
        assert_eq!(says(&"not(".repeat(100_000)), "calls are nested more than 200 deep");
        assert!(parse(&format!("a(){}", "[0]".repeat(300_000))).is_ok(), "steps are not nested");
    }
}
