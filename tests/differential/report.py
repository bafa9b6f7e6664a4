"""The report: what differed, what servers refused by themselves, and how much they disagree without the gateway."""

import collections
from dataclasses import dataclass, field

from differential import expected
from differential.cases import Refused
from differential.judge import Difference


@dataclass
class Column:
    """The result of one server; `error` if it could not be run."""

    name: str
    verdicts: dict = field(default_factory=dict)  # by the case's key
    readings: dict = field(default_factory=dict)
    seconds: float = 0
    direct_seconds: float = 0
    error: str = ""


@dataclass
class Summary:
    """What is left once the rules of expected.py have been applied. `used` counts per rule."""

    differences: list
    used: collections.Counter
    stale: list


def progress(column, done, total):
    if column.error:
        return f"[{done}/{total}] {column.name}: {column.error}"
    found = sum(len(verdict.differences) for verdict in column.verdicts.values())
    direct = f", {column.direct_seconds:.0f} s without the gateway" if column.readings else ""
    spent = f"{len(column.verdicts)} cases in {column.seconds:.0f} s{direct}"
    return f"[{done}/{total}] {column.name}: {spent}; {found} findings"


def summarize(options, columns):
    used, left = collections.Counter(), []
    for column in columns:
        for verdict in column.verdicts.values():
            for found in verdict.differences:
                rule = expected.find(expected.READINGS, column.name, found.case, (found.expected, found.found))
                used[rule] += 1
                left += [found] if rule is None else []
            for refusal in verdict.refusals:
                rule = expected.find(expected.REFUSALS, column.name, refusal.case, refusal.request)
                used[rule] += 1
                if rule is None:
                    left.append(Difference(refusal.case, column.name, refusal.request,
                                           f"one request, refused with {refusal.status}: "
                                           "not in expected.py"))
    left += _unequal_outcomes(options.corpus, columns)
    stale = [rule for rule in (*expected.REFUSALS, *expected.READINGS) if not used[rule] and _is_whole(options, columns,
        rule)]
    return Summary(left, used, stale)


def _is_whole(options, columns, rule):
    """Whether a rule had every chance to match: its server ran, with the whole corpus."""
    ran = any(column.name == rule.server and not column.error for column in columns)
    return ran and options.cases == "*" and (options.seed, options.mutations) == options.defaults


def _unequal_outcomes(corpus, columns):
    """The gateway decides by the request alone: what it refuses and forwards is the same whoever stands behind it."""
    ran = [column for column in columns if not column.error]
    for case in corpus:
        outcomes = {column.verdicts[case.key].outcome: column.name for column in ran if case.key in column.verdicts}
        if len(outcomes) > 1:
            first, second, *_ = outcomes.items()
            yield Difference(case.key, f"{first[1]}, {second[1]}", f"the same for all: {first[0]}", str(second[0]))


def write(options, columns, seconds):
    summary = summarize(options, columns)
    lines = []
    if summary.differences:
        lines += ["", "DIFFERENCES", *_table([("request", "server", "expected", "found"), *_rows(summary.differences)])]
    if summary.stale:
        lines += ["", "RULES IN expected.py THAT NOTHING MATCHES",
                  *(f"  {rule.server}: {rule.pattern}" for rule in summary.stale)]
    rules = [rule for rule in (*expected.REFUSALS, *expected.READINGS) if summary.used[rule]]
    if rules:
        lines += ["", "Known of servers (expected.py):"]
        lines += [f"  {rule.server}, {summary.used[rule]} times: {rule.reason}" for rule in rules]
    lines += ["", *_direct_lines(options.corpus, columns)]
    broken = [column for column in columns if column.error]
    lines += [f"NOT RUN {column.name}: {column.error}" for column in broken]
    ran = len(columns) - len(broken)
    comparisons = sum(len(column.verdicts) for column in columns)
    lines.append(f"{len(options.corpus)} cases, {ran} servers, {comparisons} comparisons, {seconds:.0f} s: "
                 f"{len(summary.differences)} differences")
    return "\n".join(lines).lstrip("\n")


def status(options, columns):
    summary = summarize(options, columns)
    if summary.differences or summary.stale:
        return 1
    return 3 if any(column.error for column in columns) else 0


def _rows(differences):
    limit = 40
    for found in differences[:limit]:
        yield (found.case, found.server, found.expected, found.found)
    if len(differences) > limit:
        yield (f"and {len(differences) - limit} more", "", "", "")


def _table(rows, widest=110):
    cells = [[cell if len(cell) <= widest else cell[: widest - 3] + "..." for cell in map(str, row)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def _direct_lines(corpus, columns):
    """How often servers disagree when nobody stands in front of them."""
    ran = [column for column in columns if column.readings]
    if len(ran) < 2:
        return []
    lines = [f"Without the gateway, the same bytes sent to the {len(ran)} servers themselves:"]
    groups = collections.defaultdict(list)
    for case in corpus:
        if case.is_early:
            continue
        groups[_kind(case)].append(case)
    for kind, cases in sorted(groups.items()):
        views = [[column.readings[case.key] for column in ran] for case in cases]
        differ = sum(len(set(map(_accepted, view))) > 1 for view in views)
        conflict = sum(len({_accepted(words) for words in view if _accepts(words)}) > 1 for view in views)
        lines.append(f"  of {len(cases)} {kind} they disagree on {differ}; "
                     f"on {conflict}, two accept it and read something different")
    return lines


def _kind(case):
    if case.steps is None:
        return "mutations"
    refused = any(isinstance(step, Refused) for step in case.steps)
    return "requests that the gateway refuses" if refused else "requests that it forwards or answers"


def _accepts(words):
    return bool(words) and words[0] != "refused"


def _accepted(words):
    return tuple(word for word in words if word != "refused")
