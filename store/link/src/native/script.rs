//! Version scripts: which names a library exports, under which nodes.
//!
//! ```text
//! ZLIB_1.2.0 { global: inflate; local: *; };    # a node
//! ZLIB_1.2.3 { extern "C++" { x*; }; } ZLIB_1.2.0;  /* one that follows another */
//! { global: inflate; };                         one without a name, which is then alone
//! ```
//!
//! Only the names of nodes are changed; everything else is kept, letter by letter.

use std::collections::BTreeSet;

use super::Names;

/// A version script with the names of its nodes made unique.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// The script.
    pub(super) text: String,
    /// What its nodes were called.
    pub(super) nodes: BTreeSet<String>,
    /// Whether it says what becomes of every name: one that it does not list would otherwise be
    /// exported without a node.
    pub(super) complete: bool,
}

/// Makes the names of a script's nodes unique.
pub(super) fn rename(text: &str, names: &Names) -> Result<Script, &'static str> {
    let mut reader = Reader {
        rest: text,
        names,
        depth: 0,
        named: false,
        script: Script::default(),
    };
    while let Some(piece) = reader.next()? {
        reader.piece(piece);
    }
    if reader.depth > 0 {
        return Err("a `{` is never closed");
    }
    Ok(reader.script)
}

/// Returns a node that exports all that no other one mentions.
pub(super) fn everything(node: &str) -> String {
    format!("{node} {{ *; }};\n")
}

/// A piece of a script.
#[derive(Debug, Clone, Copy)]
enum Piece<'a> {
    /// White space and comments.
    Space(&'a str),
    /// One of `{};`.
    Mark(char),
    /// A name, a pattern, a key word with its colon.
    Word(&'a str),
}

struct Reader<'a> {
    rest: &'a str,
    names: &'a Names,
    depth: usize,
    /// Whether the node that comes has its name.
    named: bool,
    script: Script,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>, &'static str> {
        let text = self.rest;
        let Some(first) = text.chars().next() else {
            return Ok(None);
        };
        let is_space = |letter: char| letter.is_whitespace();
        let is_mark = |letter: char| matches!(letter, '{' | '}' | ';');
        let (length, make): (_, fn(&'a str) -> Piece<'a>) = if is_mark(first) {
            (1, |mark| Piece::Mark(mark.chars().next().unwrap_or(';')))
        } else if text.starts_with("/*") {
            let end = text.find("*/").ok_or("a comment never ends")?;
            (end + 2, Piece::Space)
        } else if first == '#' {
            (text.find('\n').unwrap_or(text.len()), Piece::Space)
        } else if is_space(first) {
            let end = text.find(|letter| !is_space(letter));
            (end.unwrap_or(text.len()), Piece::Space)
        } else if first == '"' {
            let end = text[1..].find('"').ok_or("a quote never ends")?;
            (end + 2, Piece::Word)
        } else if first == ':' {
            (1, Piece::Word)
        } else {
            let end = text.find(|letter| is_space(letter) || is_mark(letter) || letter == '"');
            let word = &text[..end.unwrap_or(text.len())];
            // `global:` may be followed by a name at once; `std::string` is a name.
            let key = ["global:", "local:"]
                .into_iter()
                .find(|key| word.starts_with(key));
            (key.map_or(word.len(), str::len), Piece::Word)
        };
        let (piece, rest) = text.split_at(length);
        self.rest = rest;
        Ok(Some(make(piece)))
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Space(text) => self.script.text.push_str(text),
            Piece::Word(word) if self.depth == 0 => {
                self.named = true;
                self.script.nodes.insert(word.to_owned());
                self.script.text.push_str(&self.names.renamed(word));
            }
            Piece::Word(word) => {
                // Under `extern "C++"` it stands for names of C++ alone.
                self.script.complete |= word == "*" && self.depth == 1;
                self.script.text.push_str(word);
            }
            Piece::Mark(mark) => {
                if mark == '{' && self.depth == 0 && !self.named {
                    self.script.text.extend([self.names.node.as_str(), " "]);
                }
                match mark {
                    '{' => self.depth += 1,
                    '}' => self.depth = self.depth.saturating_sub(1),
                    _ if self.depth == 0 => self.named = false,
                    _ => {}
                }
                self.script.text.push(mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orlop_store::{Digest, StorePath};

    use super::*;

    /// Renames with `K` for the key.
    fn shown(text: &str) -> Result<(String, Vec<String>, bool), &'static str> {
        let object = StorePath::new(Digest::of("test", "z"), "z");
        let names = Names::new(&object, "libz.so.1");
        let script = rename(text, &names)?;
        let text = script.text.replace(&names.node, "K");
        Ok((text, script.nodes.into_iter().collect(), script.complete))
    }

    #[test]
    fn nodes_are_renamed_and_nothing_else() {
        let (text, nodes, complete) = shown(
            "# V0 { }\nV1.2 {\n  global: V1.2; inflate*;\n local:*;\n}; /* V3 {} */\n\
             V2 {\n extern \"C++\" { V2::*; \"f(int)\"; };\n} V1.2 ;\n",
        )
        .unwrap();
        insta::assert_snapshot!(text, @r##"
        # V0 { }
        V1.2_K {
          global: V1.2; inflate*;
         local:*;
        }; /* V3 {} */
        V2_K {
         extern "C++" { V2::*; "f(int)"; };
        } V1.2_K ;
        "##);
        assert_eq!(nodes, ["V1.2", "V2"]);
        assert!(complete);
    }

    #[test]
    fn a_node_without_a_name_gets_one() {
        let (text, nodes, complete) = shown("{ global: a; extern \"C++\" { *; }; };").unwrap();
        assert_eq!(text, "K { global: a; extern \"C++\" { *; }; };");
        assert!(nodes.is_empty() && !complete);
        assert_eq!(shown("{a;local: *;};").unwrap().0, "K {a;local: *;};");
        assert_eq!(shown("V{a;};").unwrap().0, "V_K{a;};");
    }

    #[test]
    fn broken_scripts_are_refused() {
        assert_eq!(shown("V { a;"), Err("a `{` is never closed"));
        assert_eq!(shown("V { a; }; /* "), Err("a comment never ends"));
        assert_eq!(shown("V { \"a; };"), Err("a quote never ends"));
    }
}
