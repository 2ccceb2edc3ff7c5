//! Tables that fit a terminal: cells are wrapped within their column. If standard output is not a terminal, every row is one
//! line, for programs that read lines.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};

use terminal_size::{Width, terminal_size_of};

const FITS: &str = "a string takes it";
/// Between columns.
const GAP: &str = "  ";
/// A column does not become narrower than this, or than its longest cell.
const NARROWEST: usize = 8;

/// The width of the terminal; `None` if standard output is not one.
pub(super) fn terminal_width() -> Option<usize> {
    let out = stdout();
    let (Width(width), _) = terminal_size_of(&out).filter(|_| out.is_terminal())?;
    (width > 0).then_some(usize::from(width))
}

/// Rows of cells in columns, within a width if there is one.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]], width: Option<usize>) -> String {
    let natural: [usize; COLUMNS] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let gaps = GAP.len() * COLUMNS.saturating_sub(1);
    let widths = width.map_or(natural, |width| narrowed(natural, width.saturating_sub(gaps)));
    let mut text = String::new();
    for row in rows {
        let cells: [Vec<String>; COLUMNS] = std::array::from_fn(|column| wrapped(&row[column], widths[column]));
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let cells = cells.iter().zip(widths);
            let words = cells.map(|(cell, width)| format!("{:width$}", cell.get(line).map_or("", String::as_str)));
            writeln!(text, "{}", words.collect::<Vec<_>>().join(GAP).trim_end()).expect(FITS);
        }
    }
    text
}

/// Shrinks the widest columns until all fit, or none can shrink further.
fn narrowed<const COLUMNS: usize>(natural: [usize; COLUMNS], width: usize) -> [usize; COLUMNS] {
    let mut widths = natural;
    while widths.iter().sum::<usize>() > width {
        let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > NARROWEST) else { break };
        *widest -= 1;
    }
    widths
}

/// A cell wrapped to a width, where possible after a character that separates words or labels.
fn wrapped(cell: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = cell.chars().collect();
    let mut lines = Vec::new();
    let mut rest = letters.as_slice();
    while rest.len() > width.max(1) {
        let (line, _) = rest.split_at(width.max(1));
        let at = line.iter().rposition(|letter| matches!(letter, ' ' | '.' | '/' | '-' | '_' | ','));
        let (line, after) = rest.split_at(at.map_or(line.len(), |at| at + 1));
        lines.push(line.iter().collect::<String>().trim_end().to_owned());
        rest = after;
    }
    lines.push(rest.iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::{table, wrapped};

    fn rows() -> Vec<[String; 3]> {
        let rows = [
            ["TYPE", "ZONE", "N"],
            ["Microsoft.KeyVault/vaults", "privatelink.vaultcore.azure.net", "1"],
            ["ü", "a", "22"],
        ];
        rows.map(|row| row.map(str::to_owned)).into()
    }

    #[test]
    fn without_a_width_a_row_is_a_line() {
        assert_eq!(
            table(&rows(), None),
            "TYPE                       ZONE                             N\n\
             Microsoft.KeyVault/vaults  privatelink.vaultcore.azure.net  1\n\
             ü                          a                                22\n"
        );
        assert_eq!(table(&rows(), Some(200)), table(&rows(), None));
    }

    #[test]
    fn lines_fit_and_no_letter_is_lost() {
        let whole: String = table(&rows(), None).split_whitespace().collect();
        for width in 22..62 {
            let text = table(&rows(), Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            let sorted = |text: &str| {
                let mut letters: Vec<_> = text.chars().filter(|letter| !letter.is_whitespace()).collect();
                letters.sort_unstable();
                letters
            };
            assert_eq!(sorted(&text), sorted(&whole), "{width}\n{text}");
        }
    }

    #[test]
    fn cells_are_broken_between_labels_where_they_can_be() {
        assert_eq!(wrapped("privatelink.vaultcore.azure.net", 16), ["privatelink.", "vaultcore.azure.", "net"]);
        assert_eq!(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
