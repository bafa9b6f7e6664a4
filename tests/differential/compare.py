#!/usr/bin/python3
"""Sends odd and malformed requests through the gateway to real servers, and compares what each server reads.

What the gateway forwards must be read by every server as exactly one request, with the same method, target, Host and
body. What it refuses must reach no server. After each request, a marker on the same connection and one on another must
be answered as themselves. Every server runs on a free loopback port in a temporary folder and is ended at the end.

Exit status: 0 if all held, 1 if something differed, 2 for a usage error, 3 if a server or the gateway did not start.
"""

import argparse
import concurrent.futures
import fnmatch
import multiprocessing
import os
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "blackbox")]
sys.dont_write_bytecode = True

from differential import corpus, report  # noqa: E402
from differential.servers.kinds import NAMES, RECORDER  # noqa: E402
from differential.servers.process import ServerError, end_with_parent  # noqa: E402

# Java takes its time to end, too.
_END_SECONDS = 20
# Java servers take longest: first, so that they do not end alone.
_BY_COST = ("gunicorn", "tomcat", "jetty", "apache", "lighttpd")


def parse_options():
    parser = argparse.ArgumentParser(prog="tests/differential/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", metavar="A,B", default=",".join(NAMES), help="these only; default: %(default)s")
    parser.add_argument("--cases", metavar="GLOB", default="*",
                        help="only cases whose `row name` matches, e.g. 'F0*' or '*fold*'")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default %(default)s)")
    parser.add_argument("--mutations", type=int, default=300, help="how many (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="columns at the same time (default: one per core)")
    parser.add_argument("--no-direct", action="store_true", help="leave out the comparison without the gateway")
    parser.add_argument("--list", action="store_true", help="print the cases with their bytes and end")
    options = parser.parse_args()
    options.defaults = (parser.get_default("seed"), parser.get_default("mutations"))
    options.names = options.servers.split(",")
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"unknown server {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.jobs < 1 or options.mutations < 0:
        parser.error("--jobs takes at least 1, --mutations at least 0")
    options.corpus = [case for case in corpus.cases(options.seed, options.mutations) if fnmatch.fnmatch(case.key,
        options.cases)]
    if not options.corpus:
        parser.error(f"no case matches {options.cases!r}; --list prints them")
    return options


def run_column(name, cases, with_direct):
    """All verdicts of one server, in a process of its own; with the readings without the gateway if asked for."""
    from differential import direct  # pylint: disable=import-outside-toplevel
    from differential.column import Column  # pylint: disable=import-outside-toplevel
    from differential.judge import judge  # pylint: disable=import-outside-toplevel

    started = time.monotonic()
    try:
        with Column(name) as column:
            verdicts = {case.key: judge(name, column.run(case)) for case in cases if case.suits(name)}
        through = time.monotonic() - started
        fit = with_direct and name not in (RECORDER, *direct.UNFIT)
        readings = direct.read_all(name, [case for case in cases if not case.is_early]) if fit else {}
    except (ServerError, OSError) as error:
        return report.Column(name, error=str(error))
    except SystemExit as end:  # told to end, and all is unwound: the pool would wait for another task
        os._exit(end.code)  # pylint: disable=protected-access
    return report.Column(name, verdicts, readings, through, time.monotonic() - started - through)


def end_once(number, _frame):
    """Unwinds. A second signal must not interrupt that: servers would be left running."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(128 + number)


def prepare_worker():
    """A worker unwinds when it is told to end, and is told so when this program dies."""
    signal.signal(signal.SIGTERM, end_once)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def run_all(options):
    names = sorted(options.names, key=lambda name: _BY_COST.index(name) if name in _BY_COST else len(_BY_COST))
    columns = []
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, context, initializer=prepare_worker) as pool:
        try:
            futures = [pool.submit(run_column, name, options.corpus, not options.no_direct) for name in names]
            for future in concurrent.futures.as_completed(futures):
                columns.append(future.result())
                print(report.progress(columns[-1], len(columns), len(names)), file=sys.stderr, flush=True)
        except SystemExit as end:
            # The pool would rather wait for all tasks. The workers end their servers, then themselves.
            workers = multiprocessing.active_children()
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.join(_END_SECONDS)
            os._exit(end.code)  # pylint: disable=protected-access
    return sorted(columns, key=lambda column: NAMES.index(column.name))


def main():
    options = parse_options()
    if options.list:
        for case in options.corpus:
            print(f"{case.key}\t{case.data[:300]!r}{'...' if len(case.data) > 300 else ''}")
        return 0
    # Help, listings and usage errors have to work where Debian's python3-yaml is not installed yet: imported only now.
    from harness.gateway import BINARY  # pylint: disable=import-outside-toplevel

    if not BINARY.exists():
        print(f"{BINARY} is not built: scripts/build lotagate", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, end_once)
    signal.signal(signal.SIGINT, end_once)
    started = time.monotonic()
    columns = run_all(options)
    print(report.write(options, columns, time.monotonic() - started))
    return report.status(options, columns)


if __name__ == "__main__":
    sys.exit(main())
