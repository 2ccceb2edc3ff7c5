//! The matrix as one HTML file, without scripts or external resources.

use super::Asked;
use crate::page::answers;
use crate::page::html::{Html, STYLE, html};

pub(super) fn page(asked: &[Asked]) -> String {
    let mut page = Html::default();
    html!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
        <meta name=\"color-scheme\" content=\"light dark\">\n\
        <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
        <title>Who sees what</title>\n<style>\n"
    );
    page.raw(STYLE);
    html!(page, "</style>\n</head>\n<body>\n<main>\n<h1>Who sees what</h1>\n");
    for (at, Asked { name, rtype, rows }) in asked.iter().enumerate() {
        let id = format!("name-{at}");
        html!(page, "<h2 id=\"" (id) "\"><code>" (name) "</code> " (rtype) "</h2>\n");
        answers(&mut page, rows, &id);
    }
    html!(page, "</main>\n</body>\n</html>\n");
    page.into_string()
}
