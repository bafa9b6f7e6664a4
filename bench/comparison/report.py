"""Medians of the rounds, and how they are printed."""

import dataclasses
import itertools
import json
import os
import pathlib
import re
import subprocess
from statistics import median

from .processes import BenchError, find_program

_LOAD_COLUMNS = ("candidate", "µs CPU / request", "requests / s", "p50 µs", "p99 µs")
_IDLE_COLUMNS = ("candidate", "bytes / connection", "x nginx")


def summarize(scenario, connections, samples):
    """One row for each candidate. `samples` maps a candidate to its Samples; a fault in any invalidates its row."""
    rows = []
    for candidate, runs in samples.items():
        row = {
            "scenario": scenario.key, "connections": connections, "key": candidate.key, "title": candidate.title,
            "fault": next((run.fault for run in runs if run.fault), ""),
        }
        measured = [field.name for field in dataclasses.fields(runs[0]) if field.name != "fault"]
        for name in measured:
            values = [getattr(run, name) for run in runs]
            row |= {name: median(values), f"{name}_lowest": min(values), f"{name}_highest": max(values)}
        rows.append(row)
    main = measured[0]  # what the ratios are of
    valid = {row["key"]: row[main] for row in rows if not row["fault"] and row[main] > 0}
    for row in rows:
        for reference in scenario.references:
            known = reference in valid and row["key"] in valid
            row[f"ratio_{reference}"] = row[main] / valid[reference] if known else None
    return rows


@dataclasses.dataclass(frozen=True)
class _Table:
    title: str
    columns: tuple
    lines: list


def _tables(rows, scenarios):
    """One table for a scenario; with several numbers of connections these become its columns."""
    for key, found in itertools.groupby(rows, lambda row: row["scenario"]):
        scenario, found = scenarios[key], list(found)
        counts = sorted({row["connections"] for row in found})
        if len(counts) > 1:
            title = f"{scenario.title}: µs CPU / request (x floor), by number of connections"
            yield _Table(title, ("candidate", *map(str, counts)), _by_connections(found))
        elif "cpu_us" in found[0]:
            title = f"{scenario.title}, {counts[0]} connections"
            columns = (*_LOAD_COLUMNS, *(f"x {reference}" for reference in scenario.references))
            yield _Table(title, columns, [_load_cells(row, scenario) for row in found])
        else:
            title = f"{counts[0]} {scenario.title}, resident memory"
            yield _Table(title, _IDLE_COLUMNS, [_idle_cells(row) for row in found])


def _by_connections(rows):
    lines = {}
    for row in rows:
        cell = "INVALID" if row["fault"] else f"{row['cpu_us']:.1f} ({_ratio(row['ratio_floor'])})"
        lines.setdefault(row["title"], [row["title"]]).append(cell)
    return list(lines.values())


def _load_cells(row, scenario):
    ratios = [_ratio(row[f"ratio_{reference}"], scenario.ratio_digits) for reference in scenario.references]
    if row["fault"]:
        return [row["title"], f"INVALID: {row['fault']}", "", "", "", *("" for _ in ratios)]
    return [row["title"], f"{row['cpu_us']:.1f} ({row['cpu_us_lowest']:.1f} to {row['cpu_us_highest']:.1f})",
            f"{row['requests_per_second']:.0f}", f"{row['p50_us']:.0f}", f"{row['p99_us']:.0f}", *ratios]


def _idle_cells(row):
    if row["fault"]:
        return [row["title"], f"INVALID: {row['fault']}", ""]
    name = "bytes_per_connection"
    return [row["title"], f"{row[name]:.0f} ({row[name + '_lowest']:.0f} to {row[name + '_highest']:.0f})",
            _ratio(row["ratio_nginx"])]


def _ratio(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def as_text(rows, scenarios, note):
    return "\n".join([_text(table) for table in _tables(rows, scenarios)] + [note])


def _text(table):
    lines = [list(table.columns)] + table.lines
    # A fault's text may be long; it runs over the columns to its right instead of widening its own.
    regular = [cells for cells in lines if all(cells)]
    widths = [max(len(cells[i]) for cells in regular) for i in range(len(table.columns))]
    widths[0] = max(len(cells[0]) for cells in lines)
    padded = ["  ".join([cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))])
              for cells in lines]
    return "\n".join([table.title, "", *(line.rstrip() for line in padded), ""])


def as_markdown(rows, scenarios, note):
    return "\n".join([_markdown(table) for table in _tables(rows, scenarios)] + [note])


def _markdown(table):
    lines = ["| " + " | ".join(table.columns) + " |", "| --- |" + " ---: |" * (len(table.columns) - 1)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
              for cells in table.lines]
    return "\n".join([f"{table.title}:", "", *lines, ""])


def as_json(rows, _scenarios, note):
    return json.dumps({"note": note, "rows": rows}, indent=2, ensure_ascii=False)


def note(options):
    """One line about the machine and the programs: a number without it means nothing."""
    congestion_control = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    parts = [f"CPU {_cpu_model()}", f"Linux {os.uname().release}", f"TCP {congestion_control}"]
    for name, command in (("nginx", ["nginx", "-v"]), ("HAProxy", ["haproxy", "-v"]), ("wrk", ["wrk", "-v"]),
                          ("OpenSSL", ["openssl", "version"])):
        parts.append(f"{name} {_version(command)}")
    gateway = pathlib.Path(options.build, "src/lotagate")
    if gateway.exists():
        parts.append(f"Lotagate {_version([gateway, 'version'])}")
    parts.append(f"interleaved rounds: {options.rounds} of {options.seconds} s, medians (lowest to highest); proxy, wrk "
                 "and backend share one core")
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
