#!/usr/bin/env python3
"""Prints the wall, user and system time of a command in microseconds, and passes on how it ended.

    tests/bench/time.py COMMAND [ARGUMENT…]

For steps of a few milliseconds: a shell's `time` counts the fork of the shell as well, and no more
than milliseconds. What the command prints is dropped, but for errors.
"""

import os
import sys
import time

NULL = os.open(os.devnull, os.O_WRONLY)


def run(command):
    """Returns the status, the wall time in seconds and what was used."""
    begin = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, NULL, 1)]
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, used = os.wait4(process, 0)
    return status, time.perf_counter() - begin, used


# The first process takes longer to start than those after it.
run(["true"])
status, wall, used = run(sys.argv[1:])
print(*(round(1e6 * seconds) for seconds in (wall, used.ru_utime, used.ru_stime)))
sys.exit(os.waitstatus_to_exitcode(status) != 0)
