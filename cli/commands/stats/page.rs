//! The measurements for a browser: [`page`]. One file that loads nothing from anywhere.

use std::fmt::Write as _;

use super::{Compared, Statistics, text};
use crate::progress::bytes_text;

const STYLE: &str = "
:root { color-scheme: light dark; --installed: #3a7ca5; --static: #c9a227; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
svg { width: 100%; height: auto; } svg text { fill: currentColor; font: 13px system-ui, sans-serif; }
.installed { fill: var(--installed); } .static { fill: var(--static); }
.key span { display: inline-block; width: .8em; height: .8em; margin: 0 .4em 0 1em; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2rem .6rem; }
td.number, th.number { text-align: right; } tr:nth-child(even) { background: #8882; }
";

/// Bars of one chart: a name, and how long both are.
type Bars = Vec<(String, Compared<f64>)>;

/// Writes the page.
pub(super) fn page(statistics: &Statistics) -> String {
    let title = format!(
        "Shared crates of the profile {}, generation {}",
        escaped(&statistics.profile),
        statistics.generation
    );
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n\
         <p>Measured on this machine: the apps as they are installed, against the same apps with all \
         crates in each program.</p>\n<ul id=\"summary\">\n"
    );
    for line in text::summary(statistics) {
        add(
            &mut page,
            format_args!("<li>{}</li>\n", escaped(line.trim())),
        );
    }
    page.push_str(
        "</ul>\n<p class=\"key\"><span style=\"background: var(--installed)\"></span>as installed\
         <span style=\"background: var(--static)\"></span>static</p>\n",
    );
    let median = format!(
        "Start-up: median of {} rounds, in milliseconds",
        statistics.rounds
    );
    section(
        &mut page,
        "size",
        "Size of programs, without libraries",
        &sizes(statistics),
        bytes,
    );
    section(
        &mut page,
        "start-up",
        &median,
        &start_ups(statistics),
        |time| format!("{time:.2} ms"),
    );
    section(
        &mut page,
        "alone",
        "Memory of each program alone (PSS)",
        &alone(statistics),
        bytes,
    );
    section(
        &mut page,
        "together",
        "Memory of all programs at once (PSS)",
        &together(statistics),
        bytes,
    );
    users(&mut page, statistics);
    libraries(&mut page, statistics);
    page.push_str("</body></html>\n");
    page
}

fn sizes(statistics: &Statistics) -> Bars {
    let apps = statistics.apps.iter();
    apps.map(|app| (app.name.clone(), numbers(app.programs_bytes)))
        .collect()
}

fn start_ups(statistics: &Statistics) -> Bars {
    let programs = statistics.apps.iter().flat_map(|app| &app.programs);
    programs
        .filter_map(|program| Some((program.name.clone(), program.start_up?)))
        .collect()
}

fn alone(statistics: &Statistics) -> Bars {
    let programs = statistics.apps.iter().flat_map(|app| &app.programs);
    programs
        .filter_map(|program| {
            let memory = program.memory?;
            let pss = Compared {
                installed: memory.installed.pss,
                r#static: memory.r#static.pss,
            };
            Some((program.name.clone(), numbers(pss)))
        })
        .collect()
}

fn together(statistics: &Statistics) -> Bars {
    let memory = statistics.memory.iter();
    memory
        .map(|memory| {
            let pss = Compared {
                installed: memory.sum.installed.pss,
                r#static: memory.sum.r#static.pss,
            };
            (format!("{} processes", memory.processes), numbers(pss))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "bars are some pixels long")]
fn numbers(compared: Compared<u64>) -> Compared<f64> {
    Compared {
        installed: compared.installed as f64,
        r#static: compared.r#static as f64,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it comes from a number of bytes"
)]
fn bytes(number: f64) -> String {
    bytes_text(number as u64)
}

/// Adds a chart of pairs of bars.
fn section(page: &mut String, id: &str, title: &str, bars: &Bars, text: impl Fn(f64) -> String) {
    const LEFT: f64 = 150.0;
    const LONGEST: f64 = 600.0;
    const HEIGHT: usize = 34;
    if bars.is_empty() {
        return;
    }
    let lengths = bars
        .iter()
        .flat_map(|(_, bar)| [bar.installed, bar.r#static]);
    let most = lengths.fold(f64::MIN_POSITIVE, f64::max);
    let height = bars.len() * HEIGHT;
    add(
        page,
        format_args!(
            "<h2>{title}</h2>\n<svg id=\"{id}\" viewBox=\"0 0 850 {height}\" role=\"img\">\n"
        ),
    );
    for (position, (name, bar)) in bars.iter().enumerate() {
        let top = position * HEIGHT;
        add(
            page,
            format_args!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8.0,
                top + 20,
                escaped(name)
            ),
        );
        for (class, value, y) in [
            ("installed", bar.installed, top + 3),
            ("static", bar.r#static, top + 17),
        ] {
            let length = value / most * LONGEST;
            add(
                page,
                format_args!(
                    "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"12\"/>\
                     <text x=\"{:.1}\" y=\"{}\">{}</text>\n",
                    LEFT + length + 6.0,
                    y + 11,
                    text(value)
                ),
            );
        }
    }
    page.push_str("</svg>\n");
}

/// Adds how many crates have how many users.
fn users(page: &mut String, statistics: &Statistics) {
    page.push_str(
        "<h2>Crates by the number of apps that use them</h2>\n<table id=\"users\">\
         <tr><th class=\"number\">apps</th><th class=\"number\">crates</th></tr>\n",
    );
    for (users, crates) in &statistics.crates_by_users {
        add(
            page,
            format_args!(
                "<tr><td class=\"number\">{users}</td><td class=\"number\">{crates}</td></tr>\n"
            ),
        );
    }
    page.push_str("</table>\n");
}

fn libraries(page: &mut String, statistics: &Statistics) {
    if statistics.libraries.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Shared libraries</h2>\n<table id=\"libraries\">\
         <tr><th>library</th><th class=\"number\">size</th><th>apps</th></tr>\n",
    );
    for library in &statistics.libraries {
        add(
            page,
            format_args!(
                "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
                escaped(&library.name),
                bytes_text(library.bytes),
                escaped(&library.apps.join(", "))
            ),
        );
    }
    page.push_str("</table>\n");
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes any text");
}

/// Makes a text safe to stand in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
