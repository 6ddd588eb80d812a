//! Looks at everything whether it is what it was when it was made: [`Verification`].
//!
//! | finding | how it is mended |
//! |---|---|
//! | an object's tree is absent, or not what was registered | [`Store::distrust`], then [`Store::restore_from`]; or whoever needs it makes it again |
//! | an object's registration does not fit its seal, or is missing though a generation shows it | registered again from its tree |
//! | an object refers to one that is absent | the same as for that one |
//! | a generation is not what it was | its links are made again from its record |
//! | the database's file is damaged | [`Store::discard_database`]; it is made again from the store |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::Utf8Path;
use rayon::prelude::*;
use serde::Serialize;

use crate::database::Record;
use crate::error::StoreError;
use crate::failpoint;
use crate::live::{self, Root, Roots, Rule};
use crate::lock::{StepLock, SweepLock};
use crate::path::StorePath;
use crate::store::Store;
use crate::tree::{self, Deviations, Tree};
use crate::{disk, opening, reference};

/// What was looked at, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many objects were looked at.
    pub objects: u64,
    /// How many bytes their files hold.
    pub bytes: u64,
    /// What is wrong; nothing if all is well.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// With what.
    pub subject: Subject,
    /// What is wrong with it.
    pub problem: String,
    /// Which apps, roots and processes need it.
    pub needed_by: Vec<String>,
}

