//! The fenced blocks of a page.

/// A block of a page.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    /// What stands behind the fence.
    info: String,
    pub(crate) text: String,
    /// Line of the fence.
    pub(crate) line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Toml,
    Console,
    Sh,
    Text,
}

/// A command, its line in the page, and the lines that it prints.
pub(crate) type Exchange = (usize, String, Vec<String>);

/// All blocks of a page. A fence without a kind fails, as nobody would run what stands there.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let kind = match info.split(' ').next().unwrap() {
            "toml" => Kind::Toml,
            "console" => Kind::Console,
            "sh" => Kind::Sh,
            "text" | "go" | "java" | "csharp" => Kind::Text,
            other => panic!("line {}: a block of the kind {other:?}", at + 1),
        };
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_start() != "```");
        let text = body.map(|line| format!("{line}\n")).collect();
        blocks.push(Block { kind, info: info.to_owned(), text, line: at + 1 });
    }
    blocks
}

impl Block {
    /// What follows on a word behind the fence, such as `with=`.
    pub(crate) fn word(&self, word: &str) -> Option<&str> {
        self.info.split(' ').find_map(|found| found.strip_prefix(word))
    }

    /// Its commands.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut exchanges: Vec<Exchange> = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            let is_command = self.kind == Kind::Sh && !line.is_empty() && !line.starts_with('#');
            match line.strip_prefix("$ ").or_else(|| is_command.then_some(line)) {
                Some(command) => exchanges.push((self.line + at + 1, command.to_owned(), Vec::new())),
                None => {
                    if let Some((_, _, printed)) = exchanges.last_mut() {
                        printed.push(line.to_owned());
                    }
                }
            }
        }
        exchanges
    }
}
