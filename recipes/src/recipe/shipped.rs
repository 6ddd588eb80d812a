//! The texts of `recipes/packages/`, one line a file.

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../packages/", $name))),)*]
    };
}

/// The name and the text of each shipped recipe.
pub(crate) const FILES: &[(&str, &str)] = files![
    "ast-grep.toml",
    "autotools.toml",
    "aws-lc-fips-sys.toml",
    "aws-lc-sys.toml",
    "bacon.toml",
    "bandwhich.toml",
    "bat.toml",
    "bindgen-cli.toml",
    "blake3.toml",
    "bottom.toml",
    "broot.toml",
    "bzip2-sys.toml",
    "bzip2.toml",
    "cargo-audit.toml",
    "cargo-deny.toml",
    "cargo-edit.toml",
    "cargo-expand.toml",
    "cargo-generate.toml",
    "cargo-nextest.toml",
    "cargo-watch.toml",
    "choose.toml",
    "clang-sys.toml",
    "cmake.toml",
    "csview.toml",
    "curl-sys.toml",
    "difftastic.toml",
    "du-dust.toml",
    "dua-cli.toml",
    "expat-sys.toml",
    "eza.toml",
    "fclones.toml",
    "fd-find.toml",
    "freetype-sys.toml",
    "genact.toml",
    "git-absorb.toml",
    "git-cliff.toml",
    "git-delta.toml",
    "gitui-build.toml",
    "gitui.toml",
    "gmp-mpfr-sys.toml",
    "gping.toml",
    "grex.toml",
    "harfbuzz-sys.toml",
    "hck.toml",
    "hexyl.toml",
    "htmlq.toml",
    "hyperfine.toml",
    "jaq.toml",
    "jemalloc-sys.toml",
    "jemalloc.toml",
    "jj-cli.toml",
    "just.toml",
    "libbzip3-sys.toml",
    "libdbus-sys.toml",
    "libdeflate-sys.toml",
    "libgit2-sys.toml",
    "libgit2.toml",
    "liblzma-sys.toml",
    "libmimalloc-sys.toml",
    "libnghttp2-sys.toml",
    "librocksdb-sys.toml",
    "libsqlite3-sys.toml",
    "libssh2-sys.toml",
    "libssh2.toml",
    "libz-ng-sys.toml",
    "libz-sys.toml",
    "lsd.toml",
    "lz4-sys.toml",
    "lz4.toml",
    "lzma-sys.toml",
    "macchina.toml",
    "mdbook.toml",
    "miniserve.toml",
    "mlua-sys.toml",
    "nu.toml",
    "numbat-cli.toml",
    "onefetch.toml",
    "onig_sys.toml",
    "oniguruma.toml",
    "openssl-src.toml",
    "openssl-sys.toml",
    "openssl.toml",
    "ouch.toml",
    "oxipng.toml",
    "pastel.toml",
    "pcre2-sys.toml",
    "pcre2.toml",
    "procs.toml",
    "prost-build.toml",
    "psm.toml",
    "pueue.toml",
    "rage.toml",
    "rdkafka-sys.toml",
    "ring.toml",
    "ripgrep.toml",
    "rquickjs-sys.toml",
    "rust-script.toml",
    "samply.toml",
    "sd.toml",
    "skim.toml",
    "sqlite.toml",
    "starship.toml",
    "stylua.toml",
    "taplo-cli.toml",
    "tealdeer.toml",
    "tikv-jemalloc-sys.toml",
    "tokei.toml",
    "topgrade.toml",
    "tree-sitter-cli.toml",
    "tree-sitter.toml",
    "trippy.toml",
    "typos-cli.toml",
    "unrar_sys.toml",
    "viu.toml",
    "vivid.toml",
    "watchexec-cli.toml",
    "xh.toml",
    "xz.toml",
    "zlib.toml",
    "zoxide.toml",
    "zstd-sys.toml",
    "zstd.toml",
];

#[cfg(test)]
mod tests {

    use super::*;
    use crate::RecipeKind;
    use crate::recipe::{Need, Recipe, RecipeSet};

    #[test]
    fn every_file_of_the_folder_is_listed_and_no_other() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/packages");
        let mut found: Vec<String> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn every_recipe_is_valid_and_named_like_its_file() {
        for (file, text) in FILES {
            let recipe = Recipe::parse(file, text).unwrap_or_else(|error| panic!("{error}"));
            let name = recipe.name();
            // What the crate of an app needs to be built lies beside the app's own recipe.
            let beside = recipe.kind() == RecipeKind::Crate
                && FILES
                    .iter()
                    .any(|(other, _)| *other == format!("{name}.toml"));
            let suffix = if beside && *file != format!("{name}.toml") {
                "-build"
            } else {
                ""
            };
            assert_eq!(format!("{name}{suffix}.toml"), *file);
        }
    }

    #[test]
    fn well_known_apps_are_there() {
        assert!(RecipeSet::shipped().apps().count() >= 40);
    }

    #[test]
    fn apps_say_what_they_are_and_can_be_tested() {
        for app in RecipeSet::shipped().apps() {
            let summary = app.summary.as_deref().unwrap_or_default();
            assert!(
                (10..=80).contains(&summary.len()),
                "{}: `{summary}`",
                app.name
            );
            assert!(!summary.ends_with('.'), "{}", app.name);
            assert!(
                !app.binaries.is_empty() && app.test.is_some(),
                "{}",
                app.name
            );
        }
    }

    #[test]
    fn native_libraries_that_recipes_need_are_there() {
        let set = RecipeSet::shipped();
        for (file, text) in FILES {
            let (needs, instead) = match Recipe::parse(file, text).unwrap() {
                Recipe::Crate(change) => (change.native, change.instead),
                Recipe::Library(library) => (library.native, [].into()),
                _ => continue,
            };
            let instead = instead.into_keys().map(|name| (name, Need::any()));
            for (name, need) in needs.into_iter().chain(instead) {
                assert_eq!(set.native(&name, &need).err(), None, "{file}");
            }
        }
    }
}
