//! Who asks for what of whom, in the programs that are to share libraries.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::Digest;

use crate::members::{Member, Symbols};
use crate::partition::Node;

/// One program, as far as symbols go.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// What its own objects define and ask for.
    pub(crate) own: &'a Symbols,
    /// Its members, in the order of the command line.
    pub(crate) members: Vec<Digest>,
}

/// The names that libraries from outside define.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    /// Libraries of the C tools, which are the same for all.
    pub(crate) system: BTreeSet<String>,
    /// Libraries of the store alone: every app may have others.
    pub(crate) native: BTreeSet<String>,
    /// What follows `-l` for libraries of the store.
    pub(crate) libraries: BTreeSet<String>,
}

/// All members of some programs, and the names they have to do with each other by.
pub(crate) struct References<'a> {
    programs: &'a [Program<'a>],
    members: BTreeMap<Digest, &'a Member>,
    /// Names that libraries from outside define.
    outside: &'a Outside,
    /// Names that somebody asks others for, and the members that do; none stands for a program's own
    /// objects.
    askers: BTreeMap<&'a str, Vec<Option<Digest>>>,
    /// What each member can offer to those who ask.
    offers: BTreeMap<Digest, Vec<&'a str>>,
}

impl<'a> References<'a> {
    pub(crate) fn new(
        programs: &'a [Program<'a>],
        all: &'a BTreeMap<Digest, Member>,
        outside: &'a Outside,
    ) -> Self {
        let members: BTreeMap<_, _> = all.iter().map(|(key, member)| (*key, member)).collect();
        let asking = members
            .iter()
            .map(|(key, member)| (Some(*key), &member.symbols));
        let asking = asking.chain(programs.iter().map(|program| (None, program.own)));
        let mut askers: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (asker, symbols) in asking {
            for name in symbols.undefined.keys() {
                askers.entry(name).or_default().push(asker);
            }
        }
        let offers = members
            .iter()
            .map(|(key, member)| {
                let defined = member.symbols.defined.keys().map(String::as_str);
                let asked = defined.filter(|name| askers.contains_key(name));
                (*key, asked.collect())
            })
            .collect();
        Self {
            programs,
            members,
            outside,
            askers,
            offers,
        }
    }

    /// Returns what a partition has to know of every member.
    pub(crate) fn nodes(&self) -> BTreeMap<Digest, Node> {
        let gathered = self.gathered();
        let mut nodes: BTreeMap<Digest, Node> = self
            .members
            .iter()
            .map(|(key, member)| {
                let symbols = &member.symbols;
                let anchored = symbols.runs_before_main && member.name != crate::line::STD
                    || symbols.gathers().any(|name| gathered.contains(name))
                    || symbols
                        .gatherable
                        .iter()
                        .any(|name| gathered.contains(name.as_str()));
                (
                    *key,
                    Node {
                        bytes: symbols.bytes,
                        anchored,
                        open: false,
                        needs: BTreeSet::new(),
                    },
                )
            })
            .collect();
        self.tie(&mut nodes);
        self.part(&mut nodes);
        self.leave_open(&mut nodes);
        let from_programs = self.asked_of_programs();
        let everywhere = self.defined_everywhere();
        for program in self.programs {
            let definers = self.definers(program);
            for key in &program.members {
                let (Some(member), Some(node)) = (self.members.get(key), nodes.get_mut(key)) else {
                    continue;
                };
                // What the program defines as well must be one with it.
                let own = &program.own.defined;
                node.anchored |= member.foreign().any(|name| own.contains_key(name));
                for name in member.symbols.undefined.keys().map(String::as_str) {
                    // Whose it means, a library's or that of another crate, is decided program by
                    // program.
                    node.anchored |= self.outside.native.contains(name);
                    if let Some(definer) = definers.get(name) {
                        if !self.outside.system.contains(name) {
                            node.needs.insert(*definer);
                        }
                    } else if from_programs.contains(name) && !everywhere.contains(name) {
                        // A program that loads this, used or not, must define it itself.
                        node.anchored = true;
                    }
                }
            }
        }
        nodes
    }

    /// Ties members together that define the same name: linked into one image only one of the
    /// definitions counts. C++ relies on it, for inline functions with a state of their own.
    fn tie(&self, nodes: &mut BTreeMap<Digest, Node>) {
        let tied = self.programs.iter().flat_map(|program| {
            let mut first = BTreeMap::new();
            let mut tied = Vec::new();
            for key in &program.members {
                for name in self
                    .members
                    .get(key)
                    .into_iter()
                    .flat_map(|member| member.foreign())
                {
                    let definer = *first.entry(name).or_insert(*key);
                    if definer != *key {
                        tied.extend([(definer, *key), (*key, definer)]);
                    }
                }
            }
            tied
        });
        for (one, other) in tied.collect::<BTreeSet<_>>() {
            if let Some(node) = nodes.get_mut(&one) {
                node.needs.insert(other);
            }
        }
    }

    /// Keeps members in the binaries that define the same name in different programs: two versions
    /// of a C library. In one library of ours only one of the definitions would count.
    fn part(&self, nodes: &mut BTreeMap<Digest, Node>) {
        let mut programs = BTreeMap::<Digest, BTreeSet<usize>>::new();
        for (index, program) in self.programs.iter().enumerate() {
            for key in &program.members {
                programs.entry(*key).or_default().insert(index);
            }
        }
        // What one program has is not shared.
        programs.retain(|_, programs| programs.len() > 1);
        let mut definers = BTreeMap::<&str, Vec<Digest>>::new();
        for key in programs.keys() {
            let member = self.members.get(key);
            for name in member.into_iter().flat_map(|member| member.single()) {
                definers.entry(name).or_default().push(*key);
            }
        }
        for keys in definers.values().filter(|keys| keys.len() > 1) {
            let apart = |one: &Digest| {
                let mut others = keys.iter();
                others.any(|other| one != other && programs[one].is_disjoint(&programs[other]))
            };
            for key in keys.iter().filter(|key| apart(key)) {
                if let Some(node) = nodes.get_mut(key) {
                    node.anchored = true;
                }
            }
        }
    }

    /// Keeps members in the binaries that ask for a name weakly, and those that define it: whether a
    /// program has it, it decides alone, by all the rest of it. In a library it would be there for
    /// all who load that, or lost where nothing else is asked of the library.
    fn leave_open(&self, nodes: &mut BTreeMap<Digest, Node>) {
        let ours = || {
            let members = self.members.iter();
            members.filter(|(_, member)| member.name != crate::line::STD)
        };
        let asked = ours().flat_map(|(_, member)| &member.symbols.weak);
        let asked: BTreeSet<_> = asked
            .filter(|name| !self.outside.system.contains(*name))
            .collect();
        let defines = |member: &Member, name: &String| member.symbols.defined.contains_key(name);
        let open: BTreeSet<_> = asked
            .into_iter()
            .filter(|name| ours().any(|(_, member)| defines(member, name)))
            .collect();
        for (key, member) in ours() {
            let takes_part = open
                .iter()
                .any(|name| defines(member, name) || member.symbols.weak.contains(*name));
            if let Some(node) = nodes.get_mut(key).filter(|_| takes_part) {
                node.anchored = true;
            }
        }
    }

    /// Returns the names that a library made of `inside` may have to give to others.
    pub(crate) fn offered(&self, inside: &BTreeSet<Digest>) -> BTreeSet<String> {
        let outside = |asker: &Option<Digest>| asker.is_none_or(|key| !inside.contains(&key));
        let asked = |name: &str| {
            let askers = self.askers.get(name);
            askers.is_some_and(|askers| askers.iter().any(outside))
        };
        let offers = inside.iter().filter_map(|key| self.offers.get(key));
        offers
            .flatten()
            .filter(|name| is_plain(name) && asked(name))
            .map(|name| (*name).to_owned())
            .collect()
    }

    /// Returns the names of sections that somebody wants gathered and somebody has.
    fn gathered(&self) -> BTreeSet<&'a str> {
        let members = self.members.values().map(|member| &member.symbols);
        members
            .chain(self.programs.iter().map(|program| program.own))
            .flat_map(Symbols::gathers)
            .collect()
    }

    /// Returns the names that members ask for and that some program defines in its own objects.
    fn asked_of_programs(&self) -> BTreeSet<&'a str> {
        let own = self
            .programs
            .iter()
            .flat_map(|program| program.own.defined.keys());
        own.map(String::as_str)
            .filter(|name| self.askers.contains_key(*name) && !self.outside.system.contains(*name))
            .collect()
    }

    /// Returns the names that all programs define in their own objects.
    fn defined_everywhere(&self) -> BTreeSet<&'a str> {
        let mut programs = self.programs.iter().map(|program| &program.own.defined);
        let Some(first) = programs.next() else {
            return BTreeSet::new();
        };
        let mut names: BTreeSet<_> = first.keys().map(String::as_str).collect();
        for defined in programs {
            names.retain(|name| defined.contains_key(*name));
        }
        names
    }

    /// Returns who defines a name in a program: the first on the command line.
    fn definers(&self, program: &Program<'_>) -> BTreeMap<&'a str, Digest> {
        let mut definers = BTreeMap::new();
        for key in &program.members {
            for name in self.offers.get(key).into_iter().flatten() {
                if !program.own.defined.contains_key(*name) {
                    definers.entry(*name).or_insert(*key);
                }
            }
        }
        definers
    }
}

