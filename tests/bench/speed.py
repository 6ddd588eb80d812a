#!/usr/bin/env python3
"""Measures installs against Cargo, interleaved, with warm downloads on both sides.

    tests/bench/speed.py cold ORLOP FOLDER [--app ripgrep] [--rounds 3]
    tests/bench/speed.py many ORLOP FOLDER [--apps hexyl,sd,…] [--sccache PROGRAM [--without-cargo]]
    tests/bench/speed.py next ORLOP FOLDER [--first hexyl@0.17.0] [--then hexyl@0.16.0]

`cold` installs one app into an empty home (static, then shared) and with `cargo install` into an
empty root and target folder. `many` installs apps one after the other: Orlop into one home, Cargo
into a target folder of its own each, and Cargo with sccache, warm or (`--cache`) with what is in
a folder: what it keeps depends on FOLDER. `next` installs an app of which every crate is there
already, and subtracts how long rustc is busy with its own package when Cargo calls it, link
included. ORLOP is the program, FOLDER an empty place for all of it; it is removed at the end.
`--warm HOME` names a home with the downloads of all these apps (a corpus run leaves one); without
it, everything is first installed once, by both. Prints Markdown: wall and CPU seconds (all child
processes), and ratios of medians.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

APPS = "hexyl,sd,pastel,ripgrep,tokei,du-dust,fd-find,procs,zoxide,just"


def timed(command, **environment):
    """Runs a command; returns wall seconds, CPU seconds and what it said."""
    before, started = os.times(), time.monotonic()
    ran = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.monotonic() - started, os.times()
    if ran.returncode != 0:
        sys.exit(f"{command} ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return wall, cpu, ran.stderr


def remove(folder):
    if folder.exists():
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)


def home(options, name):
    """An empty home with the downloads of the first one."""
    folder = options.folder / name
    remove(folder)
    folder.mkdir()
    for part in ["downloads", "index"]:
        shutil.copytree(options.warm / part, folder / part, symlinks=True)
    # What is known of imports belongs to the home it comes from.
    shutil.rmtree(folder / "index" / "imports", ignore_errors=True)
    return folder


def warm(options, apps):
    """Fetches everything once, for both."""
    if options.warm is None:
        options.warm = options.folder / "warm"
        for app in apps:
            orlop(options, options.warm, app, "static")
            cargo(options, app)


def orlop(options, folder, app, linkage):
    choices = ["--linkage", linkage, "--policy", options.policy]
    return timed([options.orlop, "--home", folder, "install", app, *choices, "-v"])


def cargo(options, app, **environment):
    folder = options.folder / "cargo"
    remove(folder)
    name, _, version = app.partition("@")
    version = ["--version", version] if version else []
    return timed(
        ["cargo", "install", name, *version, "--root", folder / "root"],
        CARGO_TARGET_DIR=str(folder / "target"),
        **environment,
    )


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def cold(options):
    warm(options, [options.app])
    runs = {"orlop static": [], "orlop shared": [], "cargo install": []}
    for _ in range(options.rounds):
        for linkage in ["static", "shared"]:
            run = orlop(options, home(options, "cold"), options.app, linkage)
            runs[f"orlop {linkage}"].append(run)
        runs["cargo install"].append(cargo(options, options.app))
    medians = {
        name: [statistics.median(run[part] for run in runs) for part in (0, 1)]
        for name, runs in runs.items()
    }
    wall, cpu = medians["cargo install"]
    row([f"cold `{options.app}`", "wall s", "CPU s", "wall ratio", "CPU ratio"])
    row(["---"] * 5)
    for name, (own_wall, own_cpu) in medians.items():
        figures = [own_wall, own_cpu, own_wall / wall, own_cpu / cpu]
        row([name, *(f"{figure:.2f}" for figure in figures)])


def many(options):
    apps = options.apps.split(",")
    warm(options, apps)
    folder = home(options, "many")
    cache = {
        "RUSTC_WRAPPER": options.sccache,
        "SCCACHE_DIR": options.cache or str(options.folder / "sccache"),
        "SCCACHE_SERVER_PORT": "4227",
    }
    ways = {"orlop": lambda app: orlop(options, folder, app, "shared")}
    if not options.without_cargo:
        ways["cargo"] = lambda app: cargo(options, app)
    if options.sccache:
        for app in [] if options.cache else apps:
            cargo(options, app, **cache)
        ways["sccache"] = lambda app: cargo(options, app, **cache)
    row(["app", *(f"{way} wall s | {way} CPU s" for way in ways)])
    row(["---"] * (1 + 2 * len(ways)))
    sums = {way: [0.0, 0.0] for way in ways}
    for app in apps:
        cells = [app]
        for way, run in ways.items():
            wall, cpu, _ = run(app)
            sums[way] = [sums[way][0] + wall, sums[way][1] + cpu]
            cells += [f"{wall:.1f}", f"{cpu:.1f}"]
        row(cells)
    row(["all", *(f"{wall:.1f} | {cpu:.1f}" for wall, cpu in sums.values())])
    for way, (wall, _) in sums.items():
        print(f"\norlop / {way}: {sums['orlop'][0] / wall:.2f} (wall)")
    if options.sccache:
        subprocess.run([options.sccache, "--stop-server"], env={**os.environ, **cache}, check=False)


WRAPPER = """#!/bin/sh
# Runs rustc and notes the package, the start and the end.
started=$(date +%s.%N)
"$@" || exit
echo "${CARGO_PKG_NAME:--} $started $(date +%s.%N)" >> "$NOTES"
"""


def own_compilation(options, app):
    """How long rustc, as Cargo calls it, is busy with the app's own package; the rest is there.
    Without link-time optimisation, which would compile much of the rest once more."""
    wrapper, notes = options.folder / "wrapper", options.folder / "notes"
    folder, name = options.folder / "own", app.partition("@")[0]
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    for fingerprint in folder.glob(f"target/release/.fingerprint/{name}-*"):
        shutil.rmtree(fingerprint)
    notes.write_text("")
    timed(
        ["cargo", "install", "--force", app, "--root", folder / "root"],
        CARGO_TARGET_DIR=str(folder / "target"),
        RUSTC_WRAPPER=str(wrapper),
        NOTES=str(notes),
        CARGO_PROFILE_RELEASE_LTO="off",
    )
    lines = [line.split() for line in notes.read_text().splitlines()]
    times = [(float(start), float(end)) for package, start, end in lines if package == name]
    return max(end for _, end in times) - min(start for start, _ in times)


def following(options):
    warm(options, [options.first, options.then])
    own_compilation(options, options.then)
    walls, owns = [], []
    for _ in range(options.rounds):
        folder = home(options, "next")
        orlop(options, folder, options.first, options.linkage)
        wall, _, said = orlop(options, folder, options.then, options.linkage)
        name = options.then.partition("@")[0]
        foreign = set(re.findall(r"^ +built (\S+) ", said, re.MULTILINE)) - {name}
        if foreign:
            sys.exit(f"{foreign} had to be built, too")
        walls.append(wall)
        owns.append(own_compilation(options, options.then))
        print(f"{options.then} after {options.first}: {wall:.2f} s; its own rustc: {owns[-1]:.2f} s")
    wall, own = statistics.median(walls), statistics.median(owns)
    print(f"medians: {wall:.2f} s, {own:.2f} s with Cargo: {wall - own:.2f} s on top")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["cold", "many", "next"])
    parser.add_argument("orlop", type=os.path.abspath)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--warm", type=pathlib.Path)
    parser.add_argument("--app", default="ripgrep")
    parser.add_argument("--apps", default=APPS)
    parser.add_argument("--sccache", default="")
    parser.add_argument("--cache", help="a folder that sccache has filled with all of it already")
    parser.add_argument("--without-cargo", action="store_true", help="for `many`: sccache alone")
    parser.add_argument("--policy", default="shared")
    parser.add_argument("--first", default="hexyl@0.17.0")
    parser.add_argument("--then", default="hexyl@0.16.0")
    parser.add_argument("--linkage", default="shared")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        {"cold": cold, "many": many, "next": following}[options.what](options)
    finally:
        remove(options.folder)


main()
