//! [`Program`]: a program to be linked, read from its link set.

use std::collections::BTreeSet;

use orlop_store::StorePath;

use crate::App;
use crate::error::LinkError;
use crate::line::{Line, Role, Unread};
use crate::link_set::{Item, LinkSet};
use crate::members::{Member, Place, Symbols};
use crate::session::Session;

/// The flags of programs that cannot load libraries, or are not position-independent.
const ALONE: [&str; 4] = ["-static", "-static-pie", "-no-pie", "-nopie"];

/// A program to be linked.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) app: &'a App,
    /// Its name.
    pub(crate) name: &'a str,
    /// Its link set's object.
    pub(crate) link_set: &'a StorePath,
    /// Its link set.
    pub(crate) line: Line,
}

impl<'a> Program<'a> {
    /// Reads all programs of an app.
    pub(crate) fn of(app: &'a App, session: &Session<'_>) -> Result<Vec<Self>, LinkError> {
        let programs = app.programs.iter().map(|planned| {
            let folder = session.context.store.object(&planned.link_set);
            let set = LinkSet::read(&folder).map_err(|source| LinkError::LinkSet {
                program: planned.name.clone(),
                source,
            })?;
            let read = |place: &Place| session.read(place);
            let line = Line::new(set, &planned.link_set, &app.compiler, &read)?;
            Ok(Self {
                app,
                name: &planned.name,
                link_set: &planned.link_set,
                line,
            })
        });
        programs.collect()
    }

    /// Whether it can load libraries.
    pub(crate) fn can_share(&self) -> bool {
        !ALONE.iter().any(|flag| self.line.set.has_flag(flag))
    }

    /// Returns every object in the store that its link reads.
    pub(crate) fn inputs(&self) -> BTreeSet<StorePath> {
        let mut inputs = self.line.set.references();
        inputs.insert(self.link_set.clone());
        inputs.insert(self.app.compiler.clone());
        inputs
    }

    /// Returns its own objects and archives.
    pub(crate) fn own(&self) -> Vec<Place> {
        let items = self.line.set.items().iter().zip(&self.line.roles);
        let own = items.filter(|(_, role)| **role == Role::Own);
        own.filter_map(|(item, _)| self.place(item)).collect()
    }

    /// Returns the file that an item stands for.
    pub(crate) fn place(&self, item: &Item) -> Option<Place> {
        let (object, file) = match item {
            Item::Object { file } | Item::Archive { file } | Item::File { file, .. } => {
                (self.link_set, file)
            }
            Item::Stored { object, file } => (object, file),
            Item::Library { .. } | Item::SearchPath { .. } | Item::Flag { .. } => return None,
        };
        Some(Place {
            object: object.clone(),
            file: file.clone(),
        })
    }

    /// Reads what its own objects define and ask for.
    pub(crate) fn symbols(&self, session: &Session<'_>) -> Result<Symbols, LinkError> {
        let own = self.own();
        let own = own.iter().filter(|place| {
            // A library or a linker script among its own files has no objects to read.
            matches!(place.file.extension(), Some("o" | "a"))
        });
        let symbols = own.map(|place| symbols(place, session));
        Ok(Symbols::merge(symbols.collect::<Result<Vec<_>, _>>()?))
    }
}

impl Unread {
    /// Reads it.
    pub(crate) fn read(&self, session: &Session<'_>) -> Result<Member, LinkError> {
        let parts = self.parts.iter();
        let symbols = parts.map(|part| symbols(&part.place, session));
        Ok(Member {
            name: self.name.clone(),
            parts: self.parts.clone(),
            symbols: Symbols::merge(symbols.collect::<Result<Vec<_>, _>>()?),
        })
    }
}

/// Reads what an object or archive defines and asks for.
pub(crate) fn symbols(place: &Place, session: &Session<'_>) -> Result<Symbols, LinkError> {
    if let Ok(symbols) = Symbols::read(&session.open(place)?) {
        return Ok(symbols);
    }
    let symbols = Symbols::read(&session.read(place)?[..]);
    symbols.map_err(|source| session.unreadable(place, source))
}
