"""A strict reader of the Prometheus text format 0.0.4."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_COMMENT = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.+)")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


@dataclass
class Scrape:
    """What one scrape says: types by family, and (name, labels, value) in order."""

    types: dict = field(default_factory=dict)
    samples: list = field(default_factory=list)

    def find(self, name, **labels):
        """The samples of a name that carry all the labels given, as (labels, value)."""
        return [(have, value) for key, have, value in self.samples
                if key == name and all(have.get(label) == want for label, want in labels.items())]

    def sum(self, name, **labels):
        return sum(value for _, value in self.find(name, **labels))

    def series(self):
        """Every series, without its value."""
        return {(name, tuple(sorted(labels.items()))) for name, labels, _ in self.samples}


def _labels(text):
    labels, position = {}, 0
    while position < len(text):
        match = _LABEL.match(text, position)
        assert match, f"bad labels: {text!r}"
        assert match[1] not in labels, f"label {match[1]} twice: {text!r}"
        labels[match[1]] = match[2]
        position = match.end()
    return labels


def _family(name, types):
    for suffix in ("_bucket", "_sum", "_count"):
        base = name[: -len(suffix)] if name.endswith(suffix) else None
        if base and types.get(base) in ("histogram", "summary"):
            return base
    return name


def parse(text):
    """Parses and checks a whole scrape."""
    assert text.endswith("\n"), "the last line has no end"
    scrape, closed, current = Scrape(), set(), None
    for line in text.split("\n")[:-1]:
        assert line, "an empty line"
        if line.startswith("#"):
            kind, name, rest = _comment(line)
            if kind == "TYPE":
                assert rest in _TYPES and name not in scrape.types, line
                scrape.types[name] = rest
            family = name
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, f"bad sample: {line!r}"
            scrape.samples.append((match[1], _labels(match[2] or ""), float(match[3])))
            family = _family(match[1], scrape.types)
            assert family in scrape.types, f"a sample before its TYPE: {line!r}"
        if family != current:
            assert family not in closed, f"the lines of {family} are not together"
            closed.add(current)
            current = family
    _check_unique(scrape)
    _check_histograms(scrape)
    return scrape


def _comment(line):
    match = _COMMENT.fullmatch(line)
    assert match, f"bad comment: {line!r}"
    return match[1], match[2], match[3]


def _check_unique(scrape):
    assert len(scrape.series()) == len(scrape.samples), "a series came twice"


def _check_histograms(scrape):
    for name, kind in scrape.types.items():
        if kind != "histogram":
            continue
        groups = defaultdict(list)
        for labels, value in scrape.find(name + "_bucket"):
            rest = tuple(sorted((key, text) for key, text in labels.items() if key != "le"))
            groups[rest].append((float(labels["le"]), value))
        for rest, buckets in groups.items():
            assert buckets == sorted(buckets), f"{name}{rest}: buckets out of order"
            assert [count for _, count in buckets] == sorted(count for _, count in buckets), f"{name}{rest}: not cumulative"
            assert buckets[-1][0] == float("inf"), f"{name}{rest}: no +Inf bucket"
            assert scrape.find(name + "_count", **dict(rest))[0][1] == buckets[-1][1], f"{name}{rest}: count differs"
