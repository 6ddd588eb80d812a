//! [`CommandError`]: the one place that decides who is to blame, which hints help, and the exit
//! code.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::{fmt, io};

use camino::Utf8Path;
use miette::Diagnostic;
use orlop_build::BuildError;
use orlop_build::compiler::ImportError;
use orlop_build::error::FailedBuild;
use orlop_build::sandbox::SandboxRefused;
use orlop_build::unpack::UnpackError;
use orlop_export::ExportError;
use orlop_index::{DownloadError, LocalError, OpenError, Reason, SourceError};
use orlop_link::LinkError;
use orlop_loader::Refusal;
use orlop_plan::{MissingTool, PlanError};
use orlop_recipes::{FeatureName, RecipeError, Unmet, Wish};
use orlop_resolver::{IndexError, LockError, ResolveError};
use orlop_store::{FetchError, StoreError, said};

/// The hint for a full disk.
const WAY_TO_ROOM: &str = "make room on the disk; what no app needs goes with `orlop gc`";

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: Kind,
    error: Message,
    hints: Vec<String>,
    /// What a file may ask for that cannot be had.
    wish: Option<Wish>,
}

/// What is said.
#[derive(Debug)]
pub(crate) enum Message {
    /// A sentence and its causes.
    Chain(Box<dyn StdError + Send + Sync>),
    /// A place in a file of the user.
    Diagnostic(Box<dyn Diagnostic + Send + Sync>),
}

/// Classes of failure, one exit code each; `book/src/reference/exit-codes.md` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something could not be done: 1.
    Failed,
    /// The command line or a file of the user is wrong: 2.
    Usage,
    /// Bytes are not what was promised: 3.
    Untrusted,
    /// No set of versions answers the request: 4.
    Unsatisfiable,
    /// A build or link failed: 5.
    Build,
    /// `--offline` or `--locked` forbids it: 6.
    Refused,
    /// A program that was run ended with this code.
    Child(u8),
}

impl CommandError {
    pub(crate) fn new(kind: Kind, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind,
            error: Message::Chain(error.into()),
            hints: Vec::new(),
            wish: None,
        }
    }

    /// A failure that is described in one sentence.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message.into())
    }

    /// A mistake of the user.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message.into())
    }

    /// Adds a line that helps: mostly a command that works when typed.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }

    /// Has hints name another command than `install`, one that takes the same words.
    pub(crate) fn for_command(mut self, verb: &str) -> Self {
        for hint in &mut self.hints {
            *hint = hint.replace("`orlop install ", &format!("`orlop {verb} "));
        }
        self
    }

    /// Says what an error belongs to. A place in a file of the user says it itself.
    pub(crate) fn within<E: Into<Box<dyn StdError + Send + Sync>>>(
        mut self,
        outer: impl FnOnce(Box<dyn StdError + Send + Sync>) -> E,
    ) -> Self {
        self.error = match self.error {
            Message::Chain(inner) => Message::Chain(outer(inner).into()),
            diagnostic @ Message::Diagnostic(_) => diagnostic,
        };
        self
    }

    /// Says what is asked for that cannot be had: the file that asks may be known elsewhere.
    pub(crate) fn about(mut self, wish: Wish) -> Self {
        self.wish = Some(wish);
        self
    }

    /// Returns what is asked for that cannot be had.
    pub(crate) fn wish(&self) -> Option<&Wish> {
        self.wish.as_ref()
    }

    /// Shows the place in a file that asks for what cannot be had, if it does.
    pub(crate) fn shown_in(mut self, file: &Utf8Path, text: &str) -> Self {
        let refused = self.wish.as_ref().and_then(|wish| {
            let reason = self.reason();
            wish.refused(file.as_str(), text, &reason)
        });
        if let Some(refused) = refused {
            self.error = Message::Diagnostic(Box::new(refused));
            self.wish = None;
        }
        self
    }

    /// Says the way out if the disk is full, whatever it was that needed room.
    pub(crate) fn with_way_to_room(self) -> Self {
        if self.lacks_room() {
            self.hint(WAY_TO_ROOM)
        } else {
            self
        }
    }

    /// Whether the disk is full.
    pub(crate) fn lacks_room(&self) -> bool {
        match &self.error {
            Message::Chain(error) => causes(error.as_ref()).any(lacks_room),
            Message::Diagnostic(_) => false,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Untrusted => 3,
            Kind::Unsatisfiable => 4,
            Kind::Build => 5,
            Kind::Refused => 6,
            Kind::Child(code) => code,
        }
    }

    /// Whether there is anything to print: a child has spoken for itself.
    pub(crate) fn silent(&self) -> bool {
        matches!(self.kind, Kind::Child(_))
    }

    pub(crate) fn message(&self) -> &Message {
        &self.error
    }

    /// What is wrong, in one line, for who goes on in spite of it.
    pub(crate) fn reason(&self) -> String {
        match &self.error {
            Message::Chain(error) => chain(error.as_ref()).join(": "),
            Message::Diagnostic(error) => error.to_string(),
        }
    }

    pub(crate) fn hint_lines(&self) -> &[String] {
        &self.hints
    }
}

