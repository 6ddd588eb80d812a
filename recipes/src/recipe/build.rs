//! [`BuildSystem`]: native libraries that are built as most of their kind are. Each is a short shell
//! script, made from the recipe, and the programs that it calls: what holds for scripts holds for
//! these.
//!
//! They build outside the source where they can, install below `$out` with the libraries in `lib`,
//! and keep the folder they work in out of what they make.

use std::collections::BTreeSet;

use super::Tool;
use crate::choice::choice;

choice! {
    /// How a native library is built that has no script.
    BuildSystem {
        /// A `configure` that comes with the source, then make.
        Autotools = "autotools",
        /// `CMakeLists.txt`.
        Cmake = "cmake",
        /// `Makefile`, with the target `install` and the variable `PREFIX`.
        Make = "make",
        /// `meson.build`.
        Meson = "meson",
    }
}

/// What all of them begin with: the folder that a build works in goes into no file. Its name is
/// that of the home folder without the last part.
const FLAGS: &str = r#"flags="-O2 -ffile-prefix-map=${HOME%/home}=."
export CFLAGS="$flags ${CFLAGS-}" CXXFLAGS="$flags ${CXXFLAGS-}"
"#;

impl BuildSystem {
    /// Returns the programs of the machine that it calls.
    pub fn tools(self) -> BTreeSet<Tool> {
        match self {
            Self::Autotools | Self::Make => [Tool::Make].into(),
            Self::Cmake => [Tool::Cmake, Tool::Make].into(),
            Self::Meson => [Tool::Meson, Tool::Ninja].into(),
        }
    }

    /// Returns its script. The arguments go to what configures the build; to `make` where nothing
    /// does.
    pub fn script(self, arguments: &[String]) -> String {
        let arguments: String = arguments
            .iter()
            .flat_map(|word| [" ".to_owned(), quoted(word)])
            .collect();
        let lines = match self {
            Self::Autotools => format!(
                "sh ./configure --prefix=\"$out\" --libdir=\"$out/lib\"{arguments}\n\
                 make\nmake install\n"
            ),
            // It looks for libraries in folders of its own, not in the compiler's.
            Self::Cmake => format!(
                "CMAKE_PREFIX_PATH=$(printf %s \"${{LIBRARY_PATH-}}\" | sed 's|/lib:|:|g; s|/lib$||')\n\
                 export CMAKE_PREFIX_PATH\n\
                 cmake -S . -B \"$TMPDIR/build\" -DCMAKE_BUILD_TYPE=Release \
                 -DCMAKE_INSTALL_PREFIX=\"$out\" -DCMAKE_INSTALL_LIBDIR=lib \
                 -DCMAKE_SKIP_INSTALL_RPATH=ON{arguments}\n\
                 cmake --build \"$TMPDIR/build\"\ncmake --install \"$TMPDIR/build\"\n"
            ),
            Self::Make => format!(
                "make PREFIX=\"$out\"{arguments}\nmake install PREFIX=\"$out\"{arguments}\n"
            ),
            Self::Meson => format!(
                "meson setup \"$TMPDIR/build\" . --prefix=\"$out\" --libdir=lib \
                 --buildtype=release{arguments}\n\
                 meson compile -C \"$TMPDIR/build\"\nmeson install -C \"$TMPDIR/build\"\n"
            ),
        };
        format!("{FLAGS}{lines}")
    }
}

/// Returns the lines that change the source.
pub(super) fn patching(patch: &str) -> String {
    let mut end = "END".to_owned();
    while patch.lines().any(|line| line == end) {
        end.push('_');
    }
    let patch = patch.trim_end_matches('\n');
    format!("patch -p1 <<'{end}'\n{patch}\n{end}\n")
}

/// Writes a word as a shell reads it. `$out` stays what it is for a shell.
fn quoted(word: &str) -> String {
    let inner: String = word
        .chars()
        .map(|letter| match letter {
            '"' | '\\' | '`' => format!("\\{letter}"),
            letter => letter.to_string(),
        })
        .collect();
    format!("\"{inner}\"")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::choice::Choice as _;

    #[test]
    fn patches_end_where_they_should() {
        assert_eq!(
            patching("a\nEND\nb\n"),
            "patch -p1 <<'END_'\na\nEND\nb\nEND_\n"
        );
    }

    #[test]
    fn scripts_are_what_people_would_write() {
        let arguments = ["--docdir=$out/doc".to_owned(), "a \"b\" `c` \\".to_owned()];
        let scripts = BuildSystem::ALL.iter().map(|system| {
            let script = system.script(&arguments);
            let lines = script.strip_prefix(FLAGS).unwrap();
            format!("# {}\n{lines}", system.as_str())
        });
        assert_snapshot!(scripts.collect::<String>(), @r#"
        # autotools
        sh ./configure --prefix="$out" --libdir="$out/lib" "--docdir=$out/doc" "a \"b\" \`c\` \\"
        make
        make install
        # cmake
        CMAKE_PREFIX_PATH=$(printf %s "${LIBRARY_PATH-}" | sed 's|/lib:|:|g; s|/lib$||')
        export CMAKE_PREFIX_PATH
        cmake -S . -B "$TMPDIR/build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$out" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_SKIP_INSTALL_RPATH=ON "--docdir=$out/doc" "a \"b\" \`c\` \\"
        cmake --build "$TMPDIR/build"
        cmake --install "$TMPDIR/build"
        # make
        make PREFIX="$out" "--docdir=$out/doc" "a \"b\" \`c\` \\"
        make install PREFIX="$out" "--docdir=$out/doc" "a \"b\" \`c\` \\"
        # meson
        meson setup "$TMPDIR/build" . --prefix="$out" --libdir=lib --buildtype=release "--docdir=$out/doc" "a \"b\" \`c\` \\"
        meson compile -C "$TMPDIR/build"
        meson install -C "$TMPDIR/build"
        "#);
    }
}
