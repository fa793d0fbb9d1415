#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of floors: which suites ran, how many cases each, and whether that is enough.

    table.py show OUT     print the table of a run; exit 1 if anything is missing or failed
    table.py raise OUT    lift the floors in .ci/floors to what a good run counted; never lowers one
    table.py skips OUT    run tests that only print that they skip, and keep what they say

OUT is the folder in which .ci/run keeps what a run left: binaries.json, tests.log, yara.log, arm.log, outside.xml,
mutants, tour, steps, skips.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLOORS = ROOT / ".ci" / "floors"
MINUTES_MAX = 45
# A failing suite explains why its step failed; then the step is not counted again.
SUITES_OF_STEP = {"tests": ("/unit", "/it", "/doc", "postgresql"), "outside": ("outside",), "mutants": ("mutants",), "tour": ("tour",), "yara": ("yara",), "arm": ("arm",)}


class Suite:
    """What became of the cases of one suite."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.died = False

    def add(self, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("show", "raise", "skips"):
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[2])
    sys.exit({"show": show, "raise": raise_floors, "skips": skips}[sys.argv[1]](out))


def show(out):
    suites, floors = count(out), read_floors()
    names = list(floors) + sorted(set(suites) - set(floors))
    width = max(map(len, names), default=0) + 2
    passed = failed = 0
    faulty = []
    print(f"\n=== table of floors\n{'suite':<{width}}{'cases':>7}{'minimum':>9}  verdict")
    for name in names:
        suite, floor = suites.get(name), floors.get(name)
        faults = judge(suite, floor)
        passed += suite.passed if suite else 0
        failed += max(suite.failed if suite else 0, bool(faults))
        faulty += [name] if faults else []
        cases = suite.passed + suite.failed if suite else 0
        print(f"{name:<{width}}{cases:>7}{'-' if floor is None else floor:>9}  {'; '.join(faults) or 'ok'}")

    lines = read_skips(out)
    if lines and os.environ.get("CI") and os.environ.get("SHARED"):
        print("\nwith CI set and the shared data present nothing may be skipped:")
        failed += len(lines)
    elif lines:
        print("\nskipped:")
    for line in lines:
        print(f"  {line}")

    print("\ntime by step, in seconds:")
    total = 0
    for name, verdict, seconds in read_rows(out / "steps"):
        print(f"  {name:<10}{seconds:>6}  {verdict}")
        total += int(seconds)
        told = any(suite.endswith(SUITES_OF_STEP.get(name, ())) for suite in faulty)
        failed += verdict != "ok" and not told
    print(f"  {'all':<10}{total:>6}  {'ok' if total <= MINUTES_MAX * 60 else f'more than {MINUTES_MAX} minutes: make it faster'}")
    if failed == 0 and any(suites[name].passed > floors[name] for name in names):
        print("\nsuites have grown: lift their floors with `python3 .ci/table.py raise OUT`, OUT being", out.name, "in the cache")
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def judge(suite, floor):
    if suite is None:
        return ["did not run"]
    faults = []
    if suite.failed:
        faults.append(f"{suite.failed} failed")
    if suite.died:
        faults.append("ended before its result")
    if suite.skipped:
        faults.append(f"{suite.skipped} skipped or ignored")
    if floor is None:
        faults.append("has no line in .ci/floors")
    elif suite.passed + suite.failed < floor:
        faults.append("below the minimum")
    return faults


def raise_floors(out):
    suites, floors = count(out), read_floors()
    comments = [line for line in FLOORS.read_text().splitlines() if line.startswith("#")]
    for name, suite in suites.items():
        floors[name] = max(floors.get(name, 0), suite.passed)
    width = max(map(len, floors)) + 2
    rows = [f"{name:<{width}}{floor}" for name, floor in sorted(floors.items())]
    FLOORS.write_text("\n".join(comments + rows) + "\n")
    return 0


def read_floors():
    rows = (line.split() for line in FLOORS.read_text().splitlines() if line and not line.startswith("#"))
    return {name: int(floor) for name, floor in rows}


def count(out):
    suites = count_cargo(out)
    if on_server := count_on_server(out):
        suites["postgresql"] = on_server
    for name in ("yara", "arm"):
        if apart := count_apart(out / f"{name}.log"):
            suites[name] = apart
    if (out / "outside.xml").exists():
        outside = suites["outside"] = Suite()
        for case in xml.parse(out / "outside.xml").getroot().iter("testcase"):
            failed = case.find("failure") is not None or case.find("error") is not None
            skipped = case.find("skipped") is not None
            outside.add(not failed and not skipped, failed, skipped)
    for name in ("mutants", "tour"):
        for row in read_rows(out / name):
            good = row[1].startswith("caught") or row[1] == "ok"
            suites.setdefault(name, Suite()).add(good, not good, 0)
    return suites


def count_cargo(out):
    """Counts by crate: `unit` tests beside the code, `it` in tests/it, `doc` examples in comments."""
    suites, names, suite = {}, {name: suite for name, suite, _ in binaries(out)}, None
    for line in read_lines(out / "tests.log"):
        if found := re.match(r" +Running .*\((.*)\)$", line):
            suite = names.get(pathlib.Path(found[1]).name, f"unknown/{pathlib.Path(found[1]).name}")
        elif found := re.match(r" +Doc-tests (\S+)$", line):
            suite = f"{found[1]}/doc"
        if found and suite:
            # Until its result is read.
            suites.setdefault(suite, Suite()).died = True
        elif found := re.match(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;", line):
            if suite:
                suites.setdefault(suite, Suite()).add(*map(int, found.groups()))
                suites[suite].died = False
    empty = [name for name, suite in suites.items() if not (suite.passed or suite.failed or suite.skipped or suite.died)]
    for name in empty:
        del suites[name]
    return suites


def count_on_server(out):
    """Tests of the suites above that need a PostgreSQL server: one that was skipped counts as passed there."""
    cases = [re.match(r"test \S*(?:postgresql|tls::)\S* \.\.\. (ok|FAILED)$", line) for line in read_lines(out / "tests.log")]
    verdicts = [found[1] for found in cases if found]
    if not verdicts:
        return None
    suite, skipped = Suite(), sum("POLDER_TEST_POSTGRES" in line for line in read_skips(out))
    suite.add(verdicts.count("ok") - skipped, verdicts.count("FAILED"), skipped)
    return suite


def count_apart(log):
    """All that a part of extras tests, in one suite: its workspace is another, so `binaries` does not know it."""
    lines = read_lines(log)
    begun = sum(bool(re.match(r" +(Running|Doc-tests) ", line)) for line in lines)
    results = [re.match(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;", line) for line in lines]
    results = [found for found in results if found]
    if not begun:
        return None
    suite = Suite()
    for found in results:
        suite.add(*map(int, found.groups()))
    suite.died = len(results) < begun
    return suite


def binaries(out):
    """File name, suite and path of each test binary, as cargo named them."""
    for line in read_lines(out / "binaries.json"):
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            crate = pathlib.Path(message["manifest_path"]).parent.name
            kind = message["target"]["kind"][0]
            suite = f"{crate}/{message['target']['name'] if kind == 'test' else 'unit'}"
            path = pathlib.Path(message["executable"])
            yield path.name, suite, path


def skips(out):
    """A test that prints `skipped: …` and does not know POLDER_SKIPS is asked again where it can be heard."""
    paths = {suite: path for _, suite, path in binaries(out)}
    heard = set()
    for source in sorted(ROOT.glob("crates/*/tests/it/**/*.rs")):
        text = source.read_text()
        if not re.search(r'println!\(\s*"(?i:skipped):', text) or "POLDER_SKIPS" in text:
            continue
        folder = ROOT / "crates" / source.relative_to(ROOT / "crates").parts[0]
        module = "::".join(source.relative_to(folder / "tests" / "it").with_suffix("").parts)
        binary = paths.get(f"{folder.name}/it")
        if binary is None:
            continue
        words = [binary, module + "::", "--nocapture", "--test-threads=1"]
        asked = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        lines = (asked.stdout + asked.stderr).splitlines()
        heard.update(f"{folder.name}/{module}: {line}" for line in lines if re.match(r"(?i)skipped:", line))
    with open(out / "skips", "a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in sorted(heard))
    return 0


def read_skips(out):
    return sorted({line for line in read_lines(out / "skips") if line.strip()})


def read_rows(path):
    return [line.split("\t") for line in read_lines(path) if line]


def read_lines(path):
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
