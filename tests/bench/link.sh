#!/bin/sh
# How long linking takes where every crate is compiled: all of some apps at once, then one more, then
# nothing new; by one program or by two in turn, as ratios of the processor time as well.
#
#   tests/bench/link.sh HOME PROFILE ORLOP OTHER APP...
#
# The profile of the home has these apps installed; its lock file says of what. The last of them is
# the one more. OTHER is `-` where there is none. Every run gets a view of its own of the home
# (overlayfs, so root only), which is left as it is. Needs python3.
set -eu
exec unshare -m python3 - "$@" <<'PYTHON'
import os, pathlib, resource, shutil, statistics, subprocess, sys, tempfile, time

home, profile, *programs = sys.argv[1:5]
programs = [program for program in programs if program != "-"]
apps = sys.argv[5:]
rounds = int(os.environ.get("ROUNDS", "3"))
lock = pathlib.Path(home, "profiles", profile, "current/lock.toml").read_text()
STEPS = [f"all {len(apps) - 1}", "one more", "nothing new"]

def manifest(folder, name, some):
    lines = "".join(f'{app} = {{ linkage = "shared" }}\n' for app in some)
    (folder / f"{name}.toml").write_text(f"schema = 1\n[packages]\n{lines}")
    (folder / f"{name}.lock").write_text(lock)
    return folder / f"{name}.toml"

def timed(command):
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before, start = used(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start, used() - before

def run(program):
    folder = pathlib.Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/var/tmp")))
    for name in ["upper", "work", "home"]:
        (folder / name).mkdir()
    options = f"lowerdir={home},upperdir={folder}/upper,workdir={folder}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, folder / "home"]
    subprocess.run(mount, check=True)
    try:
        first = manifest(folder, "first", apps[:-1])
        every = manifest(folder, "every", apps)
        return [
            timed([program, "--home", folder / "home", "--offline", "--profile", "link-bench",
                   "sync", "--manifest", file])
            for file in [first, every, every]
        ]
    finally:
        subprocess.run(["umount", folder / "home"], check=True)
        subprocess.run(["chmod", "-R", "u+w", folder / "upper"], check=True)
        shutil.rmtree(folder)

runs = {program: [] for program in programs}
for _ in range(rounds):
    for program in programs:
        runs[program].append(run(program))
print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds in turn")
for step, name in enumerate(STEPS):
    line = f"{name:12}"
    medians = []
    for program in programs:
        walls, cpus = zip(*(one[step] for one in runs[program]))
        medians.append((min(walls), statistics.median(cpus)))
        line += f"  best {min(walls):5.2f} s, CPU {statistics.median(cpus):5.2f} s"
    if len(medians) > 1:
        line += f"  ratio {medians[1][0] / medians[0][0]:.2f}, of CPU {medians[1][1] / medians[0][1]:.2f}"
    print(line)
PYTHON
