#!/usr/bin/env python3
"""Compares long runs of the same apps, linked statically and with shared libraries.

    tests/bench/throughput.py HOME STATIC SHARED FOLDER [--rounds 11]

HOME has two profiles of the same apps on the same lock: STATIC (linkage static) and SHARED. FOLDER
is an empty place for the texts that are searched; it is removed at the end. Runs of both alternate,
and what they print must be equal. Prints Markdown: medians of user seconds, which other work on the
machine disturbs least, of wall seconds, and their ratios. Apps that a profile lacks are left out.
"""

import argparse
import hashlib
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time

# What is done, by which program with which arguments.
RUNS = {
    "search, regex": ["rg", "-c", r"\b[a-z]{4}[0-9]+x(one|two)?\b", "text"],
    "search, Unicode classes": ["rg", "-c", r"\w{12}\s+\p{Lu}\w+", "text"],
    "search, literals": ["rg", "-ci", "-e", "needle", "-e", "haystack", "text"],
    "highlight": ["bat", "--color=always", "--paging=never", "code.rs"],
    "hex dump": ["hexyl", "--color=always", "part"],
    "replace": ["sd", "-p", "([a-z]{5,}) ([a-z]+)", "$2 $1", "part"],
    "count lines of code": ["tokei", "tree"],
}

CODE = '''/// Adds up what is {name}.
pub fn {name}(values: &[u64]) -> Option<u64> {{
    let mut sum: u64 = {number};
    for value in values.iter().filter(|value| **value > {number}) {{
        sum = sum.checked_add(*value)?; // "{name}" stops at an overflow
    }}
    println!("{name}: {{sum:>8}}");
    Some(sum)
}}

'''


def write_texts(folder):
    """Writes what is searched: the same on every machine."""
    chance = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 12))) for _ in range(5000)]
    words += ["needle", "Ärger", "Übermut", "abcd12xone", "Zeichen"]
    lines = [" ".join(chance.choices(words, k=12)) for _ in range(20000)]
    text = "\n".join(lines) + "\n"
    (folder / "text").write_text(text * 300)
    (folder / "part").write_text(text * 8)
    functions = [CODE.format(name=chance.choice(words), number=number) for number in range(6000)]
    (folder / "code.rs").write_text("".join(functions))
    for number in range(12000):
        place = folder / "tree" / str(number % 60) / f"f{number}.rs"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("".join(functions[number % 5900 : number % 5900 + 20]))


def user_seconds():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def run(program, arguments, folder):
    before, started = user_seconds(), time.perf_counter()
    ran = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    wall = time.perf_counter() - started
    return user_seconds() - before, wall, hashlib.sha256(ran.stdout).digest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=pathlib.Path)
    parser.add_argument("static")
    parser.add_argument("shared")
    parser.add_argument("folder", type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    profiles = [options.static, options.shared]
    options.folder.mkdir(parents=True)
    try:
        write_texts(options.folder)
        print("| work | user s, static | user s, shared | ratio | wall ratio |\n|---|---|---|---|---|")
        for name, (program, *arguments) in RUNS.items():
            paths = [options.home / f"profiles/{one}/current/bin/{program}" for one in profiles]
            if not all(path.exists() for path in paths):
                continue
            runs = [[run(path, arguments, options.folder) for path in paths] for _ in range(options.rounds)]
            if any(static[2] != shared[2] for static, shared in runs):
                sys.exit(f"{program} {arguments} prints something else when linked otherwise")
            user, wall = (
                [statistics.median(pair[which][part] for pair in runs) for which in (0, 1)]
                for part in (0, 1)
            )
            ratios = f"{user[1] / user[0]:.3f} | {wall[1] / wall[0]:.3f}"
            print(f"| {name} (`{program}`) | {user[0]:.2f} | {user[1]:.2f} | {ratios} |", flush=True)
    finally:
        shutil.rmtree(options.folder)


main()
