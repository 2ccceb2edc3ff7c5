//! The matrix as one HTML file: no script, nothing from elsewhere.

use std::fmt::Write as _;

use super::super::markup::escape;
use super::Asked;
use crate::questions::Row;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1b1b;background:#fff;\
overflow-wrap:anywhere}\
h2{font-size:1.1rem}table{border-collapse:collapse;table-layout:fixed;width:100%;margin:0 0 2rem}\
th,td{border-bottom:1px solid #c8c8c8;padding:.5rem;text-align:left;vertical-align:top}\
th:first-child{width:35%}th[scope=row]{font-weight:400}code{font-size:.9em}\
.private{color:#0b5d1e;font-weight:600}.public{color:#7a3300;font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}.private{color:#7ddf94}.public{color:#ffb27a}\
th,td{border-color:#555}}";

pub(super) fn page(asked: &[Asked]) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Who sees what</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Who sees what</h1>\n"
    );
    for (at, Asked { name, rtype, rows }) in asked.iter().enumerate() {
        write!(
            page,
            "<h2 id=\"name-{at}\"><code>{}</code> {rtype}</h2>\n<table aria-labelledby=\"name-{at}\">\n\
             <thead><tr><th scope=\"col\">Clients in</th><th scope=\"col\">Answer</th></tr></thead>\n<tbody>\n",
            escape(name)
        )
        .expect("a string takes it");
        for Row { askers, seen } in rows {
            let side = if seen.private { "private" } else { "public" };
            let askers: Vec<_> = askers.iter().map(|label| escape(label)).collect();
            let aliases = seen.aliases.iter().map(|alias| format!("<br>by <code>{}</code>", escape(alias)));
            writeln!(
                page,
                "<tr><th scope=\"row\">{}</th><td><span class=\"{side}\">{side}</span> {}{}</td></tr>",
                askers.join(", "),
                escape(&seen.summary()),
                aliases.collect::<String>()
            )
            .expect("a string takes it");
        }
        page.push_str("</tbody>\n</table>\n");
    }
    page + "</main>\n</body>\n</html>\n"
}
