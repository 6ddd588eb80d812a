//! Stands, in tests, for `orlop` started under the name `orlop-linker`.

use camino::Utf8Path;

#[expect(clippy::disallowed_methods, reason = "here this is the face")]
fn main() {
    let link_set = std::env::var("ORLOP_LINK_SET").expect("the caller of rustc names the link set");
    let args = std::env::args_os().skip(1).collect();
    orlop_link::recorder::record(args, Utf8Path::new(&link_set)).expect("the link can be recorded");
}
