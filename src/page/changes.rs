//! The view "Changes": what clients of the management API and of DNS UPDATE have changed, by revision, and the conditions of the
//! server.

use super::html::{Html, html};
use super::{Pages, Shown};
use crate::observe::{Condition, Held};
use crate::state::{Key, Past, utc};

/// Maximum revisions shown.
const REVISIONS: usize = 100;
/// Maximum documents shown for a revision.
const DOCUMENTS: usize = 20;

impl Pages {
    pub(super) fn changes(&self) -> Shown {
        let mut main = Html::default();
        html!(main, "<div id=\"changes\" data-live>\n");
        let snapshot = self.control.published().load_full();
        html!(main, "<p class=\"conclusion\">Generation " (snapshot.generation().number()) " is served");
        if let Some(store) = &self.store {
            html!(main, ", revision " (store.head()) " of the state is the last one");
        }
        html!(main, ".</p>\n");
        conditions(&mut main, &self.control.metrics().conditions());
        match &self.store {
            None => {
                html!(main, "<p>The server keeps no state: what is served changes by reloads of its files alone.</p>\n")
            }
            Some(store) => match store.read().and_then(|reader| reader.history(REVISIONS)) {
                Ok(past) => revisions(&mut main, &past),
                Err(error) => {
                    html!(main, "<p class=\"error\" role=\"alert\">The state cannot be read: " (error) "</p>\n")
                }
            },
        }
        html!(main, "</div>\n");
        Shown::of("/changes", "Changes", main)
    }
}

fn conditions(main: &mut Html, conditions: &[Held]) {
    for Held { about, condition, lasts } in conditions {
        let (Condition::Down(why) | Condition::Degraded(why)) = condition;
        html!(*main, "<p class=\"error\">" (about) ": " (why) " (for " (lasts.as_secs()) " seconds)</p>\n");
    }
}

fn revisions(main: &mut Html, past: &[Past]) {
    if past.is_empty() {
        return html!(*main, "<p>Nothing has been written yet.</p>\n");
    }
    html!(
        *main,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Revisions\"><table class=\"changes\">\
        <caption>The last revisions</caption><thead><tr><th scope=\"col\">Revision</th><th scope=\"col\">Time (UTC)</th>\
        <th scope=\"col\">What</th></tr></thead><tbody>\n"
    );
    for Past { revision, time, made, changed, deleted } in past {
        let time = utc(*time);
        html!(*main, "<tr data-key=\"" (revision) "\"><th scope=\"row\">" (revision) "</th><td><time datetime=\"" (time) "\">"
            (time.replace('T', " ").trim_end_matches('Z')) "</time></td><td><ul>");
        let all: [(&str, &[Key]); 3] = [("made", made), ("changed", changed), ("deleted", deleted)];
        let all = all.iter().flat_map(|(verb, keys)| keys.iter().map(move |key| (*verb, key)));
        for (verb, key) in all.take(DOCUMENTS) {
            html!(*main, "<li><span class=\"badge " (verb) "\">" (verb) "</span> <code title=\"" (key) "\">"
                (short(key.as_str())) "</code></li>");
        }
        let more = (made.len() + changed.len() + deleted.len()).saturating_sub(DOCUMENTS);
        if more > 0 {
            html!(*main, "<li>and " (more) " more</li>");
        }
        html!(*main, "</ul></td></tr>\n");
    }
    html!(*main, "</tbody></table></div>\n");
}

/// A resource ID without subscription and provider: group, types and names.
fn short(id: &str) -> String {
    let Some((before, after)) = id.split_once("/providers/") else {
        return id.rsplit_once("/subscriptions/").map_or(id, |(_, rest)| rest).to_owned();
    };
    let group = before.rsplit('/').next().unwrap_or_default();
    let names = after.split_once('/').map_or(after, |(_, names)| names);
    format!("{group}: {names}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ids_are_shown_without_what_is_the_same_in_all() {
        let id = "/subscriptions/0/resourcegroups/rg/providers/microsoft.network/privatednszones/corp.test/a/web";
        assert_eq!(short(id), "rg: privatednszones/corp.test/a/web");
        assert_eq!(short("/subscriptions/0/resourcegroups/rg"), "0/resourcegroups/rg");
    }
}
