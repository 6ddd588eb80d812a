//! Names in braces, `{zlib}`. In values of `environment` they stand for folders; elsewhere for
//! nothing, and who writes one is told so.

use std::ops::Range;

use crate::error::RecipeErrorKind;

/// Returns the names in braces of a text, and where they stand with their braces. `${name}` is a
/// shell's.
pub(crate) fn names(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.match_indices('{')
        .filter_map(|(place, _)| name_at(text, place))
}

/// Makes the error for a name in braces that stands for nothing.
pub(crate) fn unknown(name: &str, within: &'static str, help: &'static str) -> RecipeErrorKind {
    RecipeErrorKind::Placeholder {
        name: name.to_owned(),
        within,
        suggestion: None,
        help,
    }
}

/// Returns the first name in braces of a shell script that the shell would take as it stands,
/// unless it is in single quotes, where somebody means just that: other languages have braces.
pub(crate) fn in_script(text: &str) -> Option<(Range<usize>, &str)> {
    Script {
        text,
        at: 0,
        inside: Vec::new(),
        documents: Vec::new(),
    }
    .find()
}

fn name_at(text: &str, place: usize) -> Option<(Range<usize>, &str)> {
    let rest = text.get(place..)?.strip_prefix('{')?;
    let name = &rest[..rest.find('}')?];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let is_others = text[..place].ends_with(['$', '@', '\\']);
    (is_name && !is_others).then(|| (place..place + name.len() + 2, name))
}

/// What of a script is read, as far as quotes matter.
struct Script<'t> {
    text: &'t str,
    at: usize,
    /// What is open, the innermost last.
    inside: Vec<Inside>,
    /// Words that end here-documents, which begin at the next line; and whether tabs may stand before
    /// them.
    documents: Vec<(&'t str, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    DoubleQuotes,
    Parentheses,
    Backquotes,
}

impl<'t> Script<'t> {
    fn find(mut self) -> Option<(Range<usize>, &'t str)> {
        while let Some(letter) = self.rest().chars().next() {
            let quoted = self.inside.last() == Some(&Inside::DoubleQuotes);
            match letter {
                '{' if name_at(self.text, self.at).is_some() => {
                    return name_at(self.text, self.at);
                }
                '\\' => self.at += 1,
                '\'' if !quoted => self.skip_to('\''),
                '"' => self.open_or_close(Inside::DoubleQuotes),
                '`' => self.open_or_close(Inside::Backquotes),
                '(' if !quoted || self.text[..self.at].ends_with('$') => {
                    self.inside.push(Inside::Parentheses);
                }
                ')' if self.inside.last() == Some(&Inside::Parentheses) => {
                    self.inside.pop();
                }
                '#' if !quoted && self.begins_word() => {
                    self.skip_to('\n');
                    continue;
                }
                '<' if !quoted && self.rest().starts_with("<<") => {
                    self.begin_document();
                    continue;
                }
                '\n' => self.skip_documents(),
                _ => {}
            }
            // What was escaped may be longer than one byte.
            let letter = self.rest().chars().next().map_or(0, char::len_utf8);
            self.at += letter;
        }
        None
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn open_or_close(&mut self, inside: Inside) {
        if self.inside.last() == Some(&inside) {
            self.inside.pop();
        } else {
            self.inside.push(inside);
        }
    }

    /// Goes on to a letter behind this one, or to the end.
    fn skip_to(&mut self, letter: char) {
        let rest = &self.text[self.at + 1..];
        let found = rest.find(letter);
        self.at = found.map_or(self.text.len(), |found| self.at + 1 + found);
    }

    fn begins_word(&self) -> bool {
        let before = self.text[..self.at].chars().next_back();
        before.is_none_or(|before| before.is_whitespace() || ";&|(".contains(before))
    }

    fn begin_document(&mut self) {
        self.at += "<<".len();
        let tabs = self.rest().starts_with('-');
        let word = self.rest().trim_start_matches(['-', '<', ' ', '\t']);
        let end = word.find(|c: char| c.is_whitespace() || ";&|)<>".contains(c));
        let word = &word[..end.unwrap_or(word.len())];
        self.documents
            .push((word.trim_matches(['\'', '"', '\\']), tabs));
        let start = self.rest().find(word).unwrap_or_default();
        self.at += start + word.len();
    }

    /// Passes over the here-documents that begin behind this end of a line; stays before the next.
    fn skip_documents(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.documents) {
            let mut is_last = false;
            while !is_last && self.at < self.text.len() {
                let rest = &self.text[self.at + 1..];
                let line = rest.split('\n').next().unwrap_or_default();
                is_last = end
                    == if tabs {
                        line.trim_start_matches('\t')
                    } else {
                        line
                    };
                self.at += 1 + line.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Choice as _;
    use crate::recipe::{BuildSystem, LibraryRecipe, RecipeSet};

    #[test]
    fn names_in_braces_are_found() {
        let found = |text| names(text).map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(found("{a}/lib:{b-c}"), ["a", "b-c"]);
        for none in [
            "", "{}", "{1}", "{0,1}", "${a}", "HEAD@{u}", "{a b}", "{a", "a}", "\\{a}",
        ] {
            assert_eq!(found(none), [] as [&str; 0], "{none}");
        }
        assert_eq!(names("é{a}").next(), Some((2..5, "a")));
    }

    #[test]
    fn what_a_shell_takes_as_it_stands() {
        for (script, expected) in [
            ("make PREFIX={out}", Some("out")),
            ("make PREFIX=\"{out}\"", Some("out")),
            ("echo it\\'s {a}", Some("a")),
            ("# don't {a}\nmake {b}", Some("b")),
            ("echo \"it's\" {a}", Some("a")),
            ("echo \"$(echo 'x' \"y\")\" {a}", Some("a")),
            ("cat <<END\n{a}\nEND\necho {b}", Some("b")),
            (
                "cat <<-'END' >x; cat <<F\n{a}\n\tEND\n{b}\nF\n{c}",
                Some("c"),
            ),
            ("é\\é {a}", Some("a")),
            ("make PREFIX=\"${out}\"", None),
            ("awk '{print}' x", None),
            ("x=\"$(awk '{print}' x)\"", None),
            ("x=`awk '{print}' x`", None),
            ("f() { make; }; f", None),
            ("find . -exec rm {} +", None),
            ("cp {a,b} c", None),
            ("cat <<'END'\nint x[] = {a};\nEND\n", None),
            ("cat <<END", None),
            ("\\", None),
            ("'", None),
        ] {
            let found = in_script(script);
            assert_eq!(found.as_ref().map(|(_, name)| *name), expected, "{script}");
            if let Some((place, name)) = found {
                assert_eq!(script[place], format!("{{{name}}}"));
            }
        }
    }

    #[test]
    fn scripts_that_are_shipped_have_none() {
        let libraries = RecipeSet::shipped();
        let scripts = libraries.libraries().map(LibraryRecipe::lines);
        let systems = BuildSystem::ALL.iter().map(|system| system.script(&[]));
        for script in scripts.chain(systems) {
            assert_eq!(in_script(&script), None, "{script}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_script_is_read_to_its_end(text in "[a-z'\"`$(){}<\\\\\n\té#-]{0,40}") {
            in_script(&text);
        }
    }
}
