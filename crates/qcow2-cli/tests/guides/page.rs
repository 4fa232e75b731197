//! The commands of a page, and what it says they print.
//!
//! - In a block of `console`, a line that begins with `$ ` is a command, and the lines up
//!   to the next one are what it prints, both outputs together. `…` stands for any text in
//!   a line, and alone in a line for any lines.
//! - In a block of `sh`, every line is a command, whose output is not shown.
//! - A command goes on in the next line after a `\`, and up to the end of its here-document.
//! - `# exit code N` at the end of a command says how it ends, if not with 0.
//! - `<!-- run: WORDS -->` runs WORDS, a function of the page's setup, where the page only
//!   tells that something happened.
//!
//! Blocks of other languages are only for reading.

/// A command, and what the page says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The line of the page, from 1.
    pub(super) line: usize,
    pub(super) command: String,
    pub(super) code: i32,
    /// What it prints, if the page shows that.
    pub(super) shown: Option<Vec<String>>,
}

/// The commands of a page, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) steps: Vec<Step>,
}

/// What a line of a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Prose,
    Console,
    Shell,
    Other,
}

const HIDDEN: (&str, &str) = ("<!-- run: ", " -->");
const ENDS_WITH: &str = "# exit code ";

impl Page {
    /// Reads the page `text`. An error is what is wrong with the page, and where.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut steps = Vec::<Step>::new();
        let mut block = Block::Prose;
        let mut lines = (1..).zip(text.lines());
        while let Some((line, text)) = lines.next() {
            if let Some(language) = text.strip_prefix("```") {
                block = next_block(block, language);
                continue;
            }
            let command = match block {
                Block::Prose => hidden(text),
                Block::Console => text.strip_prefix("$ "),
                Block::Shell => {
                    Some(text).filter(|text| !text.is_empty() && !text.starts_with('#'))
                }
                Block::Other => continue,
            };
            if let Some(command) = command {
                let command = whole(command, &mut lines);
                steps.push(Step {
                    line,
                    code: code(&command).map_err(|error| format!("{line}: {error}"))?,
                    command,
                    shown: (block == Block::Console).then(Vec::new),
                });
            } else if block == Block::Console {
                let shown = steps.last_mut().and_then(|step| step.shown.as_mut());
                let shown = shown.ok_or_else(|| format!("{line}: no command prints this"))?;
                shown.push(text.to_owned());
            }
        }
        if block != Block::Prose {
            return Err("a block has no end".to_owned());
        }
        for shown in steps.iter_mut().filter_map(|step| step.shown.as_mut()) {
            // A blank line is for the eye, before the next command.
            let end = shown.iter().rposition(|line| !line.is_empty());
            shown.truncate(end.map_or(0, |last| last + 1));
        }
        Ok(Self { steps })
    }
}

fn next_block(block: Block, language: &str) -> Block {
    match (block, language) {
        (Block::Prose, "console") => Block::Console,
        (Block::Prose, "sh") => Block::Shell,
        (Block::Prose, _) => Block::Other,
        _ => Block::Prose,
    }
}

/// The words that a line of prose has to be run, and does not show.
fn hidden(text: &str) -> Option<&str> {
    text.strip_prefix(HIDDEN.0)?.strip_suffix(HIDDEN.1)
}

/// A command that begins with the line `first`, with the `lines` that belong to it.
fn whole<'a>(first: &str, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> String {
    let mut command = first.to_owned();
    let mut last = first;
    let document = |text: &str| {
        let word = text.split_once("<<")?.1.trim_start_matches('\'');
        let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
        Some(word).filter(|word| !word.is_empty())
    };
    let mut until = document(first);
    while last.ends_with('\\') || until.is_some() {
        let Some((_, line)) = lines.next() else { break };
        command.push('\n');
        command.push_str(line);
        match &until {
            Some(word) if line == word => break,
            Some(_) => {}
            None => until = document(line),
        }
        last = line;
    }
    command
}

/// What a command ends with, by its first line that says so.
fn code(command: &str) -> Result<i32, String> {
    let mut said = command
        .lines()
        .filter_map(|line| line.split_once(ENDS_WITH));
    said.next().map_or(Ok(0), |(_, code)| {
        let error = |error| format!("{code:?} is no exit code: {error}");
        code.trim().parse().map_err(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: usize, command: &str, code: i32, shown: Option<&[&str]>) -> Step {
        Step {
            line,
            command: command.into(),
            code,
            shown: shown.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()),
        }
    }

    #[test]
    fn commands_are_found_with_what_they_print() {
        let text = "# A page\n```console\n$ one\nout\n\n$ two  # exit code 3\n```\n\
                    <!-- run: change it -->\n```sh\n# a word\nthree \\\n  more\n```\n\
                    ```json\n$ no\n```\n```console\n$ cat >x <<'END'\n$ in x\nEND\nprinted\n```\n";
        let steps = vec![
            step(3, "one", 0, Some(&["out"])),
            step(6, "two  # exit code 3", 3, Some(&[])),
            step(8, "change it", 0, None),
            step(11, "three \\\n  more", 0, None),
            step(18, "cat >x <<'END'\n$ in x\nEND", 0, Some(&["printed"])),
        ];
        assert_eq!(Page::read(text), Ok(Page { steps }));
    }

    #[test]
    fn a_page_that_is_wrong_is_told() {
        let error = |text| Page::read(text).unwrap_err();
        assert_eq!(error("```console\nout\n```\n"), "2: no command prints this");
        assert_eq!(error("```sh\none\n"), "a block has no end");
        assert_eq!(
            error("```sh\none # exit code x\n```\n"),
            "2: \"x\" is no exit code: invalid digit found in string"
        );
    }
}