/// With what something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Subject {
    /// The file of the database.
    Database,
    /// The tree of an object.
    Object {
        /// The object.
        path: StorePath,
    },
    /// The modes and times of what an object holds, which is all there.
    Form {
        /// The object.
        path: StorePath,
    },
    /// What the database has on an object.
    Registration {
        /// The object.
        path: StorePath,
    },
    /// A generation.
    Generation {
        /// The profile.
        profile: String,
        /// Its number.
        number: u64,
    },
    /// Which generation of a profile is the current one.
    Current {
        /// The profile.
        profile: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => write!(f, "the database"),
            Self::Object { path } => write!(f, "{path}"),
            Self::Form { path } => write!(f, "the form of {path}"),
            Self::Registration { path } => write!(f, "the registration of {path}"),
            Self::Generation { profile, number } => write!(f, "generation {number} of {profile}"),
            Self::Current { profile } => write!(f, "the current generation of {profile}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

impl Verification {
    /// What is read from a damaged database would be no basis for saying what else is wrong.
    fn of_database(problem: String) -> Self {
        Self {
            objects: 0,
            bytes: 0,
            findings: vec![Finding {
                subject: Subject::Database,
                problem,
                needed_by: Vec::new(),
            }],
        }
    }
}

impl Store {
    /// Looks at every object, on all cores, and at every registration and generation. Changes
    /// nothing.
    pub fn verify(&self) -> Result<Verification, StoreError> {
        let _no_gc = self.use_store()?;
        if let Some(problem) = self.database()?.damage()? {
            return Ok(Verification::of_database(problem));
        }
        let roots = live::roots(self, &Rule::default())?;
        let paths: Vec<_> = match self.database()?.paths() {
            Ok(paths) => paths.into_iter().collect(),
            Err(error @ StoreError::Database { .. }) => {
                return Ok(Verification::of_database(chain(&error)));
            }
            Err(error) => return Err(error),
        };
        let checked: Vec<_> = paths
            .par_iter()
            .map(|path| check(self, path))
            .collect::<Result<_, StoreError>>()?;
        let bytes = checked.iter().map(|checked| checked.bytes).sum();
        let mut problems: BTreeMap<Subject, String> = BTreeMap::new();
        let mut missing = Vec::new();
        for checked in checked {
            problems.extend(checked.problems);
            missing.extend(checked.missing);
        }
        // What is known of an object itself says more than that another one misses it.
        for (path, problem) in missing {
            if !problems.contains_key(&Subject::Form { path: path.clone() }) {
                let subject = Subject::Object { path };
                problems.entry(subject).or_insert(problem);
            }
        }
        problems.extend(unregistered(self, &roots, &paths)?);
        for name in self.profiles()? {
            problems.extend(check_profile(self, &name)?);
        }
        let mut findings = Vec::new();
        for (subject, problem) in problems {
            let users = match &subject {
                Subject::Object { path }
                | Subject::Form { path }
                | Subject::Registration { path } => self.users(path),
                _ => Ok(Vec::new()),
            };
            let (needed_by, known) = match users {
                Ok(users) => (users, true),
                // A registration that cannot be read is a finding of its own.
                Err(StoreError::Database { .. }) => (Vec::new(), false),
                Err(error) => return Err(error),
            };
            // A gc that was stopped on a full disk leaves dead objects registered without a tree, and
            // what was found to be damaged stays registered: nobody misses them, and the next gc
            // forgets them.
            if let Subject::Object { path } | Subject::Registration { path } = &subject
                && known
                && needed_by.is_empty()
                && !tree::is_trusted(&self.object(path))?
            {
                continue;
            }
            findings.push(Finding {
                subject,
                problem,
                needed_by,
            });
        }
        Ok(Verification {
            objects: paths.len() as u64,
            bytes,
            findings,
        })
    }

    /// Makes objects invalid whose trees are not what they should be. The trees stay where they
    /// are until somebody adds the objects again: what works in spite of the damage goes on to. Nor
    /// is forgotten what they should be, and what they refer to stays.
    pub fn distrust(&self, paths: &BTreeSet<StorePath>) -> Result<(), StoreError> {
        let _no_gc = StepLock::new(self.home(), "gc")?;
        let _none_open = opening::none_open(self.home())?;
        for path in paths {
            tree::distrust(&self.object(path))?;
            failpoint::reached("verify.distrust")?;
        }
        Ok(())
    }

    /// Registers an object again from its tree. What cannot be found there is lost: the step that
    /// made it, and how far that was shut off. Returns false if the tree is absent, was found to be
    /// damaged, or cannot be one of an object.
    pub fn register_again(&self, path: &StorePath) -> Result<bool, StoreError> {
        let _no_gc = self.use_store()?;
        if !tree::is_trusted(&self.object(path))? {
            return Ok(false);
        }
        let record = match reference::rebuild_one(&self.folder(), path, self.now()) {
            Err(StoreError::Refused { .. }) => return Ok(false),
            record => record?,
        };
        self.database()?.register(&[record])?;
        failpoint::reached("verify.register")?;
        Ok(true)
    }

    /// Closes what is open in an object that holds what it should. Returns false if it does not.
    pub fn restore_form(&self, path: &StorePath) -> Result<bool, StoreError> {
        let _no_gc = self.use_store()?;
        let _none_open = opening::none_open(self.home())?;
        let folder = self.object(path);
        let tree = Tree::read(&folder)?;
        let known = self.database()?.info(path)?;
        if known.is_none_or(|known| known.content != tree.digest()) {
            return Ok(false);
        }
        tree.restore_form(&folder)?;
        failpoint::reached("verify.form")?;
        Ok(true)
    }

    /// Removes the database of a home, so that the next [`Store::open`] makes it again from the
    /// store. Returns false if somebody uses the store.
    pub fn discard_database(home: &Utf8Path) -> Result<bool, StoreError> {
        disk::create_folder(&home.join("locks"))?;
        let Some(_nobody_else) = SweepLock::try_new(home)? else {
            return Ok(false);
        };
        for ending in ["", "-wal", "-shm"] {
            disk::remove_file(&home.join(format!("db.sqlite{ending}")))?;
            failpoint::reached("verify.discard")?;
        }
        Ok(true)
    }
}

/// Returns what is wrong with roots that are not among the registered paths.
fn unregistered(
    store: &Store,
    roots: &Roots,
    registered: &[StorePath],
) -> Result<Vec<(Subject, String)>, StoreError> {
    let mut problems = Vec::new();
    for (root, why) in roots {
        if registered.binary_search(root).is_ok() {
            continue;
        }
        let path = root.clone();
        let folder = store.object(root);
        let (subject, problem) = if tree::is_trusted(&folder)? {
            let problem = "it is not registered, though it is in use";
            (Subject::Registration { path }, problem)
        } else if tree::stands(&folder)? {
            (Subject::Object { path }, "it was found to be damaged")
        } else if why.iter().all(|root| matches!(root, Root::Link { .. })) {
            // It was let go. Nothing needs it but linking anew, which makes it again.
            continue;
        } else {
            (Subject::Object { path }, "it is absent")
        };
        problems.push((subject, problem.to_owned()));
    }
    Ok(problems)
}

/// What became of one object.
#[derive(Default)]
struct Checked {
    bytes: u64,
    problems: Vec<(Subject, String)>,
    /// What it refers to and is absent.
    missing: Vec<(StorePath, String)>,
}

fn check(store: &Store, path: &StorePath) -> Result<Checked, StoreError> {
    let mut problems = Vec::new();
    let registration = || Subject::Registration { path: path.clone() };
    let object = || Subject::Object { path: path.clone() };
    let record = match store.database()?.sealed(path) {
        Ok(Some((record, seal))) if record.seal().is_ok_and(|right| right == seal) => Some(record),
        Ok(_) => {
            problems.push((registration(), "it is not what was registered".to_owned()));
            None
        }
        Err(error) => {
            problems.push((
                registration(),
                format!("it cannot be read: {}", chain(&error)),
            ));
            None
        }
    };
    let mut bytes = 0;
    let found = if tree::stands(&store.object(path))? {
        read(store, path)
    } else {
        Err(StoreError::Absent { path: path.clone() })
    };
    match found {
        Ok((tree, deviations)) => {
            bytes = tree.files().map(|(_, content)| content.length).sum();
            let problem = record
                .as_ref()
                .and_then(|record| compare(record, &tree, path));
            problems.extend(problem.or_else(|| deviating(path, &deviations)));
        }
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            problems.push((object(), "it is absent, or a part of it".to_owned()));
        }
        Err(StoreError::Absent { .. }) => problems.push((object(), "it is absent".to_owned())),
        Err(error) => problems.push((object(), chain(&error))),
    }
    let mut missing = Vec::new();
    if let Some(record) = record {
        for reference in store.missing(&record.info.references)? {
            let problem = format!("it is absent, and {path} refers to it");
            missing.push((reference, problem));
        }
    }
    Ok(Checked {
        bytes,
        problems,
        missing,
    })
}

fn read(store: &Store, path: &StorePath) -> Result<(Tree, Deviations), StoreError> {
    let folder = store.object(path);
    let (tree, deviations) = Tree::read_with_form(&folder)?;
    if deviations.is_empty() {
        return Ok((tree, deviations));
    }
    // Somebody may be exchanging a file just now.
    let _none_open = opening::none_open(store.home())?;
    Tree::read_with_form(&folder)
}

fn deviating(path: &StorePath, deviations: &Deviations) -> Option<(Subject, String)> {
    let (inside, deviation) = deviations.first_key_value()?;
    let inside = if inside.is_empty() { "." } else { inside };
    let problem = match deviations.len() - 1 {
        0 => format!("`{inside}` {deviation}"),
        more => format!("`{inside}` {deviation}; {more} more are not as they should be"),
    };
    Some((Subject::Form { path: path.clone() }, problem))
}

fn compare(record: &Record, tree: &Tree, path: &StorePath) -> Option<(Subject, String)> {
    let found = tree.digest();
    (found != record.info.content).then(|| {
        let subject = Subject::Object { path: path.clone() };
        let expected = record.info.content;
        (
            subject,
            format!("its content is {found} and should be {expected}"),
        )
    })
}

fn check_profile(store: &Store, name: &str) -> Result<Vec<(Subject, String)>, StoreError> {
    let profile = store.profile(name)?;
    let mut problems = Vec::new();
    // First this, then the generations: new ones may be made meanwhile.
    let current = profile.current_number();
    let numbers = profile.numbers()?;
    for &number in &numbers {
        let damage = match profile.generation(number) {
            Ok(generation) => generation
                .damage()
                .unwrap_or_else(|error| Some(chain(&error))),
            Err(StoreError::NoGeneration { .. }) => Some("its record is missing".to_owned()),
            Err(error) => Some(chain(&error)),
        };
        // It may have been removed meanwhile.
        if let Some(problem) = damage
            && profile.numbers()?.contains(&number)
        {
            let profile = name.to_owned();
            problems.push((Subject::Generation { profile, number }, problem));
        }
    }
    let problem = match current {
        Ok(None) => None,
        Ok(Some(number)) if profile.numbers()?.contains(&number) => None,
        // It was left for another and then removed, all in between.
        Ok(current) if profile.current_number().is_ok_and(|now| now != current) => None,
        Ok(Some(number)) => Some(format!("there is no generation {number}")),
        Err(error) => Some(chain(&error)),
    };
    // A generation that is neither current nor followed by one is the rest of a killed command;
    // but where there are several, one of them was current.
    let lost = matches!(profile.current_number(), Ok(None)) && numbers.len() > 1;
    let problem = problem.or_else(|| lost.then(|| "there is none".to_owned()));
    problems.extend(problem.map(|problem| {
        let profile = name.to_owned();
        (Subject::Current { profile }, problem)
    }));
    Ok(problems)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Home, path};

    fn home() -> (Home, Store, StorePath, StorePath) {
        let home = Home::new();
        let store = home.open();
        let (library, view) = (path("library"), path("view"));
        let text = "l".repeat(3000);
        testing::add(&store, &library, &[], &[("lib/x.so", &text)]).unwrap();
        let lead = format!("see {library}");
        let files = [("bin/app*", "app"), ("share/page", lead.as_str())];
        testing::add(&store, &view, &[&library], &files).unwrap();
        testing::commit(&store, "default", &[("app", &view, &["app"])]).unwrap();
        (home, store, library, view)
    }

    fn findings(store: &Store) -> Vec<String> {
        let findings = store.verify().unwrap().findings;
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_is_well() {
        let (_home, store, ..) = home();
        let verification = store.verify().unwrap();
        assert_eq!(verification.findings, []);
        assert_eq!(verification.objects, 2);
        assert_eq!(verification.bytes, 3000 + 3 + 4 + 40);
    }

    #[test]
    fn what_is_bad_is_named_with_who_needs_it_and_can_be_added_again() {
        let (home, store, library, view) = home();
        let file = store.object(&library).join("lib/x.so");
        disk::set_mode(&file, 0o644).unwrap();
        fs_err::write(&file, "m".repeat(3000)).unwrap();
        let verification = store.verify().unwrap();
        assert_eq!(verification.findings.len(), 1, "{verification:?}");
        let finding = &verification.findings[0];
        assert_eq!(
            finding.subject,
            Subject::Object {
                path: library.clone()
            }
        );
        assert_eq!(finding.needed_by, ["app in generation 1 of default"]);

        store.distrust(&BTreeSet::from([library.clone()])).unwrap();
        assert!(!store.contains(&library).unwrap());
        // Nothing breaks meanwhile, and gc takes nothing that the generation needs.
        let report = store.gc(&crate::GcOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(report.removed, BTreeSet::new());
        assert!(file.exists());
        // Nor is it taken for good because somebody looks again.
        assert_eq!(store.verify().unwrap().findings, verification.findings);
        assert!(!store.register_again(&library).unwrap());
        drop(store);
        assert!(Store::discard_database(&home.path()).unwrap());
        let store = home.open();
        assert!(!store.contains(&library).unwrap());
        let found = findings(&store);
        assert!(found[0].contains("absent"), "{found:?}");
        let text = "l".repeat(3000);
        testing::add(&store, &library, &[], &[("lib/x.so", &text)]).unwrap();
        assert_eq!(findings(&store), [""; 0]);
        drop((home, view));
    }

    #[test]
    fn what_a_damaged_object_needs_stays() {
        let (home, store, library, view) = home();
        let user = path("user");
        testing::add(&store, &user, &[&view], &[]).unwrap();
        store.set_root("user", &user).unwrap();
        store.distrust(&[view.clone()].into()).unwrap();
        let dead = path("dead");
        testing::add(&store, &dead, &[], &[]).unwrap();
        store.distrust(&[dead.clone()].into()).unwrap();
        let profile = store.profile("default").unwrap();
        fs_err::remove_dir_all(profile.folder()).unwrap();
        let report = store.gc(&crate::GcOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(report.removed, [dead].into());
        assert!(store.contains(&library).unwrap());
        // What turns out to be right is trusted again.
        assert!(store.restore_form(&view).unwrap());
        assert!(store.contains(&view).unwrap());
        assert_eq!(findings(&store), [""; 0]);
        drop(home);
    }

    #[test]
    fn what_can_be_written_to_is_found_and_closed() {
        let (_home, store, library, _view) = home();
        let folder = store.object(&library).join("lib");
        disk::set_mode(&folder, 0o755).unwrap();
        let finding = store.verify().unwrap().findings.remove(0);
        let path = library.clone();
        assert_eq!(finding.subject, Subject::Form { path });
        assert_eq!(finding.problem, "`lib` has the mode 0755, not 0555");
        assert_eq!(finding.needed_by, ["app in generation 1 of default"]);
        // A closed folder with another time.
        fs_err::write(folder.join("more"), "").unwrap();
        fs_err::remove_file(folder.join("more")).unwrap();
        disk::set_mode(&folder, 0o555).unwrap();
        disk::set_mode(&folder.join("x.so"), 0o644).unwrap();
        let problem = store.verify().unwrap().findings.remove(0).problem;
        let (time, more) = problem.split_once(", ").unwrap();
        assert!(time.starts_with("`lib` has the time "), "{problem}");
        assert_eq!(more, "not 1; 1 more are not as they should be");
        assert!(store.restore_form(&library).unwrap());
        assert_eq!(findings(&store), [""; 0]);
        // What is not what it should be is not closed over.
        disk::set_mode(&folder.join("x.so"), 0o644).unwrap();
        fs_err::write(folder.join("x.so"), "m").unwrap();
        assert!(!store.restore_form(&library).unwrap());
    }

    #[test]
    fn registrations_are_mended_from_the_tree() {
        let (home, store, library, view) = home();
        let before = store.info(&view).unwrap().unwrap();
        store
            .database()
            .unwrap()
            .forget(&BTreeSet::from([view.clone()]))
            .unwrap();
        assert_eq!(findings(&store).len(), 1);
        // What the unregistered view needs stays.
        let report = store.gc(&crate::GcOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(report.removed, BTreeSet::new());
        assert!(store.register_again(&view).unwrap());
        assert_eq!(findings(&store), [""; 0]);
        let after = store.info(&view).unwrap().unwrap();
        assert_eq!(
            (before.content, before.references),
            (after.content, after.references)
        );
        drop((home, library));
    }

    fn change_database(home: &Home, statement: &str) {
        let database = rusqlite::Connection::open(home.path().join("db.sqlite")).unwrap();
        database.pragma_update(None, "foreign_keys", false).unwrap();
        assert_eq!(database.execute(statement, []).unwrap(), 1);
    }

    #[test]
    fn a_damaged_value_does_not_hide_the_others() {
        let (home, store, library, view) = home();
        drop(store);
        // The view refers to a number that there is not, and the library has another name.
        let ids =
            "UPDATE refs SET ids = x'000000f0' WHERE object = (SELECT id FROM paths WHERE path = ";
        change_database(&home, &format!("{ids}'{view}')"));
        let other = library.to_string().replace("-library", "-librarx");
        let name = format!("UPDATE paths SET path = '{other}' WHERE path = '{library}'");
        change_database(&home, &name);
        let store = home.open();
        let subjects: BTreeSet<_> = store
            .verify()
            .unwrap()
            .findings
            .into_iter()
            .map(|f| f.subject)
            .collect();
        let of_view = Subject::Registration { path: view.clone() };
        assert!(subjects.contains(&of_view), "{subjects:?}");
        assert!(store.register_again(&view).unwrap());
        assert!(store.register_again(&library).unwrap());
        assert!(!store.register_again(&other.parse().unwrap()).unwrap());
        assert_eq!(findings(&store), [""; 0]);
        // What is no name of an object at all is damage of the database.
        drop(store);
        change_database(
            &home,
            &format!("UPDATE paths SET path = 'x' WHERE path = '{library}'"),
        );
        let store = home.open();
        let subject = store.verify().unwrap().findings.remove(0).subject;
        assert_eq!(subject, Subject::Database);
    }

    #[test]
    fn a_number_too_high_is_damage() {
        let (home, store, _library, view) = home();
        drop(store);
        let number = "UPDATE refs SET object = 4000000000 WHERE object = (SELECT id FROM paths WHERE path = ";
        change_database(&home, &format!("{number}'{view}')"));
        let store = home.open();
        assert_eq!(
            findings(&store),
            ["the database: a row of its table `refs` belongs to no object"]
        );
        let error = store.plan_gc(&crate::GcOptions::default()).unwrap_err();
        assert!(matches!(error, StoreError::Database { .. }), "{error}");
        drop(store);
        assert!(Store::discard_database(&home.path()).unwrap());
        assert_eq!(findings(&home.open()), [""; 0]);
    }

    #[test]
    fn generations_are_mended_from_their_record() {
        let (_home, store, ..) = home();
        let profile = store.profile("default").unwrap();
        let folder = profile.generation(1).unwrap().folder().to_owned();
        disk::replace_link(&folder.join("bin/app"), "elsewhere".into()).unwrap();
        assert_eq!(
            findings(&store),
            ["generation 1 of default: it is not what it was when it was made"]
        );
        let _lock = profile.lock(&mut |_| {}).unwrap();
        assert!(profile.mend(1).unwrap());
        assert_eq!(findings(&store), [""; 0]);
        fs_err::write(folder.join("lock.toml"), "other").unwrap();
        assert!(!profile.mend(1).unwrap());
        assert_eq!(findings(&store).len(), 1);
    }

    #[test]
    fn a_discarded_database_comes_back() {
        let (home, store, library, view) = home();
        drop(store);
        assert!(Store::discard_database(&home.path()).unwrap());
        let store = home.open();
        assert_eq!(findings(&store), [""; 0]);
        assert!(store.contains(&library).unwrap() && store.contains(&view).unwrap());
        let _in_use = store.use_store().unwrap();
        assert!(!Store::discard_database(&home.path()).unwrap());
    }
}
