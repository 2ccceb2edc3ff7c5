//! The view "Queries": the last queries of a network, or of all networks, with their answers.

use super::html::{Html, html};
use super::{Pages, Shown, Visit};
use crate::server::{QueryFilter, WatchedQuery};
use crate::state::utc;

/// Maximum networks in the list.
const OFFERED: usize = 1000;

impl Pages {
    pub(super) fn queries(&self, visit: &Visit) -> Shown {
        let snapshot = self.control.published().load_full();
        let labels = snapshot.views_of_networks().map(|(_, network)| &*network.label);
        let mut labels: Vec<&str> = labels.take(OFFERED).collect();
        labels.sort_unstable();
        labels.dedup();
        labels.insert(0, QueryFilter::OUTSIDE);
        let mut main = Html::default();
        let wanted = visit.value("network");
        html!(
            main,
            "<form class=\"ask\" method=\"get\" action=\"/queries\"><p class=\"wide\"><label for=\"network\">Network\
            </label><select id=\"network\" name=\"network\"><option value=\"\">all</option>"
        );
        for label in labels.iter().copied().chain(wanted.filter(|wanted| !labels.contains(wanted))) {
            html!(main, "<option");
            if Some(label) == wanted {
                html!(main, " selected");
            }
            html!(main, ">" (label) "</option>");
        }
        html!(
            main,
            "</select></p><p><button>Show</button></p></form>\n\
            <p class=\"muted\">Queries are kept while somebody looks: up to 128 between two looks, the last 256 of a network. \
            Nothing of them is written anywhere. <span class=\"no-script\">Show again to see later ones.</span></p>\n"
        );
        let queries = self.query_log.watches().look(wanted, 0);
        table(&mut main, &queries, wanted.unwrap_or_default());
        Shown::of("/queries", "Queries", main)
    }
}

fn table(main: &mut Html, queries: &[WatchedQuery], network: &str) {
    let after = queries.last().map_or(0, |query| query.number);
    html!(
        *main,
        "<p><button type=\"button\" id=\"pause\" hidden>Pause</button></p>\n\
        <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Queries\""
    );
    if queries.is_empty() {
        html!(*main, " hidden");
    }
    html!(*main, "><table class=\"queries\" id=\"queries\" \
        data-network=\"" (network) "\" data-after=\"" (after) "\"><caption>Queries, the newest first</caption><thead><tr>\
        <th scope=\"col\">Time (UTC)</th><th scope=\"col\">Client</th><th scope=\"col\">Network</th><th scope=\"col\">Question</th>\
        <th scope=\"col\">Answer</th><th scope=\"col\">Through</th><th scope=\"col\">ms</th></tr></thead><tbody>\n");
    for query in queries.iter().rev() {
        let time = utc(std::time::UNIX_EPOCH + std::time::Duration::from_millis(query.time));
        let time = time.trim_end_matches('Z').rsplit('T').next().unwrap_or_default().to_owned();
        html!(*main, "<tr><td>" (time) "</td><td>" (query.client) "</td><td>" (query.network) "</td><td><code>"
            (query.qname.trim_end_matches('.')) "</code> " (query.qtype) "</td><td><strong>" (query.rcode) "</strong> <code>"
            (query.answer.join(", ")) "</code></td><td>" (query.through) " " (query.zone.as_deref().unwrap_or_default())
            "</td><td class=\"number\">" (format!("{:.2}", query.latency_us as f64 / 1000.0)) "</td></tr>\n");
    }
    html!(*main, "</tbody></table></div>\n<p id=\"none\"");
    if !queries.is_empty() {
        html!(*main, " hidden");
    }
    html!(*main, ">No query has come since somebody looks.</p>\n");
}
