//! Completions for shells and manual pages: shells and `man` take them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::support::PROGRAM;

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_remove("RUST_LOG").output().unwrap()
}

/// Gives a text to a program; `None` where it is not installed.
fn piped(program: &str, arguments: &[&str], text: &[u8]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn each_shell_reads_its_completions() {
    for (shell, program, arguments) in
        [("bash", "bash", &["-n"][..]), ("zsh", "zsh", &["-n"]), ("fish", "fish", &["--no-execute"])]
    {
        let script = run(&["completions", shell]).stdout;
        let text = String::from_utf8_lossy(&script);
        for word in ["serve", "catalogue", "check", "allow", "explain"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
        let Some(output) = piped(program, arguments, &script) else { continue };
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // What bash offers behind `vnetdns che` and `vnetdns check --for`.
    let mut script = run(&["completions", "bash"]).stdout;
    script.extend_from_slice(
        b"\noffer() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=();\n\
          _vnetdns vnetdns \"${!#}\" \"${@: -2:1}\"; echo \"${COMPREPLY[*]}\"; }\n\
          offer vnetdns che\noffer vnetdns check --for\n",
    );
    let output = piped("bash", &[], &script).expect("bash is installed");
    let offered = String::from_utf8_lossy(&output.stdout);
    assert_eq!(offered.lines().collect::<Vec<_>>(), ["check", "--format"], "{output:?}");
}

#[test]
fn each_command_has_a_manual_page_that_man_takes() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert!(run(&["man", pages.to_str().unwrap()]).status.success());
    let written: BTreeSet<_> = fs::read_dir(&pages).unwrap().map(|page| page.unwrap().file_name()).collect();
    for page in
        ["vnetdns.1", "vnetdns-check.1", "vnetdns-serve.1", "vnetdns-catalogue-name.1", "vnetdns-control-reload.1"]
    {
        assert!(written.contains(page.as_ref() as &std::ffi::OsStr), "{page}: {written:?}");
    }
    for page in written {
        let text = fs::read(pages.join(&page)).unwrap();
        let page = page.to_string_lossy();
        assert!(String::from_utf8_lossy(&text).contains(".TH "), "{page}");
        // What groff says is what `man` would show; that a long word leaves gaps in a line is no mistake.
        let Some(output) = piped("groff", &["-k", "-man", "-Tutf8", "-z"], &text) else { continue };
        let said = String::from_utf8_lossy(&output.stderr);
        let mistakes: Vec<_> = said.lines().filter(|line| !line.ends_with("cannot adjust line")).collect();
        assert!(output.status.success() && mistakes.is_empty(), "{page}: {mistakes:?}");
    }
}

#[test]
fn errors_look_the_same_in_every_command() {
    let file = "no-such-file.toml";
    for (arguments, code) in [
        (&["explain", "--config", file, "--from", "10.0.0.4", "a.test"][..], 1),
        (&["matrix", "--config", file, "a.test"], 1),
        (&["resources", file], 1),
        (&["forwarders", "--config", file, "--for", "unbound", "--server", "127.0.0.1"], 1),
        (&["diff", file, file], 2),
        (&["test", "--config", file, file], 2),
        (&["import", file], 1),
        (&["matrix", "--lab", "default", "a..b"], 1),
        (&["matrix", "--lab", "default", "--type", "NONE", "a.test"], 1),
        (&["catalogue", "name", "a.b.c.nobody.example"], 1),
        (&["catalogue", "name", "nobody.example"], 1),
        (&["catalogue", "--region", "atlantis"], 1),
        (&["diff", file], 2),
        (&["diff", "--server", "nobody", file], 2),
        (&["health", "--metrics", "127.0.0.1:1"], 1),
        (&["check", "--allow", "VN999"], 2),
        (&["no-such-command"], 2),
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        // As clap has it, or with the place first, as problems of a file have it.
        let first = stderr.lines().next().unwrap_or_default();
        let is_problem = first.contains(&format!("{file}: error[VN001]: cannot read the file: "));
        assert!(first.starts_with("error: ") || is_problem, "{arguments:?}: {stderr}");
    }
}
