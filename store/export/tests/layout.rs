//! Apps made by the system's C compiler, laid out: what comes along, and what is refused.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs as it likes, and stops where something is odd"
)]

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_export::{App, ExportError, Laid, Place, lay_out};

struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// Makes a view of a program that loads `libleaf.so`.
    fn new(search: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["view/bin", "view/lib", "root"] {
            fs_err::create_dir_all(folder.path().join(name)).unwrap();
        }
        let lab = Self { folder };
        let leaf = "int leaf(void) { return 7; }\n";
        lab.cc(
            "lib/libleaf.so",
            leaf,
            &["-shared", "-fPIC", "-Wl,-soname,libleaf.so"],
        );
        let main = "int leaf(void);\nint main(void) { return leaf() - 7; }\n";
        let search = format!("-Wl,--disable-new-dtags,-rpath,{search}");
        lab.cc("bin/app", main, &["-Lview/lib", "-lleaf", &search]);
        lab
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn cc(&self, output: &str, text: &str, flags: &[&str]) {
        let source = self.path("source.c");
        fs_err::write(&source, text).unwrap();
        let status = Command::new("cc")
            .args(["source.c", "-o"])
            .arg(self.path("view").join(output))
            .args(flags)
            .current_dir(self.folder.path())
            .status();
        assert!(status.unwrap().success(), "cc {output}");
    }

    fn lay_out(&self, place: Place) -> Result<Laid, ExportError> {
        let app = App {
            name: "app",
            version: "1.0.0",
            view: &self.path("view"),
            programs: &["app".to_owned()],
            summary: None,
            license: None,
        };
        lay_out(&app, place, &self.path("root"))
    }
}

fn runs(program: &Utf8Path) -> bool {
    Command::new(program).status().unwrap().success()
}

#[test]
fn an_app_runs_where_it_is_laid_out() {
    for (place, library) in [
        (Place::Anywhere, "lib/libleaf.so"),
        (Place::Debian, "usr/lib/orlop/app/lib/libleaf.so"),
        (Place::Image, "usr/lib/libleaf.so"),
    ] {
        let lab = Lab::new("$ORIGIN/../lib");
        let laid = lab.lay_out(place).unwrap();
        fs_err::remove_dir_all(lab.path("view")).unwrap();
        assert!(laid.root.join(library).is_file(), "{laid:?}");
        assert!(runs(&laid.root.join(&laid.programs[0])), "{laid:?}");
        assert!(laid.glibc.is_some());
        assert_eq!(laid.proofs.len(), 1);
        let libc = laid
            .from_machine
            .contains(Utf8Path::new("usr/lib/libc.so.6"));
        assert_eq!(libc, place == Place::Image);
        assert_eq!(laid.root.join("lib64/libc.so.6").exists(), libc);
    }
}

#[test]
fn what_lies_elsewhere_is_refused() {
    let lab = Lab::new("$ORIGIN/../../view/lib");
    let Err(ExportError::Outside { program, library }) = lab.lay_out(Place::Anywhere) else {
        panic!("it is let through");
    };
    assert_eq!(program, "bin/app");
    assert!(library.ends_with("view/lib/libleaf.so"), "{library}");

    let lab = Lab::new("/nowhere");
    let error = lab.lay_out(Place::Anywhere).unwrap_err();
    assert!(matches!(error, ExportError::Refused { .. }), "{error}");
}

#[test]
fn a_tree_holds_files_and_nothing_else() {
    let lab = Lab::new("$ORIGIN/../lib");
    let odd = lab.path("view/share/pipe");
    fs_err::create_dir_all(odd.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&odd).status().unwrap().success());
    let error = lab.lay_out(Place::Anywhere).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{odd}` is neither a file nor a folder")
    );
}
