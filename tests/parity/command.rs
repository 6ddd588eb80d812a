//! [`Command`]: one command line with its environment, read from text for a shell.

use std::collections::BTreeMap;

/// A process that was run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Command {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

impl Command {
    /// Makes a command of the words `NAME=VALUE … PROGRAM ARGUMENT …`.
    pub(crate) fn of(words: Vec<String>) -> Self {
        let mut command = Self::default();
        let mut words = words.into_iter();
        for word in words.by_ref() {
            // A program's path holds a slash before any `=`.
            match word.split_once('=') {
                Some((name, value)) if !name.contains('/') => {
                    command.variables.insert(name.to_owned(), value.to_owned());
                }
                _ => {
                    command.program = word;
                    break;
                }
            }
        }
        command.arguments = words.collect();
        command
    }

    /// The file name of its program.
    pub(crate) fn program_name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or_default()
    }
}

/// Splits text as a shell does, up to an unquoted `end`.
pub(crate) fn words(text: &str, end: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter == end => break,
            '\'' => {
                let quoted = letters.by_ref().take_while(|letter| *letter != '\'');
                word.get_or_insert_default().extend(quoted);
            }
            '\\' => match letters.next() {
                Some('\n') | None => words.extend(word.take()),
                Some(letter) => word.get_or_insert_default().push(letter),
            },
            ' ' | '\n' => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_command_is_read_as_a_shell_reads_it() {
    let text =
        "A='x y' EMPTY='' \\\nB='it'\\''s' C=a=b /bin/rustc --cfg 'feature=\"a\"' '' -C x=y` rest";
    let command = Command::of(words(text, '`'));
    let variables: Vec<_> = command.variables.iter().collect();
    let expected = [("A", "x y"), ("B", "it's"), ("C", "a=b"), ("EMPTY", "")];
    assert_eq!(
        variables,
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .iter()
            .map(|(name, value)| (name, value))
            .collect::<Vec<_>>()
    );
    assert_eq!(command.program, "/bin/rustc");
    assert_eq!(
        command.arguments,
        ["--cfg", "feature=\"a\"", "", "-C", "x=y"]
    );
}