/// An error and its causes, outermost first, repetitions left out. Build scripts, linkers and files
/// of strangers are quoted in them: nothing is left that could command a terminal.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cause in causes(error) {
        let harmless = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
        let line: String = cause.to_string().chars().filter(harmless).collect();
        if lines.last().is_none_or(|last| !last.ends_with(&line)) {
            lines.push(line);
        }
    }
    lines
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn lacks_room(cause: &(dyn StdError + 'static)) -> bool {
    if let Some(WithLastLines(failed)) = cause.downcast_ref() {
        return failed.lacks_room();
    }
    if let Some(LinkError::Linker { output, .. }) = cause.downcast_ref() {
        return said::lacks_room(output);
    }
    // `SQLite` does not always say why it cannot write; a full disk is the usual reason.
    if let Some(StoreError::DatabaseFull { .. } | StoreError::DatabaseUnwritten { .. }) =
        cause.downcast_ref()
    {
        return true;
    }
    cause.downcast_ref().is_some_and(|error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    })
}

/// A build that failed, with the end of what it said.
#[derive(Debug)]
struct WithLastLines(Box<FailedBuild>);

impl StdError for WithLastLines {}

impl fmt::Display for WithLastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}\n{}", self.0, self.0.last_lines.join("\n"));
        f.write_str(text.trim_end())
    }
}

