//! [`CodegenRules`]: how each crate of an app is compiled.
//!
//! | | libraries | programs |
//! |---|---|---|
//! | [`CodegenChoice::Shared`] | one class per side, for all apps | what the app publishes, as far as it concerns its own code |
//! | [`CodegenChoice::App`] | what the app publishes | what the app publishes |

use orlop_recipes::CodegenChoice;
use orlop_resolver::{CodegenOptions, PublishedCodegen, PublishedLto, Resolution, Side, Variant};
use orlop_store::derivation::{Codegen, Lto};

/// How the crates of one app are compiled.
pub(crate) struct CodegenRules<'a> {
    published: &'a PublishedCodegen,
    choice: CodegenChoice,
    /// Whether programs may choose what becomes of a panic.
    alone: bool,
}

impl<'a> CodegenRules<'a> {
    /// `alone` says that the app's programs load no library that other apps load, too: one process
    /// has one way to panic.
    pub(crate) fn new(resolution: &'a Resolution, choice: CodegenChoice, alone: bool) -> Self {
        Self {
            published: &resolution.app().package.codegen,
            choice,
            alone,
        }
    }

    /// Returns how a library is compiled.
    pub(crate) fn library(&self, variant: &Variant, is_root: bool) -> Codegen {
        match (self.choice, variant.side) {
            (CodegenChoice::Shared, side) => class(side),
            (CodegenChoice::App, Side::Host) => self.host(variant, is_root),
            (CodegenChoice::App, Side::Target) => Codegen {
                lto: match self.published.lto {
                    PublishedLto::Local => Lto::Local,
                    PublishedLto::Off => Lto::Off,
                    PublishedLto::Thin | PublishedLto::Fat => Lto::Left,
                },
                panic_abort: self.published.panic_abort,
                ..self.target(variant, is_root)
            },
        }
    }

    /// Returns how a build script is compiled.
    pub(crate) fn build_script(&self, variant: &Variant, is_root: bool) -> Codegen {
        match self.choice {
            CodegenChoice::Shared => class(Side::Host),
            CodegenChoice::App => self.host(variant, is_root),
        }
    }

    /// Returns how a program of the app is compiled.
    pub(crate) fn program(&self, root: &Variant) -> Codegen {
        let own = self.target(root, true);
        match self.choice {
            CodegenChoice::Shared => Codegen {
                panic_abort: self.published.panic_abort && self.alone,
                ..own
            },
            CodegenChoice::App => Codegen {
                lto: match self.published.lto {
                    PublishedLto::Local => Lto::Local,
                    PublishedLto::Off => Lto::Off,
                    PublishedLto::Thin => Lto::Thin,
                    PublishedLto::Fat => Lto::Fat,
                },
                panic_abort: self.published.panic_abort,
                ..own
            },
        }
    }

    fn target(&self, variant: &Variant, is_root: bool) -> Codegen {
        let options = self.of_package(&self.published.all, variant, is_root);
        with(class(Side::Target), options)
    }

    fn host(&self, variant: &Variant, is_root: bool) -> Codegen {
        let all = CodegenOptions {
            // Cargo has its own for these, whatever the profile says for the others.
            opt_level: None,
            codegen_units: None,
            ..self.published.all.clone()
        };
        let options = self.of_package(&all.overlaid(&self.published.build), variant, is_root);
        with(class(Side::Host), options)
    }

    fn of_package(
        &self,
        base: &CodegenOptions,
        variant: &Variant,
        is_root: bool,
    ) -> CodegenOptions {
        let (name, version) = (&variant.name, &variant.version);
        self.published.of_package(base, name, version, is_root)
    }
}

fn class(side: Side) -> Codegen {
    match side {
        Side::Host => Codegen::host(),
        Side::Target => Codegen::target(),
    }
}

fn with(class: Codegen, options: CodegenOptions) -> Codegen {
    Codegen {
        opt_level: options.opt_level.unwrap_or(class.opt_level),
        codegen_units: options.codegen_units.or(class.codegen_units),
        overflow_checks: options.overflow_checks.unwrap_or(class.overflow_checks),
        debug_assertions: options.debug_assertions.unwrap_or(class.debug_assertions),
        ..class
    }
}
