//! Draws [`Event`]s: bars on a terminal, one plain line per finished piece of work elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use orlop_store::{Activity, ActivityKind, Event, Reporter};

use crate::ui::Ui;

/// How many activities are shown at once.
const MAX_ROWS: usize = 8;
/// Nothing moves before this, so that quick commands stay quiet.
const PATIENCE: Duration = Duration::from_millis(250);

/// A reporter for people.
#[derive(Debug)]
pub(crate) struct Progress {
    drawing: Arc<Drawing>,
}

/// What is on the screen.
#[derive(Debug)]
struct Drawing {
    ui: Ui,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Activity, Row>,
    planned: BTreeMap<ActivityKind, usize>,
    finished: BTreeMap<ActivityKind, usize>,
    total: Option<ProgressBar>,
    /// Whether somebody waits to draw what began early.
    awaited: bool,
}

#[derive(Debug)]
struct Row {
    since: Instant,
    /// Of how many bytes there are, if that is known.
    of: Option<u64>,
    bytes: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(ui: Ui) -> Self {
        Self {
            drawing: Arc::new(Drawing {
                ui,
                begun: Instant::now(),
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// Takes everything that moves off the screen.
    pub(crate) fn clear(&self) {
        let mut state = self.drawing.lock();
        for row in std::mem::take(&mut state.rows).into_values() {
            if let Some(bar) = row.bar {
                bar.finish_and_clear();
            }
        }
        if let Some(total) = state.total.take() {
            total.finish_and_clear();
        }
    }

    fn started(&self, activity: Activity, of: Option<u64>) {
        let mut state = self.drawing.lock();
        state.rows.insert(
            activity,
            Row {
                since: Instant::now(),
                of,
                bytes: 0,
                bar: None,
            },
        );
        self.drawing.draw(&mut state);
        if self.drawing.ui.moving && !self.drawing.is_patient() && !state.awaited {
            state.awaited = true;
            let drawing = Arc::downgrade(&self.drawing);
            std::thread::spawn(move || {
                std::thread::sleep(PATIENCE);
                if let Some(drawing) = drawing.upgrade() {
                    drawing.draw(&mut drawing.lock());
                }
            });
        }
    }
}

impl Drawing {
    fn style(&self, template: &str) -> ProgressStyle {
        let template = if self.ui.color {
            template.to_owned()
        } else {
            without_colors(template)
        };
        ProgressStyle::with_template(&template).expect("the template is a literal in this file")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether it has been long enough for something to move.
    fn is_patient(&self) -> bool {
        self.begun.elapsed() > PATIENCE
    }

    /// Draws what is being done and has no bar yet.
    fn draw(&self, state: &mut State) {
        if !self.ui.moving || !self.is_patient() {
            return;
        }
        let shown = state.rows.values().filter(|row| row.bar.is_some()).count();
        let bare = state.rows.iter_mut().filter(|(_, row)| row.bar.is_none());
        for (activity, row) in bare.take(MAX_ROWS.saturating_sub(shown)) {
            row.bar = Some(self.row_bar(activity, row));
        }
        if !state.rows.is_empty() {
            self.draw_total(state);
        }
    }

    fn row_bar(&self, activity: &Activity, row: &Row) -> ProgressBar {
        let bar = match row.of {
            Some(of) => ProgressBar::new(of).with_style(
                self.style("  {prefix} {msg} {bytes}/{total_bytes} {wide_bar:.cyan/dim}"),
            ),
            None => {
                ProgressBar::new_spinner().with_style(self.style("  {prefix} {msg} {elapsed:.dim}"))
            }
        };
        let bar = bar
            .with_elapsed(row.since.elapsed())
            .with_position(row.bytes);
        let bar = self.ui.progress.add(bar);
        bar.set_prefix(words(activity.kind).0);
        bar.set_message(activity.name.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn advanced(&self, activity: &Activity, bytes: u64) {
        let mut state = self.lock();
        if let Some(row) = state.rows.get_mut(activity) {
            row.bytes += bytes;
            if let Some(bar) = &row.bar {
                bar.inc(bytes);
            }
        }
    }

    fn ended(&self, activity: &Activity, well: bool) {
        let mut state = self.lock();
        let Some(row) = state.rows.remove(activity) else {
            return;
        };
        if let Some(bar) = row.bar {
            bar.finish_and_clear();
        }
        *state.finished.entry(activity.kind).or_default() += 1;
        self.draw(&mut state);
        self.draw_total(&mut state);
        drop(state);
        if well && activity.kind == ActivityKind::Unpack {
            return; // There are many, and each is done in no time.
        }
        let (_, done, failed) = words(activity.kind);
        let took = row.since.elapsed();
        let time = if took.as_millis() >= 1000 {
            format!(" in {:.1} s", took.as_secs_f64())
        } else {
            String::new()
        };
        let size = if row.bytes > 0 {
            format!(", {}", bytes_text(row.bytes))
        } else {
            String::new()
        };
        if well {
            self.ui
                .status(format!("  {done} {}{size}{time}", activity.name));
        } else {
            self.ui
                .status(format!("  {failed} {}{time}", activity.name));
        }
    }

    fn draw_total(&self, state: &mut State) {
        let planned: usize = state.planned.values().sum();
        if !self.ui.moving || planned == 0 || !self.is_patient() {
            return;
        }
        let finished: usize = state
            .planned
            .iter()
            .map(|(kind, planned)| state.finished.get(kind).copied().unwrap_or(0).min(*planned))
            .sum();
        let total = state.total.get_or_insert_with(|| {
            let bar = ProgressBar::new(planned as u64)
                .with_style(self.style("  {wide_bar:.green/dim} {pos}/{len} {elapsed}"));
            self.ui.progress.add(bar)
        });
        total.set_length(planned as u64);
        total.set_position(finished as u64);
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event) {
        match event {
            Event::Planned { kind, count } => {
                *self.drawing.lock().planned.entry(kind).or_default() += count;
            }
            Event::Started { activity, bytes } => self.started(activity, bytes),
            Event::Advanced { activity, bytes } => self.drawing.advanced(&activity, bytes),
            Event::Finished { activity } => self.drawing.ended(&activity, true),
            Event::Failed { activity } => self.drawing.ended(&activity, false),
            Event::Waiting { activity, holder } => {
                self.drawing.ui.status(format!(
                    "  waiting for {holder}, which builds {}",
                    activity.name
                ));
            }
            Event::Notice(text) => self.drawing.ui.warning(text),
        }
    }
}

/// Takes the colours out of a template: what begins with `:.` in its braces.
fn without_colors(template: &str) -> String {
    let parts = template.split('}');
    let parts = parts.map(|part| part.split_once(":.").map_or(part, |(name, _)| name));
    parts.collect::<Vec<_>>().join("}")
}

/// What is being done, was done, was not done.
fn words(kind: ActivityKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        ActivityKind::Fetch => ("fetching", "fetched", "could not fetch"),
        ActivityKind::Unpack => ("unpacking", "unpacked", "could not unpack"),
        ActivityKind::Build => ("building", "built", "could not build"),
        ActivityKind::Link => ("linking", "linked", "could not link"),
        ActivityKind::Import => ("importing", "imported", "could not import"),
    }
}

/// Writes how many there are of what `one` names: `1 object`, `2 objects`.
pub(crate) fn count_text(count: usize, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

/// Writes a number of bytes for people.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::{Activity, ActivityKind, PATIENCE, Progress, without_colors};
    use crate::ui::Ui;

    #[test]
    fn templates_without_colours() {
        let template = "  {prefix} {bytes}/{total_bytes} {wide_bar:.cyan/dim} {elapsed:.dim}";
        let plain = "  {prefix} {bytes}/{total_bytes} {wide_bar} {elapsed}";
        assert_eq!(without_colors(template), plain);
        assert_eq!(without_colors(plain), plain);
    }

    #[test]
    fn what_begins_early_and_takes_long_is_drawn_as_well() {
        let mut ui = Ui::plain();
        ui.moving = true;
        let progress = Progress::new(ui);
        let activity = Activity {
            kind: ActivityKind::Import,
            name: "rustc".to_owned(),
        };
        progress.started(activity.clone(), Some(7));
        progress.drawing.advanced(&activity, 3);
        let bar = || progress.drawing.lock().rows[&activity].bar.clone();
        assert!(bar().is_none());
        std::thread::sleep(PATIENCE * 2);
        assert_eq!(bar().unwrap().position(), 3);
        progress.clear();
        assert!(progress.drawing.lock().rows.is_empty());
    }
}
