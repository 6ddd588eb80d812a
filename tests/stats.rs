//! `stats`: what is measured of installed apps, and the page that shows it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Env, Package, Run};

/// Installs two apps that share a crate, and one with everything inside.
fn install(env: &Env) {
    let bulk: Vec<_> = (0..200)
        .map(|number| format!("if n == {number} {{ return format!(\"{{n}} {number}\"); }}\n"))
        .collect();
    let bulk = format!(
        "pub fn bulk(n: usize) -> String {{ {} String::new() }}",
        bulk.concat()
    );
    let main = "fn main() { println!(\"{}\", bulk::bulk(std::env::args().count())); }";
    env.registry
        .publish(Package::new("bulk", "1.0.0").lib(&bulk))
        .publish(Package::new("one", "1.0.0").needs("bulk", "1").main(main))
        .publish(Package::new("two", "1.0.0").needs("bulk", "1").main(main))
        .publish(
            Package::new("silent", "1.0.0")
                .main("fn main() { std::process::exit(i32::from(std::env::args().count() > 1)) }"),
        );
    env.run("install one two").success();
    env.run("install silent --linkage static").success();
}

#[test]
fn disk_memory_and_start_up_are_measured_both_ways() {
    let env = Env::new();
    env.run("stats").fails(1).says("orlop install");
    install(&env);
    let objects = env.objects("").len();
    env.run("stats --rounds 3 --html page.html -n")
        .success()
        .says("Would start 3 programs 3 times, both ways");
    assert!(!env.path("page.html").exists());
    for (file, reason) in [
        ("absent/page.html", "nothing can be put into"),
        (".", "it is a folder"),
        ("absent/", "it is a folder"),
    ] {
        let run = env.run(&format!("stats --html {file}")).fails(1);
        assert!(!run.stderr.contains("Starting"), "{run}");
        drop(run.says(reason));
    }
    let stats = env.run("stats --rounds 3 --json").success().json();
    assert_eq!(stats["rounds"], 3);
    assert_eq!(stats["crates_by_users"], serde_json::json!({"2": 1}));
    let app = |name: &str| {
        let apps = stats["apps"].as_array().unwrap();
        apps.iter().find(|app| app["name"] == name).unwrap().clone()
    };
    for name in ["one", "two"] {
        let app = app(name);
        assert!(app["libraries"].as_u64().unwrap() >= 1, "{app}");
        assert!(app["libraries_bytes"].as_u64().unwrap() > 0, "{app}");
        let bytes = &app["programs_bytes"];
        assert!(
            bytes["installed"].as_u64() < bytes["static"].as_u64(),
            "{app}"
        );
        let program = &app["programs"][0];
        for way in ["installed", "static"] {
            assert!(program["start_up"][way].as_f64().unwrap() > 0.0, "{app}");
            let memory = &program["memory"][way];
            assert!(memory["pss"].as_u64().unwrap() > 10_000, "{app}");
            assert!(
                memory["private_dirty"].as_u64() < memory["pss"].as_u64(),
                "{app}"
            );
        }
    }
    // It knows no `--version` and prints nothing.
    let silent = app("silent");
    assert_eq!(silent["libraries"], 0);
    assert_eq!(silent["programs"][0]["start_up"], serde_json::Value::Null);
    assert_eq!(silent["programs"][0]["memory"], serde_json::Value::Null);
    let libraries = stats["libraries"].as_array().unwrap();
    assert!(!libraries.is_empty());
    for library in libraries {
        assert_eq!(library["apps"], serde_json::json!(["one", "two"]));
    }
    let disk = &stats["disk"];
    assert!(
        disk["all"]["installed"].as_u64() < disk["each_alone"].as_u64(),
        "{disk}"
    );
    let processes: Vec<_> = stats["memory"]
        .as_array()
        .unwrap()
        .iter()
        .map(|memory| memory["processes"].clone())
        .collect();
    assert_eq!(processes, [2, 6]);

    // What was linked to compare with is nobody's: the first measurement made it, `gc` takes it.
    assert!(env.objects("").len() > objects);
    env.run("gc").success();
    assert_eq!(env.program("one").success().stdout, "1 1\n");
    let run = env.run("stats --rounds 1").success();
    run.prints("two")
        .prints("start-up, median")
        .prints("used by two or more apps");
    // Nor does it need what was lost with the database.
    std::fs::remove_file(env.home().join("db.sqlite")).unwrap();
    env.run("gc").success().says("made again from the store");
    let again = env.run("stats --rounds 1 --json").success().json();
    assert_eq!(again["disk"], stats["disk"]);
}

#[test]
fn the_page_shows_charts_without_the_network() {
    let env = Env::new();
    install(&env);
    let page = env.path("stats.html");
    env.orlop(["stats", "--rounds", "1", "--html", page.to_str().unwrap()])
        .success()
        .says("stats.html");
    let text = std::fs::read_to_string(&page).unwrap();
    for foreign in ["http:", "https:", "<script", "@import", "url("] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    let Some(browser) = browser() else {
        eprintln!("there is no Chromium: the page is not looked at");
        return;
    };
    let shown = look(&browser, &page, &env.path("browser"));
    for id in [
        "summary",
        "size",
        "start-up",
        "alone",
        "together",
        "users",
        "libraries",
    ] {
        assert!(shown.contains(&format!("id=\"{id}\"")), "{id}: {shown}");
    }
    // Two bars for each of three apps.
    let size = shown.split("id=\"size\"").nth(1).unwrap();
    let size = size.split("</svg>").next().unwrap();
    assert_eq!(size.matches("<rect").count(), 6, "{size}");
}

fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&folders)
        .map(|folder| folder.join("chromium"))
        .find(|program| program.exists())
}

/// Returns the page as the browser understands it.
fn look(browser: &Path, page: &Path, profile: &Path) -> String {
    let run: Run = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap()
        .into();
    run.success().stdout
}
