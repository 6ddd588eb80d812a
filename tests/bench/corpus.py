#!/usr/bin/env python3
"""Installs real apps from the registry and runs a smoke command of each: the corpus.

    tests/bench/corpus.py ORLOP HOME [--linkage static|shared] [--only NAME,…] [--table FILE]

ORLOP is the program, HOME a folder to install into (kept, so that a run can go on where another
ended). All apps go into one profile per linkage and share one store. Needs the network and hours
of compilation on a small machine; run it by hand. The table is Markdown:

    app | version | result | crates | reused | steps | seconds | bytes | why not

`crates` counts the compiled libraries of the app, `reused` those of them that an app installed
before it into the profile has too, `steps` what was unpacked, compiled and run for it. `bytes` is
the size of the programs; in `shared` the libraries come on top and are printed at the end. A row
whose policy is `locked` cannot be compiled from the newest versions that its requirements allow.
"""

import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

FOLDER = pathlib.Path(__file__).parent


def orlop(options, *words):
    command = [options.orlop, "--home", options.home, "--profile", options.linkage, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def install(options, row):
    started = time.monotonic()
    choices = ["--linkage", options.linkage, "--policy", row["policy"]]
    ran = orlop(options, "install", row["package"], *choices, "--json")
    seconds = time.monotonic() - started
    if ran.returncode != 0:
        errors = [line for line in ran.stderr.splitlines() if line.startswith(("error", "  because"))]
        return None, seconds, f"exit {ran.returncode}: " + "; ".join(errors)[:300]
    return json.loads(ran.stdout), seconds, ""


def smoke(options, row):
    """Runs the smoke command in a folder of its own; returns why it is not as expected."""
    path = f"{options.home}/profiles/{options.linkage}/current/bin"
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": f"{path}:/usr/bin:/bin", "HOME": folder, "TERM": "xterm"}
        ran = subprocess.run(
            ["sh", "-c", row["smoke"]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    expected = row["expect"].removeprefix("contains ")
    output = ran.stdout + ran.stderr
    if expected == "exit 0":
        return "" if ran.returncode == 0 else f"smoke: exit {ran.returncode}: {output[:200]}"
    return "" if expected in output else f"smoke: no `{expected}` in {output[:200]!r}"


def measure(options, package):
    info = json.loads(orlop(options, "info", package, "--json").stdout)
    view = pathlib.Path(options.home, "store", info["view"], "bin")
    size = sum(path.stat().st_size for path in view.iterdir())
    reused = sum(users > 1 for users in info["libraries"].values())
    return info["version"], info["crates"], reused, size


def libraries(options):
    views = pathlib.Path(options.home, "profiles", options.linkage, "current", "views")
    found = {library.resolve() for library in views.glob("*/lib/*")}
    return len(found), sum(library.stat().st_size for library in found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("orlop")
    parser.add_argument("home")
    parser.add_argument("--linkage", default="shared", choices=["static", "shared"])
    parser.add_argument("--only", default="")
    parser.add_argument("--table", default="/dev/stdout")
    options = parser.parse_args()
    options.home = os.path.abspath(options.home)
    only = [name for name in options.only.split(",") if name]
    with open(FOLDER / "corpus.tsv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    rows = [row for row in rows if not only or row["package"] in only]
    passed = 0
    with open(options.table, "a", encoding="utf-8") as table:
        print("| app | version | result | crates | reused | steps | seconds | bytes | why not |", file=table)
        print("|---|---|---|---|---|---|---|---|---|", file=table, flush=True)
        for row in rows:
            report, seconds, why = install(options, row)
            version, crates, reused, steps, size = "", "", "", "", ""
            if report is not None:
                steps = report["build"]
                version, crates, reused, size = measure(options, row["package"])
                why = smoke(options, row)
            passed += not why
            cells = [row["package"], version, "failed" if why else "ok", crates, reused, steps]
            cells += [f"{seconds:.1f}", size, why.replace("|", "/").replace("\n", " ")]
            print("| " + " | ".join(map(str, cells)) + " |", file=table, flush=True)
        count, size = libraries(options)
        print(f"\n{passed} of {len(rows)} in linkage {options.linkage}; "
              f"{count} libraries of {size} bytes beside the programs", file=table, flush=True)
    sys.exit(passed != len(rows))


main()
