#!/usr/bin/env python3
"""Compares what the same apps take on disk, everything stripped: static, shared, and with fat LTO.

    tests/bench/disk.py HOME STATIC SHARED [--without APP]… [--lto FOLDER]

HOME has two profiles of the same apps on the same lock: STATIC (linkage static) and SHARED. With
`--lto`, `cargo install` also builds each app at the same version into FOLDER, with the profile that
it is published with and fat LTO; what is there from a run before is used again. Each file counts
once, shared libraries of Orlop's store included, those of the compiler's and the C library's makers
(`libgcc_s`) too. Copies are stripped by `strip --strip-all`. Prints Markdown.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import tempfile


def stripped(file):
    """Returns how many bytes a file has when it is stripped."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "copy")
        shutil.copyfile(file, copy)
        subprocess.run(["strip", "--strip-all", copy], check=True)
        return copy.stat().st_size


def contents(home, profile):
    """Returns the programs by (app, version, name), and the libraries beside them."""
    programs, libraries = {}, set()
    for link in sorted((home / "profiles" / profile / "current" / "views").iterdir()):
        view = link.resolve()
        version = re.fullmatch(r"[0-9a-z]+-.+?-(\d+\.\d+\.\d+.*)-view", view.name).group(1)
        for program in sorted((view / "bin").iterdir()):
            programs[link.name, version, program.name] = program.resolve()
        if (view / "lib").is_dir():
            libraries |= {library.resolve() for library in (view / "lib").iterdir()}
    return programs, libraries


def with_lto(app, version, folder):
    """Builds an app with fat LTO and returns where its programs are."""
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(folder / "target"),
        "CARGO_PROFILE_RELEASE_LTO": "fat",
        "CARGO_PROFILE_RELEASE_STRIP": "symbols",
    }
    command = ["cargo", "install", "--quiet", app, "--version", f"={version}", "--root", folder]
    subprocess.run(command, check=True, env=environment)
    return folder / "bin"


def row(name, sizes):
    """Returns a row of the table; sizes are in bytes, 0 is one that was not taken."""
    cells = [f"{size / 1000:.0f}" if size else "" for size in sizes] + [""] * (3 - len(sizes))
    return f"| {name} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("home", type=pathlib.Path)
    parser.add_argument("static")
    parser.add_argument("shared")
    parser.add_argument("--without", action="append", default=[], metavar="APP")
    parser.add_argument("--lto", type=pathlib.Path, metavar="FOLDER")
    arguments = parser.parse_args()

    static, carried = contents(arguments.home, arguments.static)
    shared, libraries = contents(arguments.home, arguments.shared)
    common = [key for key in sorted(set(static) & set(shared)) if key[0] not in arguments.without]
    for missing in sorted(set(static) ^ set(shared)):
        print(f"left out, as one profile lacks it: {missing[0]} {missing[1]}")
    print("| program | static, kB | shared, kB | fat LTO, kB |\n|---|---|---|---|")
    sums = [0, 0, 0]
    for key in common:
        app, version, name = key
        files = [static[key], shared[key]]
        if arguments.lto:
            files.append(with_lto(app, version, arguments.lto.resolve()) / name)
        sizes = [stripped(file) for file in files]
        sums = [sum + size for sum, size in zip(sums, sizes + [0])]
        print(row(f"{name} {version}", sizes))
    beside = [sum(map(stripped, files)) for files in (carried, libraries)]
    print(row("libraries", beside))
    sums = [sum + size for sum, size in zip(sums, beside + [0])]
    print(row("all", sums))
    print(f"\nshared / static: {sums[1] / sums[0]:.3f}")
    if arguments.lto:
        print(f"shared / fat LTO: {sums[1] / sums[2]:.3f}")


if __name__ == "__main__":
    main()