impl Member {
    /// Returns the names it defines, hidden or not, of which one image has only one.
    fn single(&self) -> impl Iterator<Item = &str> {
        let ours = self.name != crate::line::STD;
        let names = self.symbols.defined.keys().map(String::as_str);
        names.filter(move |name| ours && !is_rust(name) && !is_everywhere(name))
    }

    /// Returns the names it defines that another member may define too, and of which a program has
    /// one: what can be seen, and hidden variables that are merged. Those of Rust hold the crate's
    /// own hash.
    fn foreign(&self) -> impl Iterator<Item = &str> {
        let ours = self.name != crate::line::STD;
        let Symbols {
            defined, merged, ..
        } = &self.symbols;
        let visible = defined.iter().filter(|(_, hidden)| !**hidden);
        let constant = |name: &&String| CONSTANT.iter().any(|start| name.starts_with(start));
        let merged = merged.iter().filter(move |name| !constant(name));
        let names = visible.map(|(name, _)| name).chain(merged);
        names
            .map(String::as_str)
            .filter(move |name| ours && !is_rust(name) && !is_everywhere(name))
    }
}

/// What C++ compilers write down of classes: the same wherever it is.
const CONSTANT: [&str; 5] = ["_ZTV", "_ZTI", "_ZTS", "_ZTT", "_ZTC"];

