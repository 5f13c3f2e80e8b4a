"""What a worker of bnn-bench says in Python: tools/bench/worker.h tells the lines. Both workers take
the same arguments, see Subject."""
import collections
import os
import sys
import tempfile
import time

# Nothing is left behind: neither beside an installed program, nor what frameworks put down.
sys.dont_write_bytecode = True
scratch = tempfile.TemporaryDirectory(prefix="bnn-bench.")
tempfile.tempdir = os.environ["TMPDIR"] = scratch.name

Subject = collections.namedtuple("Subject", "arch batch shape classes parameters threads precision")


def subject():
    """From ARCH BATCH CHANNELS HEIGHT WIDTH CLASSES PARAMETERS THREADS PRECISION."""
    batch, channels, height, width, classes, parameters, threads = map(int, sys.argv[2:9])
    return Subject(sys.argv[1], batch, (channels, height, width), classes, parameters, threads,
                   sys.argv[9])


def end(word, why):
    """Says why there is nothing to measure: "absent" or "error"."""
    print(word, str(why).split("\n", maxsplit=1)[0], flush=True)
    sys.exit(1)


def peak_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def serve(version, run):
    """Repeats run() as often as it is told to."""
    print("ready", version, flush=True)
    for line in sys.stdin:
        least_runs, least_seconds = line.split()
        start, passed, runs = time.perf_counter(), 0.0, 0
        while runs < int(least_runs) or passed < float(least_seconds):
            run()
            runs += 1
            passed = time.perf_counter() - start
        print("done %.9g %d" % (passed / runs, peak_bytes()), flush=True)
