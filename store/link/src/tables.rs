//! Reads of an archive or object what tells its symbols and sections, and nothing else: of a crate
//! that is a tenth, for the rest is code and metadata.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use goblin::archive::{MAGIC, Member, SIZEOF_HEADER, SIZEOF_MAGIC};
use goblin::elf::Elf;
use goblin::elf::header::ELFMAG;

use crate::object::{Object, ObjectError, SECTION_HEADER};

/// The length of the header of an object.
const OBJECT_HEADER: usize = 64;

/// Returns a file with zeros in place of what nobody looks at who asks its objects for symbols and
/// names of sections. A file that is odd is read as a whole: what is wrong with it is for others
/// to say.
pub(crate) fn read(file: &File) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut sparse = Sparse {
        file,
        bytes: vec![0; length],
    };
    match sparse.fill_all() {
        Ok(()) => {}
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::Odd) => file.read_exact_at(&mut sparse.bytes, 0)?,
    }
    Ok(sparse.bytes)
}

/// A file of which parts are read.
struct Sparse<'a> {
    file: &'a File,
    bytes: Vec<u8>,
}

/// Why not all parts were read.
enum Stop {
    Io(io::Error),
    /// The file is not what it should be, or of a kind that is rare.
    Odd,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<goblin::error::Error> for Stop {
    fn from(_: goblin::error::Error) -> Self {
        Self::Odd
    }
}

impl From<ObjectError> for Stop {
    fn from(_: ObjectError) -> Self {
        Self::Odd
    }
}

impl Sparse<'_> {
    fn fill(&mut self, part: Range<usize>) -> Result<(), Stop> {
        let start = part.start as u64;
        let bytes = self.bytes.get_mut(part).ok_or(Stop::Odd)?;
        Ok(self.file.read_exact_at(bytes, start)?)
    }

    fn fill_all(&mut self) -> Result<(), Stop> {
        let length = self.bytes.len();
        self.fill(0..OBJECT_HEADER.min(length))?;
        if self.bytes.starts_with(ELFMAG) {
            return self.fill_object(0..length);
        }
        if !self.bytes.starts_with(MAGIC) {
            return Err(Stop::Odd);
        }
        let mut at = SIZEOF_MAGIC;
        while at + 1 < length {
            at = self.fill_member(at)?.next_multiple_of(2);
        }
        Ok(())
    }

    /// Returns where the member ends.
    fn fill_member(&mut self, at: usize) -> Result<usize, Stop> {
        // With the beginning of what is in it.
        let end = at + SIZEOF_HEADER + OBJECT_HEADER;
        self.fill(at..end.min(self.bytes.len()))?;
        let mut start = at;
        let member = Member::parse(&self.bytes, &mut start)?;
        let end = start.checked_add(member.size()).ok_or(Stop::Odd)?;
        let name = member.raw_name().trim_end();
        if name.starts_with('#') {
            // The name stands in the member, as other systems do it.
            return Err(Stop::Odd);
        }
        if name == "//" {
            self.fill(start..end)?;
        } else if self
            .bytes
            .get(start..end)
            .ok_or(Stop::Odd)?
            .starts_with(ELFMAG)
        {
            self.fill_object(start..end)?;
        }
        Ok(end)
    }

    fn fill_object(&mut self, place: Range<usize>) -> Result<(), Stop> {
        let header = Elf::parse_header(&self.bytes[place.clone()])?;
        if header.e_shnum == 0 {
            // Where there are very many, their number stands elsewhere.
            return Err(Stop::Odd);
        }
        let offset = usize::try_from(header.e_shoff).map_err(|_| Stop::Odd)?;
        let start = place.start.checked_add(offset).ok_or(Stop::Odd)?;
        let headers = start..start.saturating_add(usize::from(header.e_shnum) * SECTION_HEADER);
        self.fill(headers)?;
        let object = Object::parse(String::new(), &self.bytes[place.clone()], place.start)?;
        for table in object.tables()? {
            self.fill(place.start + table.start..place.start + table.end)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::members::Symbols;
    use crate::object::tests::{archive, object};

    fn sparse(bytes: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        read(&file).unwrap()
    }

    /// An archive with something in it that nobody looks at.
    fn sample() -> Vec<u8> {
        let mut object = object("linkme_X", &[("f", true, 0), ("g", false, 2)]);
        object.extend([b'x'; 1000]);
        archive(&[
            ("lib.rmeta", [b'y'; 1000].to_vec()),
            ("a.rcgu.o", object.clone()),
            ("b.o", object),
        ])
    }

    #[test]
    fn only_what_is_looked_at_is_read() {
        let file = sample();
        let read = sparse(&file);
        assert_eq!(read.len(), file.len());
        assert_eq!(Symbols::read(&read).unwrap(), Symbols::read(&file).unwrap());
        let count = |bytes: &[u8], byte| bytes.split(|found| *found == byte).count() - 1;
        assert_eq!(count(&file, b'x'), 2000);
        assert!(count(&read, b'x') < 200 && count(&read, b'y') < 200);
    }

    proptest! {
        #[test]
        fn a_part_says_what_the_whole_says(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            end in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut file = sample();
            let count = file.len();
            for (index, value) in edits {
                file[index.index(count)] = value;
            }
            if cut {
                file.truncate(end.index(count) + 1);
            }
            let (whole, part) = (Symbols::read(&file), Symbols::read(&sparse(&file)));
            prop_assert_eq!(whole.as_ref().ok(), part.as_ref().ok());
            let text = |error: ObjectError| format!("{error:?}");
            prop_assert_eq!(whole.err().map(text), part.err().map(text));
        }
    }
}
