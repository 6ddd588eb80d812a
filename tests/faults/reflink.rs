//! Where a file cannot have one more name, equal files share their blocks: on a btrfs of its own.

use std::process::Command;

use camino::Utf8Path;

use crate::operation::{self, Folder};
use crate::power::{self, Disk};
use crate::{Outcome, Size};

pub(crate) fn share(_size: Size) -> Outcome {
    if cfg!(not(debug_assertions)) {
        return Err("a release has no named steps".to_owned());
    }
    let said = power::in_namespace("reflinks", "1")?;
    let shared = said.parse().unwrap();
    assert!(shared > 0, "no blocks are shared");
    Ok(vec![(shared, "files that share their blocks")])
}

/// Adds equal files where the first link fails; prints how many share their blocks.
pub(crate) fn inside() -> Result<u64, String> {
    let folder = Folder::new();
    let disk = Disk::new(&folder.path(), "mkfs.btrfs", 128)?;
    let home = disk.home();
    operation::prepare(&home);
    let status = operation::command("import", &home)
        .env("ORLOP_FAILPOINT", "share.link=EMLINK")
        .status()
        .unwrap();
    assert!(status.success());
    disk.sync();
    assert_eq!(
        operation::open(&home).unwrap().verify().unwrap().findings,
        []
    );
    let object = home
        .join("store")
        .join(operation::path("compiler-2").to_string());
    let files = object.read_dir_utf8().unwrap();
    let files = files.map(|entry| entry.unwrap().into_path());
    let shared = files.filter(|path| path.is_file() && shares_blocks(path));
    Ok(shared.count() as u64)
}

fn shares_blocks(path: &Utf8Path) -> bool {
    let output = Command::new("filefrag")
        .args(["-v", path.as_str()])
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout).contains("shared")
}
