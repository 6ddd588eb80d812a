#!/bin/sh
# How long the proof of installed apps takes, by one program or by two in turn, and whether both say
# the same.
#
#   tests/bench/prove.sh HOME PROFILE ORLOP [OTHER] [APP...]
#
# Without apps it takes the three with the largest programs. OTHER is `-` where there is none. Needs
# python3.
set -eu
exec python3 - "$@" <<'PYTHON'
import glob, os, statistics, subprocess, sys, time

home, profile, *rest = sys.argv[1:]
programs = [rest[0]] + [other for other in rest[1:2] if other != "-"]
apps = rest[2:]
views = f"{home}/profiles/{profile}/current/views"
if not apps:
    size = lambda app: max(os.stat(file).st_size for file in glob.glob(f"{views}/{app}/bin/*"))
    apps = sorted(os.listdir(views), key=size)[-3:]
rounds = int(os.environ.get("ROUNDS", "30"))

def prove(program, app):
    command = [program, "--home", home, "--profile", profile, "prove", app]
    start = time.perf_counter()
    said = subprocess.run(command, capture_output=True, text=True)
    return 1e3 * (time.perf_counter() - start), (said.returncode, said.stdout)

print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds in turn")
for app in apps:
    times = {program: [] for program in programs}
    # The first round only warms the page cache.
    for number in range(rounds + 1):
        answers = []
        for program in programs:
            took, answer = prove(program, app)
            answers.append(answer)
            if number > 0:
                times[program].append(took)
        assert all(answer == answers[0] for answer in answers), answers
    line = f"{app:16}"
    for program in programs:
        least, median = min(times[program]), statistics.median(times[program])
        line += f"  best {least:6.1f} ms, median {median:6.1f} ms"
    if len(programs) > 1:
        first, second = (times[program] for program in programs)
        ratio = min(second) / min(first), statistics.median(second) / statistics.median(first)
        line += f"  ratio {ratio[0]:.2f}, of medians {ratio[1]:.2f}"
    print(line)
PYTHON
