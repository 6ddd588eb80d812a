//! Which libraries are glibc's own. They work with the loader of their own release alone, so they
//! come from the machine, or in a sandbox with the C tools, and never from an object beside them.

/// What glibc calls its libraries, on all 64-bit machines. Those of the same beginning that are not
/// here are somebody else's: `libnsl.so.2`, `libnss_systemd.so.2`, `libcrypt.so.1`.
const LIBRARIES: [&str; 18] = [
    "libBrokenLocale.so.1",
    "libanl.so.1",
    "libc.so.6",
    "libc_malloc_debug.so.0",
    "libdl.so.2",
    "libm.so.6",
    "libmvec.so.1",
    "libnsl.so.1",
    "libnss_compat.so.2",
    "libnss_db.so.2",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libnss_hesiod.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libthread_db.so.1",
    "libutil.so.1",
];

/// Tells whether a library belongs to glibc, by its SONAME.
pub fn is_glibc(name: &str) -> bool {
    is_loader(name) || LIBRARIES.contains(&name)
}

/// Tells whether a library is glibc's loader, by its SONAME.
pub fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_is_told_from_what_is_named_alike() {
        for name in ["libc.so.6", "ld-linux-aarch64.so.1", "libnss_files.so.2"] {
            assert!(is_glibc(name), "{name}");
        }
        for name in [
            "libc.so",
            "libcap.so.2",
            "libcrypt.so.1",
            "libmd.so.0",
            "libnsl.so.2",
            "libnss_systemd.so.2",
            "libz.so.1",
        ] {
            assert!(!is_glibc(name), "{name}");
        }
    }
}
