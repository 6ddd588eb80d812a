//! Fills the disk: every operation on file systems of every size from just enough upwards, in a
//! namespace of its own. gc must work on each.

use std::process::Command;

use crate::operation::{self, Folder, OPERATIONS};
use crate::{Outcome, Size};

/// `$1` size in KiB, `$2` place, `$3` template, `$4` this program, `$5` operation. Prints the exit
/// codes of the operation, of gc on the full disk, and, with room again, of the check, the same
/// operation and another check.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs -o size=256m tmpfs "$2"
cp -a "$3" "$2/home"
# What is kept for gc was copied as a hole.
rm "$2/home/reserve"
"$4" operation check "$2/home"
# By itself mount would hand on the owner that the file system has outside, who is nobody in here.
resize() { mount --options-mode ignore -o "remount,size=$1k" "$2"; }
resize "$1" "$2"
dd if=/dev/zero of="$2/filler" bs=4k count="$6" 2>/dev/null || true
set +e
"$4" operation "$5" "$2/home" 2>>"$2/../said"; first=$?
"$4" operation free "$2/home" 2>>"$2/../said"; gc=$?
rm "$2/filler"
resize 262144 "$2"
"$4" operation check "$2/home" 2>>"$2/../said"; check=$?
"$4" operation "$5" "$2/home" 2>>"$2/../said"; again=$?
"$4" operation check "$2/home" 2>>"$2/../said"; last=$?
echo "$first $gc $check $again $last"
"#;

pub(crate) fn fill(size: Size) -> Outcome {
    let template = Folder::new();
    let home = template.path().join("home");
    operation::prepare(&home);
    let place = template.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let mut tried = 0;
    let mut refused = 0;
    for number in 0..size.disks {
        let operation = OPERATIONS[usize::try_from(number).unwrap() % OPERATIONS.len()];
        if operation == "rollback" {
            continue;
        }
        let spread = (number / OPERATIONS.len() as u64) * 40;
        let output = Command::new("unshare")
            .args(["-Urm", "sh", "-c", SCRIPT, "sh"])
            .args([&format!("{}", 4096), place.as_str(), home.as_str()])
            .arg(std::env::current_exe().unwrap())
            .arg(operation)
            // Of the 1024 pages, all but some are taken.
            .arg((1024 - spread).to_string())
            .output();
        let output = output.map_err(|error| format!("`unshare`: {error}"))?;
        let codes = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let said = std::fs::read_to_string(template.path().join("said")).unwrap_or_default();
        let numbers: Vec<i32> = codes.split(' ').map(|code| code.parse().unwrap()).collect();
        assert!(
            !numbers.contains(&101),
            "{operation}, {spread} pages: {codes}: {said}"
        );
        let [first, gc, check, again, last] = numbers[..] else {
            panic!("{codes}")
        };
        assert_eq!(
            (gc, again, last),
            (0, 0, 0),
            "{operation}, {spread} pages left: {codes}: {said}"
        );
        assert!(
            check == 0 || operation == "repair",
            "{operation}, {spread} pages: {codes}: {said}"
        );
        tried += 1;
        refused += u64::from(first != 0);
    }
    Ok(vec![
        (tried, "full disks"),
        (refused, "of them too full for the operation"),
    ])
}
