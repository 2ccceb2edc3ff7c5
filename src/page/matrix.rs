//! The view "Who sees what": the answer in each network and outside, equal ones grouped.

use super::ask::{Question, samples, type_field};
use super::html::{Html, html};
use super::{Pages, Shown, Visit};
use crate::dns::{NameRef, RecordType, TypeName};
use crate::questions::{Asked, Row, matrix};

/// Maximum askers of a row that are shown unfolded.
const SHOWN: usize = 24;

impl Pages {
    pub(super) fn who_sees_what(&self, visit: &Visit) -> Shown {
        let main = self.control.look(|look| {
            let mut main = Html::default();
            html!(main, "<p>One name, as every network and clients outside see it.</p>\n\
                <form class=\"ask\" method=\"get\" action=\"/matrix\">\n<p class=\"wide\"><label for=\"name\">Name</label>\
                <input id=\"name\" name=\"name\" required maxlength=\"1024\" autocomplete=\"off\" autocapitalize=\"none\" \
                spellcheck=\"false\" value=\"" (visit.value("name").unwrap_or_default()) "\"></p>\n");
            type_field(&mut main, visit.value("type").unwrap_or("A"));
            html!(main, "<p><button>Show</button></p>\n</form>\n");
            match Question::of(visit) {
                Ok(None) => samples(&mut main, look, "/matrix", "Names to try"),
                Err(error) => html!(main, "<p class=\"error\" role=\"alert\">" (error) "</p>\n"),
                Ok(Some(question)) => {
                    let world = Asked::of(look.topology(), look.snapshot());
                    let name = question.name.to_string();
                    html!(main, "<section id=\"matrix\" data-live aria-labelledby=\"asked\">\n<h2 id=\"asked\"><code>"
                        (name.trim_end_matches('.')) "</code> " (TypeName(question.rtype)) "</h2>\n");
                    rows(&mut main, &world, question.name.as_ref(), question.rtype, "asked");
                    html!(main, "</section>\n");
                }
            }
            main
        });
        Shown::of("/matrix", "Who sees what", main)
    }
}

/// A table of the answers for a name; `labelled_by` is the ID of its heading.
pub(super) fn rows(
    main: &mut Html,
    world: &Asked<'_>,
    name: NameRef<'_>,
    rtype: RecordType,
    labelled_by: &'static str,
) {
    answers(main, &matrix(world, name, rtype), labelled_by);
}

/// A table of answers by asker.
pub(crate) fn answers(main: &mut Html, rows: &[Row], labelled_by: &str) {
    html!(*main, "<table class=\"matrix\" aria-labelledby=\"" (labelled_by) "\">\n<thead><tr><th scope=\"col\">Clients in</th>\
        <th scope=\"col\">Answer</th></tr></thead>\n<tbody>\n");
    for Row { askers, seen } in rows {
        let side = if seen.private { "private" } else { "public" };
        html!(*main, "<tr data-key=\"" (askers.first().map_or("", String::as_str)) "\"><th scope=\"row\">");
        let (shown, more) = askers.split_at(askers.len().min(SHOWN));
        html!(*main, (shown.join(", ")));
        if !more.is_empty() {
            html!(*main, " <details><summary>and " (more.len()) " more</summary>" (more.join(", ")) "</details>");
        }
        html!(*main, "</th><td><span class=\"badge " (side) "\">" (side) "</span> " (seen.summary()));
        for alias in &seen.aliases {
            html!(*main, "<br>by <code>" (alias) "</code>");
        }
        html!(*main, "</td></tr>\n");
    }
    html!(*main, "</tbody>\n</table>\n");
}
