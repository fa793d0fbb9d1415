#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions of the typed scan for each byte: counted, not timed, so the same on a busy machine.

    cost.py          count, and compare with .ci/costs; exit 1 where a row costs more than a tenth more
    cost.py keep     count, and write what was counted to .ci/costs

Builds the example of extras/scan and runs it under valgrind, which is installed where it is missing.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COSTS = ROOT / ".ci" / "costs"
WORSE_MAX = 1.10
# valgrind knows no AVX-512; the way that counts where the processor has it is the one before.
WAYS = ["avx2", "avx2-seeing", "portable", "portable-seeing"]
LOGS = ["usual", "rare"]


def main():
    if sys.argv[1:] not in ([], ["keep"]):
        sys.exit(__doc__)
    install()
    program = build()
    has = set(run([program, "--list"]).split())
    counted = {}
    for way in WAYS:
        if way.split("-")[0] not in has:
            sys.exit(f"this processor has no {way.split('-')[0]}: its rows cannot be counted")
        for log in LOGS:
            counted[way, log] = count(program, way, log)
    if sys.argv[1:] == ["keep"]:
        comments = [line for line in COSTS.read_text().splitlines() if line.startswith("#")]
        rows = [f"{way:<17}{log:<8}{cost:.3f}" for (way, log), cost in counted.items()]
        COSTS.write_text("\n".join(comments + rows) + "\n")
        return 0
    return compare(counted, kept())


def install():
    if shutil.which("valgrind"):
        return
    print("installing: valgrind", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    # libc6-dbg: valgrind replaces functions of the C library, which it finds by their names.
    names = ["valgrind", "libc6-dbg"]
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names], check=True, env=quiet)


def build():
    manifest = ROOT / "extras" / "scan" / "Cargo.toml"
    words = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest), "--example", "cost"]
    subprocess.run(words, check=True)
    target = os.environ.get("CARGO_TARGET_DIR") or ROOT / "extras" / "scan" / "target"
    return str(pathlib.Path(target) / "release" / "examples" / "cost")


def run(words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def count(program, way, log):
    """Instructions for each byte of one scan, with what is called from it."""
    words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured_scan*"]
    ran = subprocess.run([*words, program, way, log], capture_output=True, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", ran.stderr)
    scanned = re.match(r"(\d+) bytes, (\d+) hits, (\d+) seen", ran.stdout)
    if ran.returncode != 0 or not collected or not scanned:
        sys.exit(f"{way} {log} was not counted:\n{ran.stdout}\n{ran.stderr}")
    instructions, (scanned_bytes, hits, seen) = int(collected[1]), map(int, scanned.groups())
    # A scan that finds nothing, or that was not caught by its name, is cheap.
    if not hits or bool(seen) != way.endswith("-seeing") or instructions < scanned_bytes / 4:
        sys.exit(f"{way} {log} is no scan: {ran.stdout}{instructions} instructions")
    return instructions / scanned_bytes


def kept():
    rows = (line.split() for line in COSTS.read_text().splitlines() if line and not line.startswith("#"))
    return {(way, log): float(cost) for way, log, cost in rows}


def compare(counted, kept_costs):
    print(f"{'way':<17}{'log':<8}{'instructions/byte':>18}{'kept':>9}  verdict")
    failed = 0
    for row, cost in counted.items():
        before = kept_costs.get(row)
        verdict = "has no line in .ci/costs" if before is None else f"{cost / before - 1:+.1%}"
        bad = before is None or cost > before * WORSE_MAX
        failed += bad
        print(f"{row[0]:<17}{row[1]:<8}{cost:>18.3f}{'-' if before is None else f'{before:.3f}':>9}  {verdict}{', more than a tenth' if bad and before else ''}")
    for row in set(kept_costs) - set(counted):
        print(f"{' '.join(row)} was not counted")
        failed += 1
    if failed:
        print("the scan costs more; if that is meant, keep it with `python3 .ci/cost.py keep` and say why in the commit")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
