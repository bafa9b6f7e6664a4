"""docs/security.md as a test: every row has tests that carry its name, and every such test is named there."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "security.md"
BLACKBOX = ROOT / "tests" / "blackbox"

# Group: the numbers of its first and last row.
GROUPS = {"F": (1, 20), "L": (1, 15), "N": (1, 10), "P": (1, 13), "I": (1, 6), "J": (1, 19), "K": (1, 7), "R": (1, 8), "S": (2, 8), "U": (1, 4)}

_ROW = re.compile(r"^\| ([A-Z]\d\d) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_QUOTED = re.compile(r"`([^`]+)`")
_ROWS_OF_A_TEST = re.compile(r"test_((?:[A-Z]\d\d_)+)")


def rows_of(name):
    """test_P02_P03_x: P02 and P03."""
    found = _ROWS_OF_A_TEST.match(name)
    return found[1].strip("_").split("_") if found else []


def required_rows():
    return [f"{group}{number:02}" for group, (first, last) in GROUPS.items() for number in range(first, last + 1)]


def collect(directory):
    """File name: the names of its test functions."""
    found = {}
    for path in sorted(directory.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
        found[path.name] = [name for name in functions if name.startswith("test_")]
    return found


def named_tests(column):
    """(file, test) of everything in quotes; a file's name holds for the tests behind it."""
    file = None
    for quoted in _QUOTED.findall(column):
        if quoted.endswith(".py"):
            file = quoted
        else:
            yield file, quoted


def violations(document, tests, required):
    """What is wrong with the map, one line each."""
    mapped = {}
    for row, _, _, column in _ROW.findall(document):
        if row in mapped:
            yield f"{row} has two rows"
        mapped[row] = list(named_tests(column))
    for row in required:
        if row not in mapped:
            yield f"{row} is not in the map"
        elif not any(row in rows_of(name) for _, name in mapped[row]):
            yield f"{row} has no test that carries its name"
    for row, named in mapped.items():
        for file, name in named:
            if name not in tests.get(file, []):
                yield f"{row}: there is no {name} in {file}"
    for file, names in tests.items():
        for name in names:
            for row in rows_of(name):
                if (file, name) not in mapped.get(row, []):
                    yield f"{row}: {file} has {name}, the map has not"


def test_the_map_is_whole():
    found = list(violations(DOCUMENT.read_text(encoding="utf-8"), collect(BLACKBOX), required_rows()))
    assert not found, "\n" + "\n".join(found)


TESTS = {"test_a.py": ["test_F01_x", "test_F02_y", "test_other"], "test_b.py": ["test_F01_F02_z"]}
GOOD = """
| F01 | in | out | `test_a.py`: `test_F01_x`, `test_other`; `test_b.py`: `test_F01_F02_z` |
| F02 | in | out | `test_a.py`: `test_F02_y`; `test_b.py`: `test_F01_F02_z` |
"""


@pytest.mark.parametrize("old,new,word", [
    ("| F02 | in", "F02", "F02 is not in the map"),
    ("| F02 |", "| F01 |", "two rows"),
    ("`test_a.py`: `test_F02_y`; `test_b.py`: `test_F01_F02_z`", "`test_a.py`: `test_other`", "no test that carries"),
    ("`test_other`", "`test_gone`", "no test_gone"),
    ("`test_F02_y`; `test_b.py`", "`test_F02_y`; `test_c.py`", "no test_F01_F02_z in test_c.py"),
    ("`test_F01_x`, ", "", "the map has not"),
    ("; `test_b.py`: `test_F01_F02_z` |\n| F02", " |\n| F02", "F01: test_b.py has test_F01_F02_z"),
])
def test_the_check_on_bad_samples(old, new, word):
    assert old in GOOD
    found = list(violations(GOOD.replace(old, new), TESTS, ["F01", "F02"]))
    assert any(word in line for line in found), found


def test_the_check_on_a_good_sample():
    assert not list(violations(GOOD, TESTS, ["F01", "F02"]))


def test_a_row_that_nobody_requires_still_needs_its_tests():
    found = list(violations(GOOD + "| S01 | in | out | `test_a.py`: `test_gone` |\n", TESTS, ["F01", "F02"]))
    assert found == ["S01: there is no test_gone in test_a.py"]
