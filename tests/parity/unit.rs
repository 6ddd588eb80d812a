//! [`Unit`]: a command that can be compared, with names in the place of paths and digests.

use std::collections::{BTreeMap, BTreeSet};

use super::command::Command;

/// Options that take the next word as their value.
const PAIRS: [&str; 12] = [
    "-C",
    "-L",
    "-l",
    "--allow",
    "--cap-lints",
    "--cfg",
    "--check-cfg",
    "--crate-name",
    "--crate-type",
    "--extern",
    "--out-dir",
    "--warn",
];

/// One call of rustc or one run of a build script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unit {
    /// Whether it is a call of rustc.
    pub(crate) rustc: bool,
    /// The arguments, an option and its value in one.
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

/// All commands of one build, by what they do; a name can occur more than once.
#[derive(Debug, Default)]
pub(crate) struct Units(pub(crate) BTreeMap<String, Vec<Unit>>);

impl Units {
    pub(crate) fn of(commands: &[Command]) -> Self {
        let commands: Vec<_> = commands.iter().filter_map(Parsed::of).collect();
        let places = places(&commands);
        let mut units = Self::default();
        for command in &commands {
            let name = command.name();
            let unit = units.0.entry(name).or_default();
            unit.push(command.unit(&places));
            unit.sort_by(|one, two| one.arguments.cmp(&two.arguments));
            unit.dedup();
        }
        units
    }

    /// Leaves out variables with these very values.
    pub(crate) fn leave_out(&mut self, switches: &BTreeMap<String, String>) {
        for unit in self.0.values_mut().flatten() {
            let keep = |name: &String, value: &mut String| switches.get(name) != Some(value);
            unit.variables.retain(keep);
        }
    }

    #[track_caller]
    pub(crate) fn find(&self, name: &str) -> &Unit {
        let Some(units) = self.0.get(name) else {
            let names: Vec<_> = self.0.keys().collect();
            panic!("no unit `{name}` among {names:#?}")
        };
        assert_eq!(units.len(), 1, "{units:#?}");
        &units[0]
    }
}

impl Unit {
    /// The arguments that start like this.
    pub(crate) fn starting(&self, start: &str) -> Vec<&str> {
        let arguments = self.arguments.iter().map(String::as_str);
        arguments.filter(|word| word.starts_with(start)).collect()
    }
}

/// A command whose purpose is known.
struct Parsed<'a> {
    command: &'a Command,
    rustc: bool,
    arguments: Vec<String>,
}

impl<'a> Parsed<'a> {
    /// Leaves out what is neither rustc nor a build script.
    fn of(command: &'a Command) -> Option<Self> {
        let rustc = command.program_name() == "rustc";
        if !rustc && !command.program_name().starts_with("build-script") {
            return None;
        }
        let mut arguments = Vec::new();
        let mut words = command.arguments.iter();
        while let Some(word) = words.next() {
            let value = PAIRS
                .contains(&word.as_str())
                .then(|| words.next())
                .flatten();
            arguments.push(match value {
                Some(value) => format!("{word} {value}"),
                None => word.clone(),
            });
        }
        Some(Self {
            command,
            rustc,
            arguments,
        })
    }

    fn variable(&self, name: &str) -> &str {
        self.command.variables.get(name).map_or("", String::as_str)
    }

    fn option(&self, start: &str) -> Option<&str> {
        self.arguments
            .iter()
            .find_map(|word| word.strip_prefix(start))
    }

    fn package(&self) -> String {
        let (name, version) = (
            self.variable("CARGO_PKG_NAME"),
            self.variable("CARGO_PKG_VERSION"),
        );
        format!("{name} {version}")
    }

    /// What it does: package, target, side, features.
    fn name(&self) -> String {
        let kind = match self.option("--crate-name ") {
            None => "run".to_owned(),
            Some(name) if name.starts_with("build_script_") => "script".to_owned(),
            Some(name) if self.variable("CARGO_BIN_NAME").is_empty() => format!("library {name}"),
            Some(_) => format!("program {}", self.variable("CARGO_BIN_NAME")),
        };
        let optimized = if self.rustc {
            self.option("-C opt-level=").is_some()
        } else {
            self.variable("OPT_LEVEL") != "0"
        };
        let side = if kind == "script" || optimized {
            ""
        } else {
            " for the host"
        };
        let features: BTreeSet<&str> = if self.rustc {
            let features = self
                .arguments
                .iter()
                .filter_map(|word| word.strip_prefix("--cfg feature=\""));
            features
                .map(|feature| feature.trim_end_matches('"'))
                .collect()
        } else {
            self.variable("CARGO_CFG_FEATURE")
                .split(',')
                .filter(|name| !name.is_empty())
                .collect()
        };
        let features = if features.is_empty() {
            String::new()
        } else {
            format!(" [{}]", features.into_iter().collect::<Vec<_>>().join(","))
        };
        format!("{} {kind}{side}{features}", self.package())
    }

    fn unit(&self, places: &[(String, String)]) -> Unit {
        let named = |text: &str| {
            places.iter().fold(text.to_owned(), |text, (path, name)| {
                text.replace(path, name)
            })
        };
        let variables = self.command.variables.iter();
        Unit {
            rustc: self.rustc,
            arguments: self
                .arguments
                .iter()
                .map(|word| without_digest(&named(word)))
                .collect(),
            variables: variables
                .map(|(name, value)| (name.clone(), named(value)))
                .collect(),
        }
    }
}

/// What paths and digests stand for; those that are part of others come last.
fn places(commands: &[Parsed<'_>]) -> Vec<(String, String)> {
    let mut places = BTreeMap::new();
    for command in commands {
        let package = command.package();
        let mut add = |path: &str, name: &str| {
            if !path.is_empty() {
                places.insert(path.to_owned(), format!("{{{name} {package}}}"));
            }
        };
        add(command.variable("CARGO_MANIFEST_DIR"), "source");
        add(command.variable("OUT_DIR"), "out");
    }
    for command in commands {
        if let (Some(name), Some(suffix), Some(folder)) = (
            command.option("--crate-name "),
            command.option("-C extra-filename="),
            command.option("--out-dir "),
        ) {
            for ending in ["rmeta", "rlib", "so"] {
                let path = format!("{folder}/lib{name}{suffix}.{ending}");
                places.insert(path, format!("{{{}}}", command.name()));
            }
        }
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    places
}

/// Leaves of an argument that names an output only that it is there.
fn without_digest(word: &str) -> String {
    for start in ["-C metadata=", "-C extra-filename=-", "--out-dir "] {
        if word.starts_with(start) {
            return format!("{start}…");
        }
    }
    word.to_owned()
}