/// The class of a failed transfer: whatever wraps it, a checksum that differs and a forbidden
/// request have exit codes of their own.
fn transfer_kind(error: &(dyn StdError + 'static)) -> Kind {
    causes(error)
        .find_map(|cause| {
            let download = match cause.downcast_ref::<Reason>() {
                Some(Reason::Offline) => return Some(Kind::Refused),
                Some(Reason::Download(error)) => Some(error),
                _ => cause.downcast_ref::<DownloadError>(),
            };
            match (download, cause.downcast_ref::<FetchError>()) {
                (Some(DownloadError::Offline { .. }), _)
                | (_, Some(FetchError::Offline { .. })) => Some(Kind::Refused),
                (Some(DownloadError::Checksum { .. }), _)
                | (_, Some(FetchError::Checksum { .. })) => Some(Kind::Untrusted),
                _ => None,
            }
        })
        .unwrap_or(Kind::Failed)
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Name { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let hint = match &error {
            StoreError::NoGeneration { .. } => Some("see which there are: `orlop history`"),
            StoreError::Conflict { .. } => {
                Some("have one of them in a profile of its own: `orlop -p NAME install …`")
            }
            _ => None,
        };
        Self::new(kind, error).hints(hint.map(str::to_owned))
    }
}

impl From<RecipeError> for CommandError {
    fn from(error: RecipeError) -> Self {
        Self {
            kind: Kind::Usage,
            error: Message::Diagnostic(Box::new(error)),
            hints: Vec::new(),
            wish: None,
        }
    }
}

impl Kind {
    /// The class of a question without an answer.
    pub(crate) fn of(error: &ResolveError) -> Self {
        match error {
            ResolveError::Index(source) => transfer_kind(source),
            _ => Self::Unsatisfiable,
        }
    }
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> Self {
        let hints = error.hints();
        Self::new(Kind::of(&error), error).hints(hints)
    }
}

impl From<LocalError> for CommandError {
    fn from(error: LocalError) -> Self {
        let kind = match &error {
            LocalError::Offline { .. } => Kind::Refused,
            LocalError::Manifest { .. }
            | LocalError::Package { .. }
            | LocalError::OtherPackage { .. }
            | LocalError::NoApp { .. }
            | LocalError::SeveralApps { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<IndexError> for CommandError {
    fn from(error: IndexError) -> Self {
        Self::new(transfer_kind(&error), error)
    }
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        let kind = match &error {
            LockError::OtherArchive(other) if other.index.is_some() => Kind::Untrusted,
            error if error.is_damage() => Kind::Usage,
            error => transfer_kind(error),
        };
        let hints = error.hints();
        Self::new(kind, error).hints(hints)
    }
}

impl From<PlanError> for CommandError {
    fn from(error: PlanError) -> Self {
        let kind = match &error {
            PlanError::Store(_) | PlanError::MissingTools { .. } => Kind::Failed,
            _ => Kind::Unsatisfiable,
        };
        let hints = match &error {
            PlanError::ProgramsNeedFeatures { name, programs } => programs
                .values()
                .filter(|features| own_features(features))
                .min_by_key(|features| features.len())
                .map(|features| switch_on(name, features))
                .into_iter()
                .collect(),
            PlanError::ProgramNeedsFeatures { name, features, .. } if own_features(features) => {
                vec![switch_on(name, features)]
            }
            PlanError::MissingTools { missing } => tool_hints(missing),
            _ => Vec::new(),
        };
        let wish = match &error {
            PlanError::Unmet { user, unmet } => need(user, unmet),
            _ => None,
        };
        let error = Self::new(kind, error).hints(hints);
        match wish {
            Some(wish) => error.about(wish),
            None => error,
        }
    }
}

/// What a recipe needs; users are named with their versions.
fn need(user: &str, unmet: &Unmet) -> Option<Wish> {
    Some(Wish::Need {
        user: user.split(' ').next()?.parse().ok()?,
        library: unmet.name().clone(),
    })
}

/// Whether features can be asked for: those of dependencies cannot.
fn own_features(features: &BTreeSet<String>) -> bool {
    features
        .iter()
        .all(|feature| feature.parse::<FeatureName>().is_ok())
}

fn switch_on(name: &str, features: &BTreeSet<String>) -> String {
    let features: Vec<&str> = features.iter().map(String::as_str).collect();
    let features = features.join(",");
    format!("switch them on: `orlop install {name} -F {features}`")
}

/// Says which packages bring what is missing.
fn tool_hints(missing: &[MissingTool]) -> Vec<String> {
    let tools: BTreeSet<_> = missing.iter().map(|missing| missing.tool).collect();
    let packages = tools.into_iter().map(orlop_recipes::Tool::packages);
    let (debian, fedora): (Vec<_>, Vec<_>) = packages.unzip();
    vec![
        format!("on Debian and Ubuntu: `apt install {}`", debian.join(" ")),
        format!("on Fedora: `dnf install {}`", fedora.join(" ")),
    ]
}

impl From<BuildError> for CommandError {
    fn from(error: BuildError) -> Self {
        let kind = match error {
            BuildError::Failed(failed) => {
                let log = format!("the whole log: {}", failed.log);
                let kept = failed.kept.as_ref();
                let kept = kept.map(|kept| format!("what it left: {kept}"));
                return Self::new(Kind::Build, WithLastLines(failed))
                    .hint(log)
                    .hints(kept);
            }
            // The outer error is transparent: asked for its causes, it leaves itself out.
            BuildError::Fetch(ref source) => transfer_kind(source),
            // What cannot be written says nothing of the archive.
            BuildError::Unpack {
                source: UnpackError::Write(_),
                ..
            } => Kind::Failed,
            // It is what was promised; the promise is wrong.
            BuildError::Unpack {
                source: UnpackError::Format { .. },
                ..
            } => Kind::Usage,
            BuildError::Unpack { .. } => Kind::Untrusted,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<ExportError> for CommandError {
    fn from(error: ExportError) -> Self {
        let kind = match &error {
            ExportError::Refused { .. } | ExportError::Outside { .. } => Kind::Untrusted,
            ExportError::Text { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<LinkError> for CommandError {
    fn from(error: LinkError) -> Self {
        let kind = match &error {
            LinkError::Refused { .. } => Kind::Untrusted,
            _ => Kind::Build,
        };
        let contested = matches!(error, LinkError::Contested { .. });
        let error = Self::new(kind, error);
        if !contested {
            return error;
        }
        error
            .hint(
                "import a compiler that brings a linker of its own, as those of rustup do: \
                 `rustup toolchain install stable && orlop compiler add stable`",
            )
            .hint("choose it by its name in `orlop compiler list`: `orlop compiler default NAME`")
    }
}

impl From<Refusal> for CommandError {
    fn from(error: Refusal) -> Self {
        Self::new(Kind::Untrusted, error)
    }
}

impl From<SandboxRefused> for CommandError {
    fn from(error: SandboxRefused) -> Self {
        let hints = error.hints();
        Self::new(Kind::Failed, error).hints(hints)
    }
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        let hint = error.hint();
        let kind = match &error {
            // The outer error is transparent: asked for its causes, it leaves itself out.
            ImportError::Fetch(source) => transfer_kind(source),
            ImportError::Unpack {
                source: UnpackError::Format { .. },
                ..
            } => Kind::Usage,
            ImportError::Unpack { .. } | ImportError::OtherCompiler { .. } => Kind::Untrusted,
            _ => Kind::Failed,
        };
        Self::new(kind, error).hints(hint)
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

impl From<SourceError> for CommandError {
    fn from(error: SourceError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

#[cfg(test)]
mod tests {
    use orlop_store::ExitStatus;

    use super::*;

    #[test]
    fn whatever_needed_room_the_way_to_it_is_said() {
        let said = "ld: final link failed: No space left on device";
        let failed = FailedBuild {
            name: "kit 1.0.0".to_owned(),
            path: "0grmxvaglv5hl3651kxjs9jjchb247c1-kit-1.0.0"
                .parse()
                .unwrap(),
            end: "rustc failed".to_owned(),
            log: "/log".into(),
            kept: None,
            last_lines: vec![said.to_owned()],
        };
        let linker = LinkError::Linker {
            name: "kit".to_owned(),
            status: ExitStatus::Code(1),
            output: said.to_owned(),
        };
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let database = StoreError::DatabaseFull { path: "/db".into() };
        let unpack = BuildError::Unpack {
            archive: "kit".to_owned(),
            source: UnpackError::Write(full()),
        };
        for error in [
            CommandError::from(unpack),
            CommandError::from(database),
            CommandError::from(BuildError::Failed(Box::new(failed))),
            CommandError::from(linker),
            CommandError::from(LinkError::from(full())),
        ] {
            assert_ne!(error.kind(), Kind::Untrusted);
            let error = error.with_way_to_room();
            let hints = error.hint_lines();
            assert_eq!(hints.iter().filter(|hint| *hint == WAY_TO_ROOM).count(), 1);
        }
        let other = LinkError::from(io::Error::from(io::ErrorKind::NotFound));
        let error = CommandError::from(other).with_way_to_room();
        assert_eq!(error.hint_lines(), [] as [&str; 0]);
    }
}