/// Names that any object may define and that stand for the same everywhere.
const EVERYWHERE: [&str; 3] = ["DW.ref.", "anon.", "__rustc_debug_gdb_scripts_section__"];

fn is_everywhere(name: &str) -> bool {
    EVERYWHERE.iter().any(|start| name.starts_with(start))
}

/// Whether a name is mangled as rustc does it, in either way. A C++ variable whose name has 17
/// letters, an `h` first, is nearly so.
fn is_rust(name: &str) -> bool {
    let legacy = || {
        let hash = name
            .len()
            .checked_sub(20)
            .and_then(|start| name.get(start..)?.strip_prefix("17h")?.strip_suffix('E'));
        let is_hash = |hash: &str| hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        name.starts_with("_ZN") && hash.is_some_and(is_hash)
    };
    // What may follow is in rustc's symbol mangling v0: a version, or a path.
    let path = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit() || "CMXYNIB".contains(c));
    name.strip_prefix("_R").is_some_and(path) || legacy()
}

/// Whether a name can stand between quotes in a script of the linker.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.contains(|letter: char| letter == '"' || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rust_are_told_from_others() {
        for name in [
            "_ZN5serde2de5visit17h0123456789abcdefE",
            "_RNvCs1234_7mycrate3foo",
            "_RINvNtC3std3mem8align_ofdEC8myCrate",
        ] {
            assert!(is_rust(name), "{name}");
        }
        for name in [
            "inflate",
            // `ns::hello_world_count` and `ns::f()`.
            "_ZN2ns17hello_world_countE",
            "_ZN2ns1fEv",
            "_Release",
            "_R",
        ] {
            assert!(!is_rust(name), "{name}");
        }
    }
}
