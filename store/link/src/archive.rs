//! The members of an archive, in the format of System V with GNU's table of long names, or with the
//! names of BSD.
//!
//! `goblin` reads the header of each member. Its list of all of them comes with the index, which
//! nobody asks for here, and which takes longer to read than all the rest.

use goblin::archive::{MAGIC, Member as Header, SIZEOF_MAGIC};
use goblin::error::Error;

use crate::object::ObjectError;

/// A member of an archive.
pub(crate) struct Member<'a> {
    /// Its name.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
    /// Where they begin in the file.
    pub(crate) start: usize,
}

/// Returns everything in an archive but its index and its table of names.
pub(crate) fn members(file: &[u8]) -> Result<Vec<Member<'_>>, ObjectError> {
    if !file.starts_with(MAGIC) {
        return Err(Error::Malformed("it is neither an archive nor an object".to_owned()).into());
    }
    let mut found = Vec::new();
    let mut long_names: &[u8] = &[];
    let mut at = SIZEOF_MAGIC;
    while at + 1 < file.len() {
        let header = Header::parse(file, &mut at)?;
        let end = at.checked_add(header.size());
        let Some(bytes) = end.and_then(|end| file.get(at..end)) else {
            return Err(ObjectError::Outside {
                name: header.extended_name().to_owned(),
                what: "its header",
            });
        };
        let start = at;
        at = (start + bytes.len()).next_multiple_of(2);
        match header.raw_name().trim_end() {
            "//" => long_names = bytes,
            name if is_index(name) || is_index(header.extended_name()) => {}
            _ => found.push((header, bytes, start)),
        }
    }
    let named = |(header, bytes, start): (Header<'_>, _, _)| Member {
        name: name(&header, long_names),
        bytes,
        start,
    };
    Ok(found.into_iter().map(named).collect())
}

/// Whether the linker finds definitions by this member.
fn is_index(name: &str) -> bool {
    ["/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED"].contains(&name)
}

/// A name that is too long for the header stands in the table, where the header says.
fn name(header: &Header<'_>, long_names: &[u8]) -> String {
    let at = header.raw_name().trim_end().strip_prefix('/');
    let at = at.and_then(|at| at.parse().ok());
    let long = at.and_then(|at: usize| long_names.get(at..)).map(|rest| {
        let end = rest.iter().position(|&byte| byte == b'\n');
        String::from_utf8_lossy(&rest[..end.unwrap_or(rest.len())])
    });
    match long {
        Some(long) => long.trim_end_matches('/').to_owned(),
        None => header.extended_name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an archive: names as they stand in the headers.
    fn archive(members: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (name, body) in members {
            let size = body.len();
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
            bytes.extend(header.bytes().chain(body.bytes()));
            bytes.extend((size % 2 == 1).then_some(b'\n'));
        }
        bytes
    }

    fn names(file: &[u8]) -> Vec<(String, String)> {
        let members = members(file).unwrap().into_iter();
        let text = |member: Member<'_>| String::from_utf8_lossy(member.bytes).into_owned();
        members
            .map(|member| (member.name.clone(), text(member)))
            .collect()
    }

    #[test]
    fn names_are_short_or_long_and_the_index_is_left_out() {
        let long = "a-name-that-is-too-long-for-a-header.rcgu.o";
        let file = archive(&[
            ("/", "index"),
            ("//", &format!("other-name.o/\n{long}/\n")),
            ("short.o/", "1"),
            ("/14", "22"),
            ("/0", "333"),
            ("#1/8", "bsd-nameb"),
            ("/999", "nowhere"),
            ("#1/12", "__.SYMDEF\0\0\0index"),
        ]);
        let expected = [
            ("short.o", "1"),
            (long, "22"),
            ("other-name.o", "333"),
            ("bsd-name", "b"),
            ("/999", "nowhere"),
        ];
        let found = names(&file);
        let found: Vec<_> = found
            .iter()
            .map(|(name, body)| (&**name, &**body))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_ends_early_is_an_error() {
        let file = archive(&[("a.o/", "body")]);
        for end in [4, 20, file.len() - 1] {
            assert!(members(&file[..end]).is_err(), "{end}");
        }
        assert!(members(MAGIC).unwrap().is_empty());
    }
}
