"""The shape of the source as a test: which folder may include which, and the rules of style that a script can judge.

A rule takes a file's path (relative to the repository) and its text, and yields (line, reason) for every violation.
Each rule is proved on a small bad sample and on a good one before it is trusted with the tree.
"""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("src", "services", "bench")

# docs/architecture.md. A folder includes only folders of a lower level.
LEVELS = {
    "base": 0,
    "runtime": 1, "http": 1, "jose": 1,
    "tls": 2, "access": 2, "limit": 2, "route": 2, "upstream": 2, "telemetry": 2,
    "config": 3,
    "gateway": 4,
}
MAIN_LEVEL = 5
MAX_LINES = 600
HEAVY_HEADERS = ("openssl/", "simdjson", "yaml-cpp/", "curl/", "nghttp2/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(text):
    """(line number, '"' or '<', path) of every #include."""
    for number, line in enumerate(text.splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found[1], found[2]


def code_lines(text):
    """(line number, line without its // comment)."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, line.split("//")[0]


def layers(path, text):
    top, folder = path.parts[0], path.parts[1] if len(path.parts) > 2 else ""
    if top == "services":
        for number, _, name in includes(text):
            target = name.split("/")[0]
            if target in LEVELS and target != "base":
                yield number, f'services/ includes "{name}": the reference platform shares base/ with the gateway, nothing else'
    if top != "src":
        return
    if folder and folder not in LEVELS:
        yield 1, f"src/{folder}/ has no level: add it to docs/architecture.md and to LEVELS in tests/layers_test.py"
        return
    own_level = LEVELS[folder] if folder else MAIN_LEVEL
    for number, quote, name in includes(text):
        target = name.split("/")[0]
        if quote == '"' and target not in LEVELS:
            yield number, f'"{name}": write the path from src/ (folder/file.h), or <...> for a library'
        elif target in LEVELS and target != folder and LEVELS[target] >= own_level:
            yield number, (f'{folder or "main"}/ (level {own_level}) includes "{name}" (level {LEVELS[target]}): '
                           "a folder includes only folders of a lower level")


def file_length(path, text):
    count = len(text.splitlines())
    if count > MAX_LINES:
        yield MAX_LINES, f"{count} lines; a file does one thing in at most {MAX_LINES}"


def pragma_once(path, text):
    if path.suffix == ".h" and not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield 1, "a header begins with #pragma once"


def own_header_first(path, text):
    header = path.with_suffix(".h")
    if path.suffix != ".cc" or not (ROOT / header).exists():
        return
    first = next(includes(text), None)
    if first is None or pathlib.PurePath(first[2]).name != header.name:
        yield first[0] if first else 1, f"include {header.name} first: that proves the header stands alone"


def no_thread_local(path, text):
    for number, line in code_lines(text):
        if re.search(r"\bthread_local\b", line):
            yield number, "thread_local: state belongs to the worker that owns it"


def no_unfinished_work(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            yield number, "unfinished work belongs in an issue, not in a comment"


def heavy_headers(path, text):
    # test_*.h: helpers of unit tests, never part of the product. json_reader.h: templates over simdjson's types, for the
    # .cc files that read bodies.
    if path.suffix != ".h" or path.name.startswith("test_") or path.match("services/common/json_reader.h"):
        return
    for number, _, name in includes(text):
        if name.startswith(HEAVY_HEADERS):
            yield number, f"<{name}> in a header: keep it behind one .cc and declare forward"


def no_tabs(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line:
            yield number, "a tab; indent with spaces, write \\t in strings"


RULES = [layers, file_length, pragma_once, own_header_first, no_thread_local, no_unfinished_work, heavy_headers,
         no_tabs]


def source_files():
    return sorted(path for folder in SOURCE_FOLDERS for suffix in ("*.h", "*.cc")
                  for path in (ROOT / folder).rglob(suffix))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tree(rule):
    violations = []
    for path in source_files():
        relative = path.relative_to(ROOT)
        violations += [f"{relative}:{line}: {reason}" for line, reason in rule(relative, path.read_text())]
    assert not violations, "\n" + "\n".join(violations)


def test_tree_is_formatted():
    done = format_check(source_files())
    places = re.findall(r"^(\S+:\d+):\d+: error", done.stderr, re.MULTILINE)
    assert done.returncode == 0, "run clang-format-19 -i on these files:\n" + "\n".join(places)


def format_check(paths):
    try:
        return subprocess.run(["clang-format-19", "--dry-run", "-Werror", f"--style=file:{ROOT}/.clang-format",
                               *map(str, paths)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.fail("clang-format-19 is missing; scripts/setup installs it")


# (rule, path, text, line of the violation or None for a good sample). Paths need not exist, except where the rule
# looks for a neighbour: base/text.cc has a base/text.h.
SAMPLES = [
    (layers, "src/http/head.cc", '#include "runtime/loop.h"\n', 1),               # same level
    (layers, "src/limit/table.cc", '#include "base/hash.h"\n#include "config/config.h"\n', 2),  # upwards
    (layers, "src/limit/table.cc", '#  include "route/table.h"\n', 1),
    (layers, "src/limit/table.cc", "#include <gateway/exchange.h>\n", 1),         # angle brackets hide nothing
    (layers, "src/limit/table.cc", '#include "table.h"\n', 1),                    # not from src/
    (layers, "src/misc/a.cc", "", 1),                                             # a folder without a level
    (layers, "src/base/text.cc", '#include "http/head.h"\n', 1),
    (layers, "services/users/main.cc", '#include "jose/jws.h"\n', 1),
    (layers, "src/limit/table.cc", '#include "limit/table.h"\n#include <vector>\n#include "http/fields.h"\n', None),
    (layers, "src/main.cc", '#include "gateway/gateway.h"\n#include "config/config.h"\n', None),
    (layers, "services/users/main.cc", '#include "base/text.h"\n#include "users/store.h"\n', None),
    (file_length, "src/base/a.cc", "int x;\n" * (MAX_LINES + 1), MAX_LINES),
    (file_length, "src/base/a.cc", "int x;\n" * MAX_LINES, None),
    (pragma_once, "src/base/a.h", "#ifndef A_H\n#define A_H\n#endif\n", 1),
    (pragma_once, "src/base/a.h", "// What it is.\n#pragma once\n", None),
    (pragma_once, "src/base/a.cc", "int x;\n", None),
    (own_header_first, "src/base/text.cc", '#include <string>\n#include "base/text.h"\n', 1),
    (own_header_first, "src/base/text.cc", "int x;\n", 1),
    (own_header_first, "src/base/text.cc", '// Why.\n#include "base/text.h"\n\n#include <string>\n', None),
    (own_header_first, "src/base/no_such_header.cc", "#include <string>\n", None),
    (no_thread_local, "src/base/a.cc", "int y;\nstatic thread_local int x;\n", 2),
    (no_thread_local, "src/base/a.cc", "int x;  // not thread_local: the worker owns it\n", None),
    (no_unfinished_work, "src/base/a.cc", "int x;  // TODO: later\n", 1),
    (no_unfinished_work, "src/base/a.cc", "/* FIXME */\n", 1),
    (no_unfinished_work, "src/base/a.cc", 'auto greek = "TODOS";\n', None),
    (heavy_headers, "src/jose/a.h", "#pragma once\n#include <openssl/evp.h>\n", 2),
    (heavy_headers, "src/jose/a.h", "#include <simdjson.h>\n", 1),
    (heavy_headers, "src/jose/a.cc", "#include <openssl/evp.h>\n", None),
    (heavy_headers, "src/jose/test_keys.h", "#include <openssl/evp.h>\n", None),
    (no_tabs, "src/base/a.cc", "int f() {\n\treturn 1;\n}\n", 2),
    (no_tabs, "src/base/a.cc", 'auto tab = "\\t";\n', None),
]


@pytest.mark.parametrize("rule, path, text, line", SAMPLES,
                         ids=[f"{rule.__name__}-{i}" for i, (rule, *_) in enumerate(SAMPLES)])
def test_rule_on_sample(rule, path, text, line):
    found = [number for number, _ in rule(pathlib.PurePosixPath(path), text)]
    assert found == ([] if line is None else [line])


def test_every_rule_has_a_bad_and_a_good_sample():
    for rule in RULES:
        lines = [line for sampled, _, _, line in SAMPLES if sampled is rule]
        assert None in lines and any(lines), f"{rule.__name__} is not proved"


def test_format_check_on_sample(tmp_path):
    bad, good = tmp_path / "bad.cc", tmp_path / "good.cc"
    bad.write_text("int  f( ){return 1 ;}\n")
    good.write_text("int f() { return 1; }\n")
    assert format_check([good]).returncode == 0
    done = format_check([good, bad])
    assert done.returncode != 0 and "bad.cc:1" in done.stderr
