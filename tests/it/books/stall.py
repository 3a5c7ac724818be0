"""Runs a program some of whose threads stand still for as long as a file is there: to the others it is as if a write
to their disk did not come back. `stall.py FILE THREAD,THREAD… PROGRAM ARGUMENTS…`"""

import ctypes
import os
import sys
import time

PR_SET_PTRACER = 0x59616D61
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
file, names, program = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]


def trace(request, thread):
    nothing = ctypes.c_void_p(0)
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), nothing, nothing) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def threads(process):
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/comm") as comm:
            if comm.read().strip() in names:
                yield int(thread)


stalling = os.fork()
if stalling != 0:
    # Where the system lets nobody look but who is named. Where it does not know that, everybody may.
    libc.prctl(PR_SET_PTRACER, stalling, 0, 0, 0)
    os.execvp(program[0], program)

process = os.getppid()
null = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1):
    os.dup2(null, descriptor)
held = []
# Until the program ends, which leaves this to somebody else.
while os.getppid() == process:
    wanted = os.path.exists(file)
    if wanted and not held:
        held = list(threads(process))
        assert len(held) == len(names)
        for thread in held:
            trace(PTRACE_SEIZE, thread)
            trace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
        open(file + ".stalled", "w").close()
    if not wanted and held:
        for thread in held:
            trace(PTRACE_DETACH, thread)
        held = []
        os.unlink(file + ".stalled")
    time.sleep(0.005)
