# SPDX-License-Identifier: Apache-2.0
"""STIX patterns as the technical committee's matcher sees them: its own tests, with `polder pattern test` as the
matcher.

The wheel of stix2-matcher ships its tests. Each of their functions asks `match` about patterns and observations
of its module and says what must come of it; here `match` is ours. Nothing of them is copied.

POLDER_BIN  the program.
"""

import importlib
import inspect
import itertools
import json
import os
import pathlib
import pkgutil
import subprocess
import tempfile

import pytest
import stix2matcher.test
from stix2matcher.matcher import MatcherException
from stix2patterns.pattern import ParseException

# Tests of functions inside the other matcher.
INTERNAL = {"test_overlap", "test_intervals_within_match", "test_intervals_within_nomatch"}
ROWS_MIN = 842


def ours(pattern, observed, verbose=False, stix_version="2.0"):
    """What the matcher's `match` answers: the objects that match, in the order in which they were given."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "observed.json")
        file.write_text(json.dumps(observed), encoding="utf-8")
        run = subprocess.run(
            [os.environ["POLDER_BIN"], "pattern", "test", "-", file, "--spec", stix_version, "--json"],
            input=pattern.encode(), capture_output=True, timeout=60, check=False,
        )
    assert run.returncode in (0, 1, 2), run.stderr
    answer = json.loads(run.stdout)
    assert run.returncode == {"match": 0, "no match": 1}.get(answer["verdict"], 2)
    if answer["verdict"] == "invalid":
        raise ParseException(answer["message"])
    if answer["verdict"] == "error":
        raise MatcherException(answer["message"])
    if stix_version == "2.0":
        return [observed[found["index"]] for found in answer["matched"]]
    return [{"objects": [{"id": found["id"]}]} for found in answer["matched"]]


def values_of(mark):
    """The arguments of one parametrize mark."""
    names = mark.args[0]
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for value in mark.args[1]:
        yield dict(zip(names, value if len(names) > 1 else [value]))


def rows():
    """All tests of the wheel that ask `match`, one by one."""
    for found in pkgutil.walk_packages(stix2matcher.test.__path__, "stix2matcher.test."):
        if found.ispkg:
            continue
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.startswith("test_") or name in INTERNAL or function.__module__ != found.name:
                continue
            marks = [m for m in getattr(function, "pytestmark", []) if m.name == "parametrize"]
            for nth, parts in enumerate(itertools.product(*map(values_of, marks))):
                arguments = {key: value for part in parts for key, value in part.items()}
                yield pytest.param(module, name, arguments, id=f"{found.name.split('.', 2)[2]}.{name}-{nth}")


ROWS = list(rows())


def test_all_rows_are_there():
    assert len(ROWS) >= ROWS_MIN


@pytest.mark.parametrize("module,name,arguments", ROWS)
def test_the_verdict_is_the_committees(module, name, arguments, monkeypatch):
    monkeypatch.setattr(module, "match", ours)
    getattr(module, name)(**arguments)
