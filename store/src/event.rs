//! What happens while a plan is made true: [`Event`], told to a [`Reporter`].

/// Something that takes time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Activity {
    /// What kind of work it is.
    pub kind: ActivityKind,
    /// On what: `ripgrep 15.1.0`, `serde_core 1.0.228 (build script)`.
    pub name: String,
}

/// Kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivityKind {
    /// Bytes come from elsewhere.
    Fetch,
    /// An archive is unpacked.
    Unpack,
    /// A derivation is executed.
    Build,
    /// A library, an app or a view is linked.
    Link,
    /// A compiler or the host's C tools are copied into the store.
    Import,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The amount of work ahead is known.
    Planned {
        /// What kind of work.
        kind: ActivityKind,
        /// How many activities.
        count: usize,
    },
    /// Work began.
    Started {
        /// Which.
        activity: Activity,
        /// Bytes to expect, where they are counted.
        bytes: Option<u64>,
    },
    /// So many more bytes are done.
    Advanced {
        /// Which.
        activity: Activity,
        /// How many bytes since the last time.
        bytes: u64,
    },
    /// Work ended well.
    Finished {
        /// Which.
        activity: Activity,
    },
    /// Work ended badly; the error itself travels as a value.
    Failed {
        /// Which.
        activity: Activity,
    },
    /// Another process does the same work; this one waits for it.
    Waiting {
        /// Which.
        activity: Activity,
        /// For whom, in words: `process 4711`.
        holder: String,
    },
    /// Something worth a line.
    Notice(String),
}

/// Somebody who wants to know. Called from many threads.
pub trait Reporter: Sync {
    /// Takes one event; must be quick.
    fn report(&self, event: Event);
}

/// A reporter that listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _event: Event) {}
}
