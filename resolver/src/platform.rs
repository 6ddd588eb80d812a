//! Whether a dependency is for a platform: `cfg(…)` expressions and triples.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cfg_expr::{Expression, ParseError, Predicate, TargetPredicate};

use crate::request::Platform;

/// Answers for one platform, each expression read once.
#[derive(Debug)]
pub(crate) struct Conditions<'a> {
    triple: &'a str,
    lines: BTreeSet<&'a str>,
    known: RefCell<BTreeMap<String, bool>>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(platform: &'a Platform) -> Self {
        Self {
            triple: &platform.triple,
            lines: platform.cfg.iter().map(|line| line.trim()).collect(),
            known: RefCell::default(),
        }
    }

    /// Whether the platform is one of those a dependency is for.
    pub(crate) fn hold(&self, target: Option<&str>) -> Result<bool, ParseError> {
        let Some(target) = target else {
            return Ok(true);
        };
        if !target.starts_with("cfg(") {
            return Ok(target == self.triple);
        }
        if let Some(known) = self.known.borrow().get(target) {
            return Ok(*known);
        }
        let holds = Expression::parse(target)?.eval(|predicate| self.is_set(predicate));
        self.known.borrow_mut().insert(target.to_owned(), holds);
        Ok(holds)
    }

    /// Compares with the very lines of the compiler, as Cargo does, so that a platform that
    /// nobody thought of needs no table here.
    fn is_set(&self, predicate: &Predicate<'_>) -> bool {
        match predicate {
            Predicate::Target(target) => self.is_target(target),
            Predicate::TargetFeature(feature) => self.has_pair("target_feature", feature),
            Predicate::Flag("true") => true,
            Predicate::Flag(flag) => self.lines.contains(flag),
            Predicate::KeyValue { key, val } => self.has_pair(key, val),
            Predicate::DebugAssertions => self.lines.contains("debug_assertions"),
            // Cargo never sets these while it selects dependencies.
            Predicate::Test | Predicate::ProcMacro | Predicate::Feature(_) => false,
        }
    }

    fn is_target(&self, target: &TargetPredicate) -> bool {
        match target {
            TargetPredicate::Abi(abi) => self.has_pair("target_abi", abi.as_str()),
            TargetPredicate::Arch(arch) => self.has_pair("target_arch", arch.as_str()),
            TargetPredicate::Endian(endian) => {
                let endian = match endian {
                    cfg_expr::targets::Endian::big => "big",
                    cfg_expr::targets::Endian::little => "little",
                };
                self.has_pair("target_endian", endian)
            }
            TargetPredicate::Env(env) => self.has_pair("target_env", env.as_str()),
            TargetPredicate::Family(family) => self.has_pair("target_family", family.as_str()),
            TargetPredicate::HasAtomic(width) => {
                self.has_pair("target_has_atomic", &width.to_string())
            }
            TargetPredicate::Os(os) => self.has_pair("target_os", os.as_str()),
            TargetPredicate::Panic(panic) => self.has_pair("panic", panic.as_str()),
            TargetPredicate::PointerWidth(width) => {
                self.has_pair("target_pointer_width", &width.to_string())
            }
            TargetPredicate::Vendor(vendor) => self.has_pair("target_vendor", vendor.as_str()),
        }
    }

    fn has_pair(&self, key: &str, value: &str) -> bool {
        self.lines.contains(format!("{key}=\"{value}\"").as_str())
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
            "target_os=\"linux\"",
            "target_pointer_width=\"64\"",
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
        assert!(conditions.hold(Some("cfg(unix")).is_err());
    }
}
