//! Formats an explanation as text.

use std::fmt::Write;

use anyhow::Context;

use crate::cli::dig;
use crate::questions::Explanation;

/// The whole text: the client, each name on the way, the answer in dig's format, and the conclusion. `note` is a further remark
/// about the client.
pub(super) fn text(explanation: &Explanation, note: Option<&str>) -> anyhow::Result<String> {
    let (who, notes) = explanation.asker.lines(note);
    let notes: String = notes.iter().map(|note| format!("({note})\n")).collect();
    let mut text = format!("{who}\n{notes}");
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes it");
    if let Some(custom_dns) = explanation.custom_dns_line() {
        line(format_args!("\n{custom_dns}"));
    }
    for (explained, number) in explanation.hops.iter().zip(1..) {
        line(format_args!("\n{number}. {}", explained.hop.name));
        for step in explained.lines() {
            line(format_args!("   {step}"));
        }
    }
    if !explanation.asks.is_empty() {
        let servers: Vec<_> = explanation.asks.iter().map(ToString::to_string).collect();
        line(format_args!("   asked there, in this order until one responds: {}", servers.join(", ")));
    }
    if let Some(answer) = &explanation.answer {
        text.push('\n');
        text.push_str(&dig::print(&answer.octets).context("the response cannot be read")?);
    }
    writeln!(text, "\n{}", explanation.conclusion).expect("a string takes it");
    for fault in &explanation.faults {
        writeln!(text, "(fault {}, on purpose: {})", fault.name, fault.what).expect("a string takes it");
    }
    for mistake in &explanation.mistakes {
        let code = mistake.code.map_or_else(String::new, |code| format!("; {code}"));
        writeln!(text, "(classic mistake: {}{code})", mistake.name).expect("a string takes it");
    }
    Ok(text)
}
