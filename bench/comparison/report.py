"""Medians of the rounds, and how they are printed."""

import json
import os
import pathlib
import re
import subprocess
from statistics import median

from .candidates import find_program
from .processes import BenchError

_COLUMNS = ("candidate", "µs CPU / request", "requests / s", "p50 µs", "p99 µs", "x floor", "x nginx")


def summarize(candidates, samples):
    """One row per candidate; `samples` maps a key to its list of Sample. A fault in any round invalidates the row."""
    rows = []
    for candidate in candidates:
        runs = samples[candidate.key]
        rows.append({
            "key": candidate.key,
            "title": candidate.title,
            "fault": next((run.fault for run in runs if run.fault), ""),
            "cpu_us": median(run.cpu_us for run in runs),
            "cpu_us_lowest": min(run.cpu_us for run in runs),
            "cpu_us_highest": max(run.cpu_us for run in runs),
            "requests_per_second": median(run.requests_per_second for run in runs),
            "p50_us": median(run.p50_us for run in runs),
            "p99_us": median(run.p99_us for run in runs),
        })
    valid = {row["key"]: row["cpu_us"] for row in rows if not row["fault"] and row["cpu_us"] > 0}
    for row in rows:
        for reference in ("floor", "nginx"):
            known = reference in valid and row["key"] in valid
            row[f"ratio_{reference}"] = row["cpu_us"] / valid[reference] if known else None
    return rows


def _cells(row):
    if row["fault"]:
        return [row["title"], f"INVALID: {row['fault']}", "", "", "", "", ""]
    ratios = ["-" if row[key] is None else f"{row[key]:.2f}" for key in ("ratio_floor", "ratio_nginx")]
    return [row["title"], f"{row['cpu_us']:.1f} ({row['cpu_us_lowest']:.1f} to {row['cpu_us_highest']:.1f})",
            f"{row['requests_per_second']:.0f}", f"{row['p50_us']:.0f}", f"{row['p99_us']:.0f}", *ratios]


def as_text(rows, note):
    table = [list(_COLUMNS)] + [_cells(row) for row in rows]
    # A fault's text may be long; it runs over the columns to its right instead of widening its own.
    regular = [cells for cells in table if cells[2]]
    widths = [max(len(cells[i]) for cells in regular) for i in range(len(_COLUMNS))]
    widths[0] = max(len(cells[0]) for cells in table)
    lines = ["  ".join([cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))])
             for cells in table]
    return "\n".join([line.rstrip() for line in lines] + ["", note])


def as_markdown(rows, note):
    lines = ["| " + " | ".join(_COLUMNS) + " |", "| --- |" + " ---: |" * (len(_COLUMNS) - 1)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in _cells(row)) + " |"
              for row in rows]
    return "\n".join([*lines, "", note])


def as_json(rows, note):
    return json.dumps({"note": note, "rows": rows}, indent=2, ensure_ascii=False)


def note(options, build):
    """One line about the machine and the programs: a number without it means nothing."""
    parts = [f"CPU {_cpu_model()}", f"Linux {os.uname().release}"]
    for name, command in (("nginx", ["nginx", "-v"]), ("HAProxy", ["haproxy", "-v"]), ("wrk", ["wrk", "-v"]),
                          ("OpenSSL", ["openssl", "version"])):
        parts.append(f"{name} {_version(command)}")
    gateway = pathlib.Path(build, "src/lotagate")
    if gateway.exists():
        parts.append(f"Lotagate {_version([gateway, 'version'])}")
    parts.append(f"{options.connections} connections, interleaved rounds: {options.rounds} of {options.seconds} s, "
                 "medians (lowest to highest); proxy, wrk and backend share one core")
    return "; ".join(parts) + "."


def _cpu_model():
    found = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else os.uname().machine


def _version(command):
    try:
        program = find_program(command[0]) if isinstance(command[0], str) else command[0]
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False, timeout=10)
    except (BenchError, OSError, subprocess.TimeoutExpired):
        return "absent"
    found = re.search(r"\d+\.\d+[\w.+~-]*", done.stdout + done.stderr)
    return found[0] if found else "unknown"
