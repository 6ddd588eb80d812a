//! [`Gcc`]: what the host's gcc says of itself.

use camino::{Utf8Path, Utf8PathBuf};

use crate::imported::{Asked, ImportError, ask};

/// The host's gcc.
#[derive(Debug)]
pub(super) struct Gcc<'a> {
    program: &'a Utf8Path,
}

impl<'a> Gcc<'a> {
    pub(super) fn new(program: &'a Utf8Path) -> Self {
        Self { program }
    }

    /// Returns its version: `12.2.0`.
    pub(super) fn version(&self) -> Result<String, ImportError> {
        let question = "-dumpfullversion";
        let answer = ask(self.program, &[question], Asked::Alone, false)?;
        let version = answer.trim();
        if version.starts_with(|c: char| c.is_ascii_digit()) {
            Ok(version.to_owned())
        } else {
            // Clang under gcc's name, for one.
            Err(ImportError::Answer {
                program: self.program.to_owned(),
                question,
                lack: "a version of gcc",
            })
        }
    }

    /// Returns one of its own programs, such as `cc1`.
    pub(super) fn own_program(&self, name: &str) -> Result<Option<Utf8PathBuf>, ImportError> {
        self.find(&format!("-print-prog-name={name}"))
    }

    /// Returns a file that it would link with.
    pub(super) fn file(&self, name: &str) -> Result<Option<Utf8PathBuf>, ImportError> {
        self.find(&format!("-print-file-name={name}"))
    }

    /// Returns the folder of its own files.
    pub(super) fn folder(&self) -> Result<Option<Utf8PathBuf>, ImportError> {
        let file = self.file("libgcc.a")?;
        Ok(file.and_then(|file| file.parent().map(Utf8Path::to_owned)))
    }

    /// Returns the folders in which it looks for headers of a language: `c`, `c++`.
    pub(super) fn header_folders(&self, language: &str) -> Result<Vec<Utf8PathBuf>, ImportError> {
        let text = ask(
            self.program,
            &["-E", "-v", "-x", language, "/dev/null"],
            Asked::Alone,
            true,
        )?;
        Ok(search_list(&text).filter_map(real).collect())
    }

    /// Asks for a path; what gcc does not find, it repeats as it was given.
    fn find(&self, question: &str) -> Result<Option<Utf8PathBuf>, ImportError> {
        let answer = ask(self.program, &[question], Asked::Alone, false)?;
        let path = Utf8Path::new(answer.trim());
        if !path.is_absolute() || !path.exists() {
            return Ok(None);
        }
        // The last name stays, even of a link: by that name a library is asked for.
        let folder = path.parent().and_then(|folder| real(folder.as_str()));
        Ok(folder
            .zip(path.file_name())
            .map(|(folder, name)| folder.join(name)))
    }
}

/// Returns the folders that gcc tells in many words: the lines that begin with a blank, after one
/// that begins the list.
fn search_list(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .skip_while(|line| !line.starts_with("#include <...>"))
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .map(str::trim)
}

fn real(path: &str) -> Option<Utf8PathBuf> {
    Utf8Path::new(path).canonicalize_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_list_is_found_in_the_talk() {
        let text = "Using built-in specs.\n /not/this\n#include \"...\" search starts here:\n\
            #include <...> search starts here:\n /usr/lib/gcc/x/12/include\n /usr/include\n\
            End of search list.\n /nor/this\n";
        let folders: Vec<_> = search_list(text).collect();
        assert_eq!(folders, ["/usr/lib/gcc/x/12/include", "/usr/include"]);
        assert_eq!(search_list("nothing").count(), 0);
    }

    /// What is called gcc may be another compiler.
    #[test]
    fn other_compilers_are_refused() {
        let error = Gcc::new("/bin/echo".into()).version().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/bin/echo` answers `-dumpfullversion` without a version of gcc"
        );
        assert_eq!(
            Gcc::new("/bin/echo".into()).own_program("cc1").unwrap(),
            None
        );
    }
}
