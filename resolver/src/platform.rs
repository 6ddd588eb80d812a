//! Whether a dependency is for a platform: `cfg(…)` expressions and triples, read by Cargo's own
//! parser. A parser with opinions refuses what no compiler here knows, and Cargo does not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;

use cargo_platform::Cfg;

use crate::request::Platform;

/// How many parentheses are read: the parser calls itself for each.
const MOST: usize = 500;

/// The platforms that a dependency is for: a target triple or `cfg(…)`.
#[derive(Debug, Clone)]
pub struct Target(cargo_platform::Platform);

/// Why a text names no platforms.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nobody means it.
    #[error("it has more than {MOST} parentheses")]
    TooDeep,
    /// It is neither a triple nor an expression.
    #[error(transparent)]
    Syntax(#[from] cargo_platform::ParseError),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if text.matches('(').count() > MOST {
            return Err(TargetError::TooDeep);
        }
        Ok(Self(text.parse()?))
    }
}

/// Answers for one platform, each expression read once.
#[derive(Debug)]
pub(crate) struct Conditions<'a> {
    triple: &'a str,
    lines: Vec<Cfg>,
    known: RefCell<BTreeMap<String, bool>>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(platform: &'a Platform) -> Self {
        Self {
            triple: &platform.triple,
            // What is no line of `--print=cfg` sets nothing.
            lines: platform
                .cfg
                .iter()
                .filter_map(|line| line.trim().parse().ok())
                .collect(),
            known: RefCell::default(),
        }
    }

    /// Whether the platform is one of those a dependency is for.
    pub(crate) fn hold(&self, target: Option<&str>) -> Result<bool, TargetError> {
        let Some(target) = target else {
            return Ok(true);
        };
        if let Some(known) = self.known.borrow().get(target) {
            return Ok(*known);
        }
        let Target(platforms) = target.parse()?;
        let holds = platforms.matches(self.triple, &self.lines);
        self.known.borrow_mut().insert(target.to_owned(), holds);
        Ok(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux() -> Platform {
        let cfg = [
            "debug_assertions",
            "panic=\"unwind\"",
            "target_arch=\"x86_64\"",
            "target_endian=\"little\"",
            "target_env=\"gnu\"",
            "target_family=\"unix\"",
            "target_feature=\"sse2\"",
            "target_has_atomic=\"64\"",
            "target_has_atomic=\"ptr\"",
            "target_object_format=\"elf\"",
            "target_os=\"linux\"",
            "target_pointer_width=\"64\"",
            "target_thread_local",
            "target_vendor=\"unknown\"",
            "unix",
        ];
        Platform {
            triple: "x86_64-unknown-linux-gnu".into(),
            cfg: cfg.into_iter().map(Into::into).collect(),
        }
    }

    #[test]
    fn expressions_and_triples() {
        let platform = linux();
        let conditions = Conditions::new(&platform);
        for holds in [
            "x86_64-unknown-linux-gnu",
            "cfg(unix)",
            "cfg(target_os = \"linux\")",
            "cfg(not(windows))",
            "cfg(all(unix, target_env = \"gnu\", target_pointer_width = \"64\"))",
            "cfg(any(windows, target_feature = \"sse2\"))",
            "cfg(all(target_has_atomic = \"64\", target_has_atomic = \"ptr\"))",
            "cfg(all())",
            "cfg(true)",
            "cfg(r#unix)",
            // Nobody here has a list of what compilers know.
            "cfg(target_thread_local)",
            "cfg(target_object_format = \"elf\")",
            "cfg(not(target_endian = \"middle\"))",
            "cfg(not(target_pointer_width = \"wide\"))",
            "cfg(not(feature))",
            "cfg(not(windows = \"x\"))",
            "cfg(debug_assertions)",
        ] {
            assert!(conditions.hold(Some(holds)).unwrap(), "{holds}");
        }
        for fails in [
            "x86_64-pc-windows-msvc",
            "cfg(windows)",
            "cfg(any())",
            "cfg(false)",
            "cfg(target_feature = \"avx512f\")",
            "cfg(target_has_atomic = \"128\")",
            "cfg(tokio_unstable)",
            "cfg(curve25519_dalek_backend = \"serial\")",
            "cfg(feature = \"std\")",
            "cfg(test)",
        ] {
            assert!(!conditions.hold(Some(fails)).unwrap(), "{fails}");
        }
        assert!(conditions.hold(None).unwrap());
        for odd in ["cfg(unix", "cfg(unix\t)", "cfg(not())", "not a triple"] {
            assert!(conditions.hold(Some(odd)).is_err(), "{odd}");
        }
        for depth in [100, 499, 100_000] {
            let (open, close) = ("not(".repeat(depth), ")".repeat(depth));
            let deep = format!("cfg({open}unix{close})");
            let holds = conditions.hold(Some(&deep));
            assert_eq!(holds.is_ok(), depth < 500, "{depth}");
        }
    }
}
