//! The measurements for a terminal: [`print()`].

use super::{Compared, Statistics};
use crate::context::Context;
use crate::progress::bytes_text;

pub(super) fn print(context: &Context, statistics: &Statistics) {
    context.ui.data(table(statistics).trim_fmt());
    context.ui.data("");
    for line in summary(statistics) {
        context.ui.data(line);
    }
}

fn table(statistics: &Statistics) -> comfy_table::Table {
    let mut table = super::super::table(&[
        "program",
        "libraries",
        "size",
        "static",
        "start-up",
        "static",
        "alone in memory",
        "static",
    ]);
    for app in &statistics.apps {
        for program in &app.programs {
            let start_up = program.start_up.map(|times| both(times, milliseconds));
            let memory = program.memory.map(|memory| {
                let pss = Compared {
                    installed: memory.installed.pss,
                    r#static: memory.r#static.pss,
                };
                both(pss, bytes_text)
            });
            let unknown = || ["-".to_owned(), "-".to_owned()];
            let mut row = vec![program.name.clone(), app.libraries.to_string()];
            row.extend(both(app.programs_bytes, bytes_text));
            row.extend(start_up.unwrap_or_else(unknown));
            row.extend(memory.unwrap_or_else(unknown));
            table.add_row(row);
        }
    }
    table
}

fn both<T: Copy>(compared: Compared<T>, text: impl Fn(T) -> String) -> [String; 2] {
    [text(compared.installed), text(compared.r#static)]
}

fn milliseconds(time: f64) -> String {
    format!("{time:.2} ms")
}

/// What holds for all apps together, a line each.
pub(super) fn summary(statistics: &Statistics) -> Vec<String> {
    let against = |what: &str, compared: Compared<u64>| {
        format!(
            "{what}: {}, static {}: {:.2}",
            bytes_text(compared.installed),
            bytes_text(compared.r#static),
            compared.ratio()
        )
    };
    let disk = &statistics.disk;
    let mut lines = vec![
        against("programs and libraries", disk.all),
        format!(
            "  had each app its libraries for itself: {}",
            bytes_text(disk.each_alone)
        ),
    ];
    for memory in &statistics.memory {
        let part = |part: fn(&super::Memory) -> u64| Compared {
            installed: part(&memory.sum.installed),
            r#static: part(&memory.sum.r#static),
        };
        let what = format!("memory of {} processes at once", memory.processes);
        lines.push(against(&what, part(|memory| memory.pss)));
        lines.push(against(
            "  of it private and written to",
            part(|memory| memory.private_dirty),
        ));
    }
    if let Some(ratio) = median_start_up(statistics) {
        lines.push(format!(
            "start-up, median of all programs: {ratio:.2} × static"
        ));
    }
    let crates: usize = statistics.crates_by_users.values().sum();
    let shared: usize = statistics
        .crates_by_users
        .range(2..)
        .map(|(_, crates)| crates)
        .sum();
    lines.push(format!(
        "crates: {crates}, of which {shared} are used by two or more apps"
    ));
    lines
}

/// The median over programs of how much longer they take to start.
fn median_start_up(statistics: &Statistics) -> Option<f64> {
    let programs = statistics.apps.iter().flat_map(|app| &app.programs);
    let mut ratios: Vec<_> = programs
        .filter_map(|program| program.start_up.map(Compared::<f64>::ratio))
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}
