//! [`Tool`]: programs of the machine that the build scripts of some crates call.

use crate::choice::{Choice as _, choice};

choice! {
    /// A program, or for `libclang` a library, that comes with the machine's C tools: some with
    /// all of them, [others](Tool::is_extra) where they are asked for.
    Tool {
        /// A C compiler.
        Cc = "cc",
        /// A C++ compiler.
        Cxx = "c++",
        /// GNU make.
        Make = "make",
        /// Perl.
        Perl = "perl",
        /// The build system of that name.
        Cmake = "cmake",
        /// pkg-config.
        PkgConfig = "pkg-config",
        /// The macro processor.
        M4 = "m4",
        /// The compiler of protocol buffers.
        Protoc = "protoc",
        /// The build system of that name.
        Meson = "meson",
        /// What meson makes files for.
        Ninja = "ninja",
        /// The library of clang, by which bindgen reads C headers.
        Libclang = "libclang",
    }
}

impl Tool {
    /// Returns the packages of Debian and of Fedora that bring it.
    pub fn packages(self) -> (&'static str, &'static str) {
        match self {
            Self::Cc => ("gcc", "gcc"),
            Self::Cxx => ("g++", "gcc-c++"),
            Self::Make => ("make", "make"),
            Self::Perl => ("perl", "perl"),
            Self::Cmake => ("cmake", "cmake"),
            Self::PkgConfig => ("pkg-config", "pkgconf-pkg-config"),
            Self::M4 => ("m4", "m4"),
            Self::Protoc => ("protobuf-compiler", "protobuf-compiler"),
            Self::Meson => ("meson", "meson"),
            Self::Ninja => ("ninja-build", "ninja-build"),
            Self::Libclang => ("libclang-dev", "clang-devel"),
        }
    }

    /// Whether it is only there for steps that ask for it, and only in their keys. The others come
    /// with a C compiler, or find nothing that no recipe declares.
    pub fn is_extra(self) -> bool {
        !matches!(self, Self::Cc | Self::Cxx | Self::PkgConfig)
    }

    /// Returns where it lies below the root of C tools that have it.
    pub fn place(self) -> String {
        match self {
            Self::Libclang => "lib/libclang.so".to_owned(),
            _ => format!("bin/{}", self.as_str()),
        }
    }
}
