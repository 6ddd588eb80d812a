#!/usr/bin/env python3
"""Compares what two homes have built: every object of the same name must be the same, bit for bit.

    tests/bench/identical.py HOME OTHER

Build the same apps into both beforehand: by different users, at different times, with different
`--jobs`. A name is a digest of all inputs of a build, so equal names promise equal content; sources
and imports are left out, as nothing is built there. Prints how many objects were compared, or the
first file that differs in bytes, mode or target.
"""

import filecmp
import os
import pathlib
import re
import sys


def entries(folder):
    """The files, folders and links below a folder: relative path to mode and link target."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = pathlib.Path(place, name)
            target = os.readlink(path) if path.is_symlink() else None
            found[str(path.relative_to(folder))] = (path.lstat().st_mode, target)
    return found


def difference(one, other):
    """The first path in which two objects differ."""
    ours, theirs = entries(one), entries(other)
    for path in sorted(ours.keys() | theirs.keys()):
        if ours.get(path) != theirs.get(path):
            return path
        file = one / path
        same = file.is_symlink() or file.is_dir() or filecmp.cmp(file, other / path, shallow=False)
        if not same:
            return path
    return None


def main():
    one, other = (pathlib.Path(home, "store") for home in sys.argv[1:3])
    built = re.compile(r"^[0-9a-z]{32}-(?!.*-src$|rustc-|c-tools-|libgcc)")
    names = {entry.name for entry in one.iterdir() if built.match(entry.name)}
    names &= {entry.name for entry in other.iterdir()}
    for name in sorted(names):
        path = difference(one / name, other / name)
        if path is not None:
            sys.exit(f"{name}: {path} differs")
    print(f"{len(names)} objects, all identical")


main()
