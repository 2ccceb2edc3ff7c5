//! HTML in which only literals of the program are markup; all other text is escaped.

use std::fmt::{Display, Write as _};

/// Escapes text for HTML, including attribute values.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML allows no control characters, escaped or not.
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A piece of HTML. Markup is added as literals of the program only, so no other text can become markup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Adds markup.
    pub(crate) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: impl Display) {
        self.0.push_str(&escape(&text.to_string()));
    }

    /// Appends another piece.
    pub(crate) fn html(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Appends the value of a query, within a URL in an attribute.
    pub(crate) fn query_value(&mut self, text: impl Display) {
        for octet in text.to_string().bytes() {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => self.0.push(char::from(octet)),
                octet => write!(self.0, "%{octet:02X}").expect("a string takes it"),
            }
        }
    }

    /// The HTML as text.
    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// Appends to HTML: literals are markup, `(…)` is text, `{…}` is a value of a query in a URL, `[…]` is a piece of HTML.
macro_rules! html {
    (@part $html:ident $markup:literal) => { $html.raw($markup); };
    (@part $html:ident ($text:expr)) => { $html.text(&$text); };
    (@part $html:ident {$value:expr}) => { $html.query_value(&$value); };
    (@part $html:ident [$piece:expr]) => { $html.html(&$piece); };
    ($html:expr, $($part:tt)+) => {{
        let html: &mut $crate::page::html::Html = &mut $html;
        $( html!(@part html $part); )+
    }};
}
pub(crate) use html;

/// The style sheet of all pages.
pub(crate) const STYLE: &str = include_str!("style.css");

/// The views with their paths, in the order of navigation.
const VIEWS: [(&str, &str); 7] = [
    ("/", "Ask"),
    ("/matrix", "Who sees what"),
    ("/topology", "Topology"),
    ("/endpoints", "Endpoints"),
    ("/findings", "Findings"),
    ("/changes", "Changes"),
    ("/queries", "Queries"),
];

/// A whole page: one of the views, or another one.
pub(super) struct Page<'a> {
    /// The path of its view.
    pub(super) path: &'a str,
    pub(super) title: &'a str,
    /// The note beside the name of the server.
    pub(super) note: &'a str,
    pub(super) main: Html,
}

impl Page<'_> {
    pub(super) fn html(&self) -> Html {
        let mut page = Html::default();
        html!(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
            <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
            <meta name=\"color-scheme\" content=\"light dark\">\n<title>" (self.title) " · vnetdns</title>\n\
            <link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
            <script src=\"/script.js\" defer></script>\n</head>\n<body>\n\
            <a class=\"skip\" href=\"#main\">Skip to content</a>\n\
            <header>\n<div class=\"bar\">\n<p class=\"brand\"><a href=\"/\">vnetdns</a> <span>" (self.note)
            "</span></p>\n<nav aria-label=\"Views\"><ul>\n");
        for (path, name) in VIEWS {
            html!(page, "<li><a href=\"" (path) "\"");
            if path == self.path {
                html!(page, " aria-current=\"page\"");
            }
            html!(page, ">" (name) "</a></li>\n");
        }
        html!(page, "</ul></nav>\n</div>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n<h1>" (self.title) "</h1>\n"
            [self.main] "</main>\n<footer><p>vnetdns " (env!("CARGO_PKG_VERSION"))
            ", shown on this host alone</p><p id=\"live\" role=\"status\"></p></footer>\n</body>\n</html>\n");
        page
    }
}

/// Turns a text into a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// Links to the previous and the next page of a list. `query` precedes the page number, and ends with `&` unless it is empty.
pub(super) fn pager(page: &mut Html, path: &'static str, query: &Html, at: usize, pages: usize) {
    if pages < 2 {
        return;
    }
    html!(*page, "<nav class=\"pager\" aria-label=\"Pages\">");
    if at > 0 {
        html!(*page, "<a rel=\"prev\" href=\"" (path) "?" [query] "page=" (at) "\">Previous</a> ");
    }
    html!(*page, "<span>Page " (at + 1) " of " (pages) "</span>");
    if at + 1 < pages {
        html!(*page, " <a rel=\"next\" href=\"" (path) "?" [query] "page=" (at + 2) "\">Next</a>");
    }
    html!(*page, "</nav>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup_and_values_never_leave_their_place() {
        let mut page = Html::default();
        html!(page, "<a href=\"/?q=" {"\"&a=b <ä>"} "\">" ("<b a='x'>&\u{7}\"") "</a>");
        let expected = "<a href=\"/?q=%22%26a%3Db%20%3C%C3%A4%3E\">&lt;b a=&#39;x&#39;&gt;&amp;\u{fffd}&quot;</a>";
        assert_eq!(page.into_string(), expected);
    }
}
