//! The picture: endpoints, networks and zones in columns, connected by curves.

use super::super::html::{Html, html};
use super::Part;

/// Width of the picture, height of a box and of a row.
const WIDTH: usize = 1100;
const HEIGHT: usize = 44;
const ROW: usize = 56;
/// The top of the boxes, below the titles of columns.
const TOP: usize = 44;
/// The left edges of the columns, and the widths of their boxes: endpoints, networks, zones.
const COLUMNS: [usize; 3] = [4, 372, 716];
const BOXES: [usize; 3] = [250, 230, 380];
/// Estimated maximum width of a character in pixels.
const CHARACTER: usize = 7;
/// Maximum curves between networks and zones.
const CURVES: usize = 300;

pub(super) fn draw(main: &mut Html, part: &Part<'_>) {
    let rows = part.networks.len().max(part.zones.len()).max(part.endpoints.len());
    let height = TOP + rows * ROW + 10;
    let middle = |count: usize, at: usize| TOP + (rows - count) * ROW / 2 + at * ROW;
    let endpoint_at = |at: usize| middle(part.endpoints.len(), at);
    let network_at = |at: usize| middle(part.networks.len(), at);
    let zone_at = |at: usize| middle(part.zones.len(), at);
    html!(*main, "<figure class=\"picture\">\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Picture\">\n\
        <svg viewBox=\"0 0 " (WIDTH) " " (height) "\" width=\"" (WIDTH) "\" height=\"" (height)
        "\" role=\"img\" aria-label=\"" (part.endpoints.len()) " private endpoints, " (part.networks.len()) " networks and "
        (part.zones.len()) " zones with " (part.links.len()) " links between them; the tables below say the same\">\n");
    for (x, title) in COLUMNS.into_iter().zip(["Private endpoints", "Networks", "Private zones"]) {
        html!(*main, "<text class=\"title\" x=\"" (x) "\" y=\"24\">" (title) "</text>\n");
    }
    for (at, of) in part.endpoints.iter().enumerate() {
        let class = if of.is_approved() { "holds" } else { "holds waits" };
        curve(main, class, (0, endpoint_at(at)), (1, network_at(of.network)), of.endpoint.id.name());
    }
    for link in part.links.iter().take(CURVES) {
        let class = match (link.redirects, link.registers) {
            (true, _) => "link redirects",
            (false, true) => "link registers",
            (false, false) => "link",
        };
        curve(main, class, (1, network_at(link.network)), (2, zone_at(link.zone)), &link.name);
    }
    for (at, of) in part.endpoints.iter().enumerate() {
        let class = if of.is_approved() { "endpoint" } else { "endpoint waits" };
        let state = format!("{} · {:?}", of.addresses(), of.endpoint.connection_state);
        node(main, class, (0, endpoint_at(at)), of.endpoint.id.name(), &state);
    }
    for (at, (_, label)) in part.networks.iter().enumerate() {
        let links = part.links.iter().filter(|link| link.network == at).count();
        node(main, "network", (1, network_at(at)), label, &counted(links, "link"));
    }
    for (at, zone) in part.zones.iter().enumerate() {
        let writers = part.endpoints.iter().filter(|of| of.is_approved() && of.zones.contains(&at)).count();
        let below = match writers {
            0 => format!("in {}", zone.group),
            1 => format!("in {} · 1 endpoint writes here", zone.group),
            writers => format!("in {} · {writers} endpoints write here", zone.group),
        };
        node(main, "zone", (2, zone_at(at)), &zone.apex, &below);
    }
    html!(
        *main,
        "</svg>\n</div>\n<figcaption><span class=\"key\">link</span> <span class=\"key redirects\">link that falls back \
        to public DNS</span> <span class=\"key registers\">link that registers machines</span> <span class=\"key waits\">\
        connection that is not approved</span></figcaption>\n</figure>\n"
    );
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A curve from the right side of one box to the left side of another, each given by its column and top.
fn curve(main: &mut Html, class: &str, (from, top): (usize, usize), (to, other): (usize, usize), name: &str) {
    let (x1, y1, x2, y2) = (COLUMNS[from] + BOXES[from], top + HEIGHT / 2, COLUMNS[to], other + HEIGHT / 2);
    let (bend, back) = (x1 + (x2 - x1) / 2, x2 - (x2 - x1) / 2);
    html!(*main, "<path class=\"" (class) "\" d=\"M" (x1) " " (y1) "C" (bend) " " (y1) " " (back) " " (y2) " " (x2) " " (y2)
        "\"><title>" (name) "</title></path>\n");
}

fn node(main: &mut Html, class: &str, (column, y): (usize, usize), name: &str, below: &str) {
    let (x, width) = (COLUMNS[column], BOXES[column]);
    let cut = |text: &str| cut(text, (width - 28) / CHARACTER);
    html!(*main, "<g class=\"node " (class) "\"><title>" (name) "</title><rect x=\"" (x) "\" y=\"" (y) "\" width=\"" (width)
        "\" height=\"" (HEIGHT) "\" rx=\"9\"/>");
    let baseline = if below.is_empty() { y + 27 } else { y + 19 };
    html!(*main, "<text x=\"" (x + 14) "\" y=\"" (baseline) "\">" (cut(name)) "</text>");
    if !below.is_empty() {
        html!(*main, "<text class=\"below\" x=\"" (x + 14) "\" y=\"" (y + 35) "\">" (cut(below)) "</text>");
    }
    html!(*main, "</g>\n");
}

/// Shortens a text to `most` characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
