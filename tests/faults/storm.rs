//! Many processes on one store, killed at random: installers, gc, switchers, verify.

use std::io::Write as _;
use std::process::Child;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use orlop_store::{GcOptions, StoreError};

use crate::flip::Random;
use crate::operation::{self, Folder};
use crate::{Counts, Size};

/// Who takes part, and how many of each.
const PARTS: [(&str, usize); 4] = [("install", 16), ("gc", 2), ("switch", 2), ("verify", 1)];

pub(crate) fn rage(size: Size) -> Counts {
    let folder = Folder::new();
    let home = folder.path().join("home");
    operation::prepare(&home);
    let parts: Vec<_> = PARTS
        .iter()
        .flat_map(|&(part, count)| std::iter::repeat_n(part, count))
        .collect();
    let mut random = Random(0x5707_1234);
    let mut children: Vec<Child> = Vec::new();
    for part in &parts {
        children.push(start(&home, part, &mut random));
    }
    let (mut kills, mut done) = (0, 0);
    let began = Instant::now();
    let mut next_kill = Duration::from_millis(200);
    while began.elapsed() < size.storm {
        std::thread::sleep(Duration::from_millis(10));
        if began.elapsed() > next_kill {
            next_kill += Duration::from_millis(200);
            let victim = random.below(children.len());
            children[victim].kill().unwrap();
            children[victim].wait().unwrap();
            children[victim] = start(&home, parts[victim], &mut random);
            kills += 1;
        }
        for (child, part) in children.iter_mut().zip(&parts) {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{part}: {status}");
                done += 1;
                *child = start(&home, part, &mut random);
            }
        }
    }
    for (mut child, part) in children.into_iter().zip(&parts) {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{part}: {status}");
        }
        drop(child.kill());
        child.wait().unwrap();
    }
    let store = operation::open(&home).unwrap();
    assert_eq!(store.verify().unwrap().findings, []);
    let removed = store
        .gc(&GcOptions::default(), &mut |_| {})
        .unwrap()
        .removed
        .len();
    assert_eq!(store.verify().unwrap().findings, []);
    let swept = std::fs::read_to_string(home.join("swept")).unwrap_or_default();
    assert!(
        swept.lines().count() + removed > 0,
        "gc never came to anything"
    );
    vec![
        (kills, "processes killed"),
        (done, "ended by themselves"),
        (swept.lines().count() as u64, "gc runs"),
    ]
}

fn start(home: &Utf8Path, part: &str, random: &mut Random) -> Child {
    let seed = random.below(1 << 30).to_string();
    operation::command("storm", home)
        .args([part, &seed])
        .spawn()
        .unwrap()
}

/// What one process of the storm does.
pub(crate) fn part(home: &Utf8Path, arguments: &[String]) -> Result<(), StoreError> {
    let [part, seed] = arguments else {
        panic!("{arguments:?}")
    };
    let mut random = Random(seed.parse::<u64>().unwrap() | 1);
    random.below(2);
    let store = operation::open(home)?;
    let profile = ["default", "one", "two"][random.below(3)];
    match part.as_str() {
        "install" => {
            let version = (random.below(40) + 10).to_string();
            operation::install(&store, profile, &version)?;
            let profile = store.profile(profile)?;
            let _lock = profile.lock(&mut |_| {})?;
            // Not too many: old ones go, so that gc has something to do.
            for generation in profile.generations()?.iter().rev().skip(5) {
                match profile.remove(generation.number) {
                    Err(StoreError::CurrentGeneration { .. }) => {}
                    other => other?,
                }
            }
            Ok(())
        }
        "gc" => {
            let report = store.gc(&GcOptions::default(), &mut |_| {})?;
            let log = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(home.join("swept"));
            writeln!(log.unwrap(), "{}", report.removed.len()).unwrap();
            Ok(())
        }
        "switch" => {
            let profile = store.profile(profile)?;
            let _lock = profile.lock(&mut |_| {})?;
            let generations = profile.generations()?;
            if generations.is_empty() {
                return Ok(());
            }
            let number = generations[random.below(generations.len())].number;
            profile.restore(&profile.generation(number)?)
        }
        _ => {
            let findings = store.verify()?.findings;
            assert_eq!(findings, [], "in the storm");
            Ok(())
        }
    }
}
