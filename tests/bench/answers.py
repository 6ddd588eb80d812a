#!/usr/bin/env python3
"""Asks Cargo what it would install, for `tests/bench/oracle.py` to compare with.

    tests/bench/answers.py ANSWERS [--at TIME] APP[@VERSION]...

Writes APP.install.json, APP.install.units.json and apps.json into the folder ANSWERS. Versions are
those of `cargo install`: the app as the only dependency of an empty package, so that neither its
tests nor its optional dependencies count, and its `rust-version` is no preference. The units are
those of a build of the app itself with that lock. Needs the network and a nightly Cargo.

With `--at 2026-08-01T00:00:00Z` releases published later are not seen.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

ENVIRONMENT = {**os.environ, "CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS": "allow"}
TARGET = "x86_64-unknown-linux-gnu"


def cargo(folder, *arguments):
    command = ["rustup", "run", "nightly", "cargo", *arguments]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def newest(folder, app):
    found = re.search(r"^version: (\S+)", cargo(folder, "info", "--quiet", app), re.M)
    return found.group(1)


def wrap(folder, app, version, at):
    """Makes an empty package that needs the app, and its lock."""
    (folder / "src").mkdir(parents=True)
    (folder / "src/lib.rs").touch()
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "wrapper-of-app"\nversion = "0.0.0"\nedition = "2021"\n'
        f'[dependencies]\n{app} = "={version}"\n[workspace]\n'
    )
    cargo(folder, "generate-lockfile", *(["--publish-time", at, "-Zunstable-options"] if at else []))
    return tomllib.loads((folder / "Cargo.lock").read_text())["package"]


def unpack(wrapper, folder, app, version):
    """Makes a copy of the app's source with the wrapper's lock."""
    cargo(wrapper, "fetch", "--locked", "--target", TARGET)
    home = pathlib.Path(os.environ.get("CARGO_HOME") or pathlib.Path.home() / ".cargo")
    source = next(home.glob(f"registry/src/*/{app}-{version}"))
    shutil.copytree(source, folder)
    manifest = (folder / "Cargo.toml").read_text()
    # Tests are not installed, and what they need is not in the lock.
    tables = re.split(r"(?m)^(?=\[)", manifest)
    kept = [table for table in tables if not re.match(r"\[(target\..*\.)?dev[-_]dependencies[.\]]", table)]
    if not any(table.startswith("[workspace]") for table in kept):
        kept.append("\n[workspace]\n")
    (folder / "Cargo.toml").write_text("".join(kept))
    entries = re.split(r"(?m)^(?=\[\[package\]\])", (wrapper / "Cargo.lock").read_text())
    lock = []
    for entry in entries:
        if 'name = "wrapper-of-app"' in entry:
            continue
        if f'name = "{app}"\nversion = "{version}"' in entry:
            entry = re.sub(r"(?m)^(source|checksum) = .*\n", "", entry)
        lock.append(entry)
    (folder / "Cargo.lock").write_text("".join(lock))


def units(folder):
    graph = json.loads(
        cargo(folder, "build", "--release", "--bins", "--unit-graph", "-Zunstable-options", "--target", TARGET)
    )
    found = []
    for unit in graph["units"]:
        name, version = package(unit["pkg_id"])
        kind = unit["target"]["kind"][0]
        found.append({
            "n": name,
            "v": version,
            "f": unit["features"],
            "k": "target" if unit["platform"] else "host",
            "m": unit["mode"],
            "t": kind,
            "d": [[used["index"], used["extern_crate_name"]] for used in unit["dependencies"]],
        })
    return {"units": found, "roots": graph["roots"]}


def package(spec):
    """Reads `registry+…#name@version` or `path+file:///folder/name#version`."""
    place, _, rest = spec.rpartition("#")
    if "@" in rest:
        name, _, version = rest.rpartition("@")
        return name, version
    return place.rpartition("/")[2], rest


def answer(answers, spec, at):
    app, _, version = spec.partition("@")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        version = version or newest(folder, app)
        locked = wrap(folder / "wrapper", app, version, at)
        unpack(folder / "wrapper", folder / app, app, version)
        packages = sorted([p["name"], p["version"], p["checksum"]] for p in locked if "checksum" in p)
        graph = units(folder / app)
        manifest = tomllib.loads((folder / app / "Cargo.toml").read_text())
    (answers / f"{app}.install.json").write_text(json.dumps(packages))
    (answers / f"{app}.install.units.json").write_text(json.dumps(graph))
    index = answers / "apps.json"
    apps = json.loads(index.read_text()) if index.exists() else {}
    resolver = manifest["package"].get("resolver") or manifest.get("workspace", {}).get("resolver")
    apps[app] = {"vers": version, "edition": manifest["package"].get("edition", "2015"), "resolver": resolver, "at": at}
    index.write_text(json.dumps(apps, indent=1))
    print(f"{app} {version}: {len(packages)} packages, {len(graph['units'])} units", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("apps", nargs="+")
    parser.add_argument("--at")
    given = parser.parse_args()
    given.answers.mkdir(parents=True, exist_ok=True)
    failed = 0
    for app in given.apps:
        try:
            answer(given.answers, app, given.at)
        except (RuntimeError, AttributeError, OSError, StopIteration) as error:
            failed += 1
            print(f"{app}: {error!r}", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
