//! Rust source with its comments and literals blanked, and the functions in it.

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) lines: usize,
}

/// `source` with every comment, string and character literal replaced by
/// spaces; lines and columns (in characters) stay.
pub(crate) fn code_only(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while let Some(character) = characters.get(at) {
        let length = blank_length(&characters, at);
        if length == 0 {
            code.push(*character);
            at += 1;
        } else {
            let end = characters.len().min(at + length);
            let blanked = characters[at..end].iter();
            code.extend(blanked.map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// How many characters from `at` belong to the comment or literal that starts
/// there; 0 where none does.
fn blank_length(characters: &[char], at: usize) -> usize {
    let rest = &characters[at..];
    match rest {
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => block_comment_length(rest),
        ['"', ..] => string_length(rest),
        ['\'', '\\', ..] => 3 + rest.iter().skip(3).take_while(|c| **c != '\'').count() + 1,
        ['\'', _, '\'', ..] => 3,
        ['r', '"' | '#', ..] if !ends_a_word(characters, at) => raw_string_length(rest),
        _ => 0,
    }
}

/// Whether the character before `at` makes what starts there the end of a
/// longer word. The prefixes of byte and C strings do not.
fn ends_a_word(characters: &[char], at: usize) -> bool {
    let before = |distance: usize| at.checked_sub(distance).map(|index| characters[index]);
    match before(1) {
        Some('b' | 'c') => before(2).is_some_and(is_word),
        other => other.is_some_and(is_word),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment_length(rest: &[char]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        let step = match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                2
            }
            ['*', '/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(rest: &[char]) -> usize {
    let mut at = 1;
    loop {
        match rest.get(at) {
            Some('\\') => at += 2,
            Some('"') | None => return at + 1,
            Some(_) => at += 1,
        }
    }
}

/// 0 where `r` starts a raw identifier and no string.
fn raw_string_length(rest: &[char]) -> usize {
    let hashes = rest.iter().skip(1).take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let body = 2 + hashes;
    let ends =
        |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).eq(&vec!['#'; hashes]);
    let end = (body..rest.len()).find(ends).unwrap_or(rest.len());
    end + 1 + hashes
}

/// The functions of `code`, whose comments and literals are blank, in order.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let words = code.match_indices("fn ");
    words
        .filter(|(at, _)| !code[..*at].ends_with(is_word))
        .filter_map(|(at, word)| function(code, at, at + word.len()))
        .collect()
}

/// The function whose `fn` is at `start` and whose name is at `name`; `None`
/// where it has no body.
fn function(code: &str, start: usize, name: usize) -> Option<Function> {
    let rest = &code[name..];
    let name: String = rest
        .trim_start()
        .chars()
        .take_while(|c| is_word(*c))
        .collect();
    let body = body(rest)?;
    let end = matching_brace(&rest[body..])?;
    let newlines = |text: &str| text.matches('\n').count();
    (!name.is_empty()).then(|| Function {
        name,
        line: newlines(&code[..start]) + 1,
        lines: newlines(&rest[..body + end]) + 1,
    })
}

/// Where the body of a function starts, in the text behind its `fn`.
fn body(rest: &str) -> Option<usize> {
    let mut depth = 0i32;
    for (at, character) in rest.char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Where the brace that starts `text` is closed.
pub(crate) fn matching_brace(text: &str) -> Option<usize> {
    let mut depth = 0i32;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// `code` without its inline test modules (`#[cfg(test)] mod … { … }`).
pub(crate) fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, behind)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let item = behind.trim_start();
        let braces = item
            .find(['{', ';'])
            .filter(|at| item[*at..].starts_with('{'));
        rest = match braces.filter(|_| item.starts_with("mod ")) {
            Some(open) => {
                let close = matching_brace(&item[open..]).unwrap_or(0);
                &item[open + close..]
            }
            None => behind,
        };
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        for (source, want) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"x("a{\"}", 'b')"#, "x(       ,    )"),
            ("'{' '\\'' '\\u{7d}' &'a str", "                  &'a str"),
            ("r#\"{\"{\"# br\"}\" r#fn", "         b     r#fn"),
            ("for\"x\"", "for   "),
            ("\"open", "     "),
        ] {
            assert_eq!(code_only(source), want, "{source}");
        }
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let code = code_only(
            "impl A {\n    fn one(&self) -> [u8; 2] {\n        // }\n        [0, 1]\n    }\n}\n\
             trait B { fn none(&self); fn two() {} }\ntype C = fn (u8) -> u8;\n",
        );
        let function = |name: &str, line, lines| Function {
            name: name.into(),
            line,
            lines,
        };
        assert_eq!(
            functions(&code),
            [function("one", 2, 4), function("two", 7, 1)]
        );
    }

    #[test]
    fn inline_test_modules_are_left_out() {
        let code = "use a;\n#[cfg(test)]\nmod tests { fn f() { b::c() } }\nfn g() {}";
        let kept = without_tests(code);
        assert!(kept.contains("use a;") && kept.contains("fn g()"), "{kept}");
        assert!(!kept.contains("b::c"), "{kept}");
        let code = "#[cfg(test)]\nmod tests;\nfn g() { h::i() }";
        assert!(without_tests(code).contains("h::i"));
    }
}
