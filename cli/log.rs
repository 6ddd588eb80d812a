//! What the packages trace, for people.
//!
//! | options | seen |
//! |---|---|
//! | none | warnings of the store: something of the user's is not as it should be |
//! | `-v` | what Orlop does |
//! | `-vv`, `-vvv` | what its libraries do, too |

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::ui::Ui;

/// How the names of all our packages begin.
const OURS: &str = "orlop";

/// The package whose warnings are everybody's concern.
const STORE: &str = "orlop_store";

/// Sends what is traced to standard error.
pub(crate) fn start(verbose: u8, ui: &Ui) {
    let (of, level) = match verbose {
        0 => {
            let filter = Targets::new().with_target(STORE, Level::WARN);
            let warnings = Warnings(ui.clone()).with_filter(filter);
            return tracing_subscriber::registry().with(warnings).init();
        }
        1 => (OURS, Level::INFO),
        2 => ("", Level::DEBUG),
        _ => ("", Level::TRACE),
    };
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(ui.color)
        .with_writer(std::io::stderr)
        // It would be said on standard error, and end the program if that is gone.
        .log_internal_errors(false)
        .without_time()
        .with_filter(Targets::new().with_target(of, level));
    tracing_subscriber::registry().with(log).init();
}

/// Shows events as all other warnings are shown.
struct Warnings(Ui);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.warning(message.0);
    }
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
