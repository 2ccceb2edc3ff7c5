//! Findings as workflow commands of GitHub Actions, which annotate lines of files (docs.github.com, "Workflow commands for GitHub
//! Actions", setting an error message).

use super::artifact;
use crate::config::{Problem, Problems};

/// A line for each finding.
pub(super) fn report(problems: &Problems) -> String {
    problems.iter().map(command).collect()
}

fn command(problem: &Problem) -> String {
    let (file, address) = artifact(&problem.place);
    let mut properties = vec![format!("file={}", property(&file))];
    if problem.place.line > 0 {
        properties.push(format!("line={},col={}", problem.place.line, problem.place.column));
    }
    properties.push(format!("title={}", property(&format!("{} {}", problem.code, problem.code.name()))));
    let place = address.map_or_else(String::new, |address| format!("{address}: "));
    let message = data(&format!("{place}{}\nhelp: {}", problem.what, problem.mend));
    format!("::{} {}::{message}\n", problem.severity().as_str(), properties.join(","))
}

/// Escapes the text after `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{command, data, property};
    use crate::codes::Code;
    use crate::config::{Place, Problem};

    #[test]
    fn what_separates_is_escaped() {
        assert_eq!(data("50%\r\nof it: a, b"), "50%25%0D%0Aof it: a, b");
        assert_eq!(property("50%\r\nC:\\a,b.toml"), "50%25%0D%0AC%3A\\a%2Cb.toml");
    }

    #[test]
    fn a_command_has_place_and_title_and_both_sentences() {
        let place = |file: &str, line, column| Place { file: file.into(), line, column };
        let problem = |place| Problem {
            code: Code::DanglingAlias,
            place,
            what: "100% wrong\n::error::not a command".to_owned(),
            mend: "mend it".to_owned(),
        };
        assert_eq!(
            command(&problem(place("a,b.toml", 3, 7))),
            "::warning file=a%2Cb.toml,line=3,col=7,title=VN509 dangling-alias::100%25 wrong%0A::error::not a command\
             %0Ahelp: mend it\n"
        );
        assert_eq!(
            command(&problem(place("state.json: module.a[0]", 0, 0))),
            "::warning file=state.json,title=VN509 dangling-alias::module.a[0]: 100%25 wrong%0A::error::not a command\
             %0Ahelp: mend it\n"
        );
    }
}
