#!/bin/sh
# What sharing crates between apps gives and costs: installs apps once with everything in each
# binary and once with shared libraries, in one home, and prints disk, start-up and memory.
#
#   tests/bench/sharing.sh ORLOP HOME APP...
#
# Start-up is the time of PROGRAM --version in rounds over all programs and both linkages, so that
# a busy machine slows all of them alike. Memory is the proportional set size of all programs at
# once, each stopped where it has started. Needs python3.
set -eu
orlop=$1 home=$2
shift 2

for linkage in static shared; do
    "$orlop" --home "$home" --profile "$linkage" install "$@" --linkage "$linkage"
    "$orlop" --home "$home" --profile "$linkage" prove > /dev/null
done

python3 - "$home" "${ROUNDS:-40}" <<'PYTHON'
import os, signal, statistics, subprocess, sys, time

home, rounds = sys.argv[1], int(sys.argv[2])
LINKAGES = ["static", "shared"]

def folder(linkage):
    return f"{home}/profiles/{linkage}/current/bin"

def program(linkage, name):
    return os.path.realpath(f"{folder(linkage)}/{name}")

def files(linkage):
    """Programs and the libraries of their views, each file once."""
    found = {}
    for name in names:
        path = program(linkage, name)
        library = os.path.join(os.path.dirname(path), "../lib")
        paths = [path] + [os.path.join(library, one) for one in os.listdir(library)]
        for one in paths:
            # The C runtime comes along with both.
            if not os.path.basename(one).startswith("libgcc_s"):
                status = os.stat(one)
                found[(status.st_dev, status.st_ino)] = status.st_size
    return found

names = sorted(set(os.listdir(folder("static"))) & set(os.listdir(folder("shared"))))
print(f"{len(names)} programs: {' '.join(names)}")
sizes = {linkage: sum(files(linkage).values()) for linkage in LINKAGES}
print(f"disk: static {sizes['static'] / 1e6:.2f} MB, shared {sizes['shared'] / 1e6:.2f} MB, "
      f"ratio {sizes['shared'] / sizes['static']:.2f}")

times = {(linkage, name): [] for linkage in LINKAGES for name in names}
for _ in range(rounds):
    for linkage, name in times:
        start = time.perf_counter()
        subprocess.run([program(linkage, name), "--version"], stdout=subprocess.DEVNULL, check=True)
        times[linkage, name].append(time.perf_counter() - start)
for name in names:
    static, shared = (statistics.median(times[linkage, name]) * 1e3 for linkage in LINKAGES)
    least = [min(times[linkage, name]) * 1e3 for linkage in LINKAGES]
    print(f"start-up {name}: static {static:.2f} ms, shared {shared:.2f} ms, median ratio "
          f"{shared / static:.2f}, ratio of the fastest {least[1] / least[0]:.2f}")

def memory(linkage, copies):
    """Starts every program with a full pipe as its output, so that it stays, and adds up."""
    running = []
    total = {"Pss": 0, "Private_Dirty": 0}
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(write, True)
    for name in names * copies:
        child = subprocess.Popen([program(linkage, name), "--help"], stdout=write,
                                 stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        running.append(child)
    time.sleep(1.5)
    counted = 0
    for child in running:
        if child.poll() is None:
            counted += 1
            for line in open(f"/proc/{child.pid}/smaps_rollup"):
                key, _, rest = line.partition(":")
                if key in total:
                    total[key] += int(rest.split()[0])
    for child in running:
        child.send_signal(signal.SIGKILL)
        child.wait()
    os.close(read)
    os.close(write)
    return counted, total

for copies in [1, 3]:
    results = {linkage: memory(linkage, copies) for linkage in LINKAGES}
    (count, static), (other, shared) = results["static"], results["shared"]
    assert count == other, "the same programs stay in both linkages"
    print(f"memory of {count} processes: PSS static {static['Pss']} kB, shared {shared['Pss']} kB, "
          f"ratio {shared['Pss'] / static['Pss']:.2f}; private dirty static "
          f"{static['Private_Dirty']} kB, shared {shared['Private_Dirty']} kB")
PYTHON
