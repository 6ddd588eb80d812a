#!/usr/bin/env python3
"""Compares `orlop resolve` with Cargo's answers on a frozen index.

    tests/bench/oracle.py INDEX ANSWERS [--orlop PROGRAM] [--home DIR] [--download] [--times N] [APP...]
    tests/bench/oracle.py INDEX ANSWERS --extract tests/data/frozen-index.tar.gz APP...

The second form makes the small archive that `cargo test` compares with: whole entries of all
packages that Orlop looks at for these apps.

INDEX is a folder in the layout of a sparse index, or `-` for the usual registry as it was at `--at`.
ANSWERS is a folder with, for each app, APP.install.json (sorted [name, version, checksum]) and
APP.install.units.json (Cargo's unit graph), and apps.json (version, edition, resolver);
`tests/bench/answers.py` makes such a folder.

Which packages are proc macros or have build scripts is not in an index. It is taken from the unit
graphs, so that no archive is needed; with `--download` it is read from the archives instead, which
come from the usual registry. Features, sides and versions are always found by Orlop alone.
"""

import argparse
import gzip
import io
import json
import pathlib
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib


def read(path):
    return json.loads(pathlib.Path(path).read_text())


def facts(answers, home, only=()):
    """Writes what the unit graphs tell of packages to where Orlop keeps such facts."""
    apps = read(answers / "apps.json")
    known = {}
    for app in only or apps:
        for name, version, checksum in read(answers / f"{app}.install.json"):
            known.setdefault((name, version), {"checksum": checksum, "kinds": set()})
        for unit in read(answers / f"{app}.install.units.json")["units"]:
            known[unit["n"], unit["v"]]["kinds"].add(unit["t"])
    folder = home / "index" / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    for (name, version), fact in known.items():
        kinds, app = fact["kinds"], apps.get(name)
        file = {"format": 3, "checksum": fact["checksum"], "package": package(name, version, kinds, app)}
        text = json.dumps(file).encode()
        place = folder / f"{name}-{version}-{fact['checksum'][:16]}.json"
        place.write_bytes(b"%08x\n%b" % (zlib.crc32(text), text))


def package(name, version, kinds, app):
    edition = (app or {}).get("edition") or "2021"
    resolver = (app or {}).get("resolver") or {"2021": "2", "2024": "3"}.get(edition, "1")
    proc_macro = "proc-macro" in kinds
    has_library = not kinds or bool(kinds - {"bin", "custom-build"})
    target = {"path": "src/lib.rs", "edition": edition}
    return {
        "name": name,
        "version": version,
        "resolver": {"1": "One", "2": "Two", "3": "Three"}[resolver],
        "links": None,
        "library": {
            "crate_name": name.replace("-", "_"),
            "proc_macro": proc_macro,
            "crate_types": ["proc-macro" if proc_macro else "lib"],
            **target,
        }
        if has_library
        else None,
        "binaries": [],
        "build_script": target if "custom-build" in kinds else None,
        "declared_features": [],
        "about": {
            key: ""
            for key in (
                "authors description homepage repository license license_file rust_version readme"
            ).split()
        },
    }


def cargo(answers, app):
    packages = {(name, version) for name, version, _ in read(answers / f"{app}.install.json")}
    units = {
        (unit["n"], unit["v"], tuple(sorted(set(unit["f"]))), unit["k"])
        for unit in read(answers / f"{app}.install.units.json")["units"]
        if unit["m"] == "build" and unit["t"] != "custom-build"
    }
    return packages, units


def entry(index, name):
    name = name.lower()
    folder = {1: "1", 2: "2", 3: f"3/{name[0]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")
    return index / folder / name


def cpu_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def orlop(program, home, index, app, version, at=None):
    command = [program, "--home", str(home), "--json", "--quiet"]
    command += ["--index", str(index)] if index else []
    command += ["resolve", "--policy", "latest", *(["--snapshot", at] if at else [])]
    # `cargo install` does not ask what releases the compiler is new enough for.
    command += ["--rust-version", "1.999.0"]
    start, before = time.perf_counter(), cpu_time()
    done = subprocess.run([*command, f"{app}@={version}"], capture_output=True, text=True)
    wall, cpu = time.perf_counter() - start, cpu_time() - before
    if done.returncode:
        sys.exit(f"{app}: {done.stderr}")
    answer = json.loads(done.stdout)["apps"][0]
    packages = {(package["name"], package["version"]) for package in answer["packages"]}
    units = {
        (unit["name"], unit["version"], tuple(unit["features"]), unit["kind"])
        for unit in answer["units"]
    }
    return packages, units, wall, cpu


def extract(given):
    """Packs the entries, facts and answers of some apps."""
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        facts(given.answers, home, given.apps)
        apps = {app: read(given.answers / "apps.json")[app] for app in given.apps}
        for app, about in apps.items():
            orlop(given.orlop, home, given.index, app, about["vers"])
        # Orlop keeps every entry that it read, under the same path.
        cache = next(path for path in (home / "index").iterdir() if path.name != "packages")
        entries = sorted({str(path.relative_to(cache)).lower() for path in cache.rglob("*") if path.is_file()})
        files = {f"index/{entry}": (given.index / entry).read_bytes() for entry in entries}
        for path in sorted((home / "index" / "packages").iterdir()):
            files[f"home/index/packages/{path.name}"] = path.read_bytes()
        for app, about in apps.items():
            packages, units = (sorted(items) for items in cargo(given.answers, app))
            answer = {"version": about["vers"], "packages": packages, "units": units}
            files[f"answers/{app}.json"] = json.dumps(answer, indent=1).encode()
    with open(given.extract, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("index", type=pathlib.Path)
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("apps", nargs="*")
    parser.add_argument("--orlop", default="target/release/orlop")
    parser.add_argument("--home", type=pathlib.Path)
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--extract", type=pathlib.Path)
    parser.add_argument("--at", help="see the registry as it was then")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_intermixed_args()
    if given.extract:
        return extract(given)
    temporary = tempfile.TemporaryDirectory()
    home = given.home or pathlib.Path(temporary.name)
    if str(given.index) == "-":
        given.index, given.download = None, True
    if not given.download:
        facts(given.answers, home)
    wrong, walls, cpus = 0, 0.0, 0.0
    for app, about in read(given.answers / "apps.json").items():
        if given.apps and app not in given.apps:
            continue
        if given.index and not entry(given.index, app).exists():
            print(f"{app:14} is not in the index")
            continue
        expected = cargo(given.answers, app)
        runs = [
            orlop(given.orlop, home, given.index, app, about["vers"], about.get("at") or given.at)
            for _ in range(given.times + 1)
        ]
        # The first run fills the cache.
        warm = runs[1:] or runs
        wall, cpu = (min(run[place] for run in warm) for place in (2, 3))
        walls, cpus = walls + wall, cpus + cpu
        words = []
        for what, ours, theirs in zip(("packages", "units"), runs[-1], expected):
            same = ours == theirs
            wrong += not same
            words.append(f"{len(ours):4} {what} {'equal' if same else 'DIFFERENT'}")
            for item in sorted(ours - theirs):
                words.append(f"\n  only Orlop: {item}")
            for item in sorted(theirs - ours):
                words.append(f"\n  only Cargo: {item}")
        times = f"{runs[0][2] * 1e3:6.0f} ms cold {wall * 1e3:5.0f} ms warm {cpu * 1e3:5.0f} ms CPU"
        print(f"{app:14} {times}  {' '.join(words)}", flush=True)
    print(f"all warm: {walls:.2f} s, {cpus:.2f} s CPU; {wrong} differences")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
