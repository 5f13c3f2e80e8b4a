"""What a worker of bnn-bench says in Python: tools/bench/worker.h tells the lines. All workers take
the same arguments, see Subject."""
import collections
import importlib
import os
import sys
import tempfile
import time

# Nothing is left behind: neither beside an installed program, nor what frameworks put down.
sys.dont_write_bytecode = True
scratch = tempfile.TemporaryDirectory(prefix="bnn-bench.")
tempfile.tempdir = os.environ["TMPDIR"] = scratch.name

# Lines for bnn-bench; what frameworks print goes where their warnings go.
voice = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

Subject = collections.namedtuple(
    "Subject", "engine precision arch batch shape classes parameters threads folder")


def subject():
    """From ENGINE PRECISION ARCH BATCH CHANNELS HEIGHT WIDTH CLASSES PARAMETERS THREADS FOLDER, the
    folder being one for all workers of a run."""
    engine, precision, arch, *numbers, folder = sys.argv[1:12]
    batch, channels, height, width, classes, parameters, threads = map(int, numbers)
    return Subject(engine, precision, arch, batch, (channels, height, width), classes, parameters,
                   threads, folder)


def end(word, why):
    """Says in a line why there is nothing to measure: "absent" or "error"."""
    lines = [line for line in str(why).splitlines() if line.strip()] or [type(why).__name__]
    # A compiler's own message tells more than that it failed.
    print(word, next((line for line in lines if "error: " in line), lines[0]), file=voice,
          flush=True)
    sys.exit(1)


def load(*packages):
    """The modules of these packages of PyPI."""
    for name in packages:
        try:
            importlib.import_module(name)
        except ImportError as error:
            end("absent", "%s has no %s (%s), so nothing to compare with; 'pip install %s' adds it,"
                " or BNN_PYTHON names another Python" % (sys.executable, name, error, name))
    return [sys.modules[name] for name in packages]


def apart(work, *arguments):
    """Calls work in a process of its own, whose memory is not counted; it says itself what is
    wrong, and ends without what a whole interpreter does at its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            say_what_is_wrong(work, *arguments)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit(1)


def say_what_is_wrong(work, *arguments):
    try:
        work(*arguments)
    except Exception as error:  # frameworks raise of all kinds
        end("error", error)


def peak_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def serve(version, run):
    """Repeats run() as often as it is told to."""
    print("ready", version, file=voice, flush=True)
    for line in sys.stdin:
        least_runs, least_seconds = line.split()
        start, passed, runs = time.perf_counter(), 0.0, 0
        while runs < int(least_runs) or passed < float(least_seconds):
            run()
            runs += 1
            passed = time.perf_counter() - start
        print("done %.9g %d %d" % (passed / runs, peak_bytes(), runs), file=voice, flush=True)
