//! What rustc says while it works: [`Message`].
//!
//! One JSON object a line. Macros are strangers inside rustc and may print whatever they like to
//! the same place, so every other line is taken for a text.

use serde::Deserialize;

/// One line of rustc's standard error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// It wrote a file.
    Wrote {
        /// What kind of file: `metadata`, `link`.
        kind: String,
    },
    /// It has something to say to people.
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Artifact {
        #[expect(dead_code, reason = "tells these lines from others")]
        artifact: String,
        emit: String,
    },
    Diagnostic {
        rendered: String,
    },
}

impl Message {
    /// Reads one line, with its end.
    pub(super) fn parse(line: &[u8]) -> Self {
        match serde_json::from_slice(line) {
            Ok(Line::Artifact { artifact: _, emit }) => Self::Wrote { kind: emit },
            Ok(Line::Diagnostic { rendered }) => Self::Text(rendered),
            Err(_) => Self::Text(String::from_utf8_lossy(line).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_and_strangers_share_a_line() {
        let text = |text: &str| Message::Text(text.to_owned());
        let metadata = Message::Wrote {
            kind: "metadata".into(),
        };
        for (line, message) in [
            // Of 1.63 and of later ones.
            (
                r#"{"artifact":"/x/libx.rmeta","emit":"metadata"}"#,
                metadata,
            ),
            (
                r#"{"$message_type":"artifact","artifact":"/x/libx.rlib","emit":"link"}"#,
                Message::Wrote {
                    kind: "link".into(),
                },
            ),
            (
                r#"{"$message_type":"diagnostic","message":"m","level":"error","rendered":"error: m\n"}"#,
                text("error: m\n"),
            ),
            (r#"{"rendered":null}"#, text(r#"{"rendered":null}"#)),
            (r#"{"artifact":1}"#, text(r#"{"artifact":1}"#)),
            ("expanding…\n", text("expanding…\n")),
            ("", text("")),
        ] {
            assert_eq!(Message::parse(line.as_bytes()), message);
        }
        assert_eq!(Message::parse(b"\xff\n"), text("\u{fffd}\n"));
    }
}
