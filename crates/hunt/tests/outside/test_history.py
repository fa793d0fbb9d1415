# SPDX-License-Identifier: Apache-2.0
"""The history as DuckDB reads it: plain Parquet, and the same answers as `polder seen`.

    POLDER_BIN=target/release/polder python -m pytest crates/hunt/tests/outside
"""

import datetime
import json
import os
import pathlib
import random
import subprocess

import duckdb
import pytest

POLDER = os.environ.get("POLDER_BIN", "target/release/polder")
GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "history-1" / "run.parquet"
DAY = 86_400


def polder(folder, *args, code=0):
    """Runs polder in a folder; answers what it printed."""
    binary = str(pathlib.Path(POLDER).resolve())
    ran = subprocess.run([binary, *args], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == code, f"{args}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def mapped(address):
    """The canonical bytes of an IPv4 address."""
    return bytes(10) + b"\xff\xff" + bytes(int(part) for part in address.split("."))


def reversed_name(name):
    return ".".join(reversed(name.split("."))).encode()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node that hunted twelve logs of four months, and what they held by our own count."""
    folder = tmp_path_factory.mktemp("node")
    seed = random.Random(20190203)
    polder(folder, "init", "--data", "d", "--name", "Zuiderlicht", "--country", "NL", "--sector", "semiconductors")
    (folder / "logs").mkdir()
    held = {}
    start = int(datetime.datetime(2019, 1, 20, tzinfo=datetime.timezone.utc).timestamp())
    for file in range(12):
        lines = []
        for _ in range(3_000):
            second = start + seed.randrange(90 * DAY)
            address = f"198.51.{seed.randrange(100)}.{seed.randrange(1, 255)}"
            name = f"h{seed.randrange(2_000)}.example.org"
            told = datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.append(f"{told} {address} asked for {name}\n")
            for key in ((1, mapped(address)), (3, reversed_name(name))):
                held.setdefault(key, []).append((second, file))
        (folder / "logs" / f"{file}.log").write_text("".join(lines))
    polder(folder, "hunt", "--data", "d", "logs", code=1)
    return folder, held


def check(folder, held):
    """Every value, its count, first, last and files, as DuckDB sums them up over all runs."""
    rows = duckdb.sql(
        f"""SELECT kind, value, sum(count) AS count, min(first) AS first, max(first + lasted) AS last,
                   list_sort(list_distinct(flatten(list(sources)))) AS files
            FROM '{folder}/d/history/*.parquet' GROUP BY kind, value"""
    ).fetchall()
    got = {(kind, bytes(value)): (count, first, last, len(files)) for kind, value, count, first, last, files in rows}
    expected = {
        key: (len(all_), min(s for s, _ in all_), max(s for s, _ in all_), len({f for _, f in all_}))
        for key, all_ in held.items()
    }
    assert got == expected


def test_duckdb_reads_what_was_hunted(node):
    folder, held = node
    check(folder, held)
    polder(folder, "history", "tidy", "--data", "d")
    check(folder, held)


def test_days_are_a_bitmap_of_the_month(node):
    folder, held = node
    # The macro of docs/history.md.
    duckdb.sql(
        """CREATE OR REPLACE TEMP MACRO days(first, lasted, between_days) AS
           bit_count(between_days) + CASE WHEN (first + lasted) // 86400 = first // 86400 THEN 1 ELSE 2 END"""
    )
    rows = duckdb.sql(
        f"""SELECT kind, value, sum(days(first, lasted, days_between)) FROM '{folder}/d/history/*.parquet'
            GROUP BY kind, value"""
    ).fetchall()
    got = {(kind, bytes(value)): int(days) for kind, value, days in rows}
    polder(folder, "history", "tidy", "--data", "d")
    assert got == {key: len({second // DAY for second, _ in all_}) for key, all_ in held.items()}


def test_seen_and_duckdb_agree(node):
    folder, held = node
    names = [key for key in held if key[0] == 3][:20]
    for kind, value in names:
        name = ".".join(reversed(value.decode().split(".")))
        seen = json.loads(polder(folder, "seen", "--data", "d", name, "--json"))
        all_ = held[(kind, value)]
        assert (seen["count"], seen["days"]) == (len(all_), len({second // DAY for second, _ in all_}))
        assert len(seen["sources"]) == len({file for _, file in all_})


def test_runs_are_sorted_and_of_one_month(node):
    folder, _ = node
    for run in sorted((folder / "d" / "history").glob("*.parquet")):
        rows = duckdb.sql(f"SELECT kind, value, first, lasted FROM read_parquet('{run}', file_row_number=true) ORDER BY file_row_number").fetchall()
        keys = [(kind, bytes(value)) for kind, value, _, _ in rows]
        assert keys == sorted(set(keys)), "sorted, each key once"
        meta = dict(duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{run}')").fetchall())
        months = {
            datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m")
            for _, _, first, lasted in rows
            for second in (first, first + lasted)
        }
        assert (months, meta["polder.history"]) == ({meta["polder.month"]}, "1")


def test_the_golden_run_is_plain_parquet():
    rows = duckdb.sql(f"SELECT kind, value, first, lasted, count, days_between, flags, sources FROM '{GOLDEN}'").fetchall()
    assert len(rows) == 6
    first = rows[0]
    assert (first[0], bytes(first[1]), first[4], first[7]) == (1, mapped("192.0.2.1"), 1, [1])
    assert (rows[1][5], rows[1][6], rows[1][7]) == (1 << 9, 1, [1, 2, 40])
    assert rows[4][4] == 2**64 - 1
    assert [row[7] is None for row in rows].count(True) == 1, "too many files to name"
