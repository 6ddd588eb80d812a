//! Names in braces, `{zlib}`. In values of `environment` they stand for folders; in addresses and
//! arguments for nothing, and who writes one is told so. What braces mean in a script is for its shell
//! to say, and for the languages that it feeds.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
