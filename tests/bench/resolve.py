#!/usr/bin/env python3
"""Times `orlop resolve` against `cargo generate-lockfile --offline`, interleaved.

    tests/bench/resolve.py ANSWERS [--orlop PROGRAM] [--home DIR] [--at TIME] [--times N] [APP...]

ANSWERS is a folder that `tests/bench/answers.py` made a moment ago: then Cargo has the index entries
and archives of these apps, as `--offline` asks for. Both solve for the same version of each app on
the usual registry; caches are warm, and a compiler is imported, as after the first install. CPU time
is user and system time of the process and its children, on one core; medians.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import answers


def run(command, folder):
    """Returns CPU seconds, wall seconds and the largest resident size in MB."""
    start = time.perf_counter()
    with open(os.devnull, "w") as nothing:
        child = subprocess.Popen(command, cwd=folder, stdout=nothing, stderr=subprocess.PIPE, text=True)
        said = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {said}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, used.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("apps", nargs="*")
    parser.add_argument("--orlop", default="target/release/orlop", type=pathlib.Path)
    parser.add_argument("--home", type=pathlib.Path)
    parser.add_argument("--at", help="the time at which the answers were made")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_intermixed_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    apps = json.loads((given.answers / "apps.json").read_text())
    apps = {app: about["vers"] for app, about in apps.items() if not given.apps or app in given.apps}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        home = given.home or folder / "home"
        orlop = [given.orlop.absolute(), "--home", home.absolute(), "--quiet"]
        # Not by way of rustup, whose own time is not Cargo's.
        rustc, cargo = (
            subprocess.check_output(["rustup", "which", tool], text=True).strip() for tool in ("rustc", "cargo")
        )
        os.environ["PATH"] = f"{pathlib.Path(cargo).parent}:{os.environ['PATH']}"
        subprocess.run([*orlop, "compiler", "add", rustc], check=True, capture_output=True)
        listed = subprocess.check_output([*orlop, "compiler", "list"], text=True).split()
        subprocess.run([*orlop, "compiler", "default", listed[0]], capture_output=True)
        at = ["--snapshot", given.at] if given.at else []
        ours, theirs = {}, {}
        for app, version in apps.items():
            answers.wrap(folder / app, app, version, None)
            resolve = ["resolve", f"{app}@={version}", "--policy", "latest"]
            resolve += ["--rust-version", "1.999.0", *at]
            run([*orlop, *resolve], folder)
            ours[app], theirs[app] = [], []
            for _ in range(given.times):
                ours[app].append(run([*orlop, "--offline", "--json", *resolve], folder))
                (folder / app / "Cargo.lock").unlink()
                theirs[app].append(run([cargo, "generate-lockfile", "--offline"], folder / app))
            cpu, other = (statistics.median(r[0] for r in runs[app]) for runs in (ours, theirs))
            wall = statistics.median(r[1] for r in ours[app])
            size = max(r[2] for r in ours[app])
            print(
                f"{app:16} {cpu * 1e3:6.0f} ms CPU {wall * 1e3:6.0f} ms wall {size:5.0f} MB   "
                f"cargo {other * 1e3:6.0f} ms CPU   ratio {cpu / other:.3f}",
                flush=True,
            )
        total, other = (
            sum(statistics.median(r[0] for r in runs) for runs in all.values()) for all in (ours, theirs)
        )
        print(f"all: {total:.2f} s CPU, cargo {other:.2f} s, ratio {total / other:.3f}")


if __name__ == "__main__":
    main()
