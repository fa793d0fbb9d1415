# SPDX-License-Identifier: Apache-2.0
"""TAXII 2.1 as other people's programs see it: taxii2-client, stix2 and stix2-validator against `polder serve`.

POLDER_BIN  the program; SHARED  the folder with data/attack; FULL=1 validates every object, not a sample.
"""

import collections
import contextlib
import ctypes
import ctypes.util
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import uuid

import pytest
import requests
import stix2
from stix2validator import ValidationOptions, validate_instance
from taxii2client.v21 import Server, as_pages

TAXII = "application/taxii+json;version=2.1"
FIRST, LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"
TLP2 = {
    "CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
TLP1 = {
    "WHITE": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
UNKNOWN = "marking-definition--11111111-2222-4333-8444-555555555555"
ATTACK_OBJECTS = 24771
SAMPLE_OF_TYPE = 60
# Marks hidden objects: whatever part of one shows up anywhere is found by it.
SECRET = "zqsecret"


# The program ---------------------------------------------------------------------------------------------


def polder(*args, check=True):
    """Runs the program; the last line of its output as JSON, where it is JSON."""
    run = subprocess.run(
        [os.environ["POLDER_BIN"], *map(str, args)], capture_output=True, text=True, timeout=300, check=False
    )
    if check and run.returncode != 0:
        raise AssertionError(f"polder {args} ended with {run.returncode}: {run.stdout}\n{run.stderr}")
    lines = run.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None


class Node:
    """One node in a directory of its own."""

    def __init__(self, directory, name):
        self.data = directory / name
        made = polder("init", "--data", self.data, "--name", name, "--country", "NL", "--sector", "semiconductors", "--json")
        self.member = made["member"]

    def community(self, name, *members):
        made = polder("community", "new", "--data", self.data, "--name", name, "--json")
        for member in members:
            polder("community", "add", "--data", self.data, made["community"], member)
        return made["community"]

    def token(self, name, member=None, max_tlp=None, *more):
        args = ["token", "new", "--data", self.data, "--name", name, "--json", *more]
        args += ["--member", member] if member else []
        args += ["--max-tlp", max_tlp] if max_tlp else []
        return polder(*args)["token"]

    def load(self, file, community=None, tlp=None):
        """Imports a file; what it reads must all be added."""
        report = polder(*self.import_args(file, community, tlp))
        assert report["read"] == report["added"] + report["known"] + report["refused"]
        assert (report["known"], report["refused"]) == (0, 0), report
        return report["added"]

    def import_args(self, file, community=None, tlp=None):
        args = ["import", "--data", self.data, file, "--json"]
        args += ["--community", community] if community else []
        return args + (["--tlp", tlp] if tlp else [])

    @contextlib.contextmanager
    def serving(self):
        """Serves while the block runs; gives the address."""
        log = self.data.parent / f"{self.data.name}-{uuid.uuid4()}.log"
        with open(log, "wb") as out:
            args = [os.environ["POLDER_BIN"], "serve", "--data", self.data, "--listen", "127.0.0.1:0", "--http"]
            server = subprocess.Popen(args, stdout=out, stderr=out)
        try:
            for _ in range(300):
                found = re.search(r"http://(127\.0\.0\.1:\d+)/taxii2/", log.read_text())
                if found or server.poll() is not None:
                    break
                time.sleep(0.1)
            assert found and server.poll() is None, f"not serving: {log.read_text()}"
            yield f"http://{found[1]}"
            assert server.poll() is None, f"the server ended by itself: {log.read_text()[-2000:]}"
        finally:
            server.terminate()
            server.wait(timeout=30)
        assert server.returncode == 0, f"ended with {server.returncode}: {log.read_text()[-2000:]}"
        assert "polder_" not in log.read_text(), "a token stands in the log"


class Reader:
    """One reader of one node, without a client library between."""

    def __init__(self, base, token):
        self.base, self.token = base, token
        self.session = requests.Session()
        self.session.auth = ("anyone", token)
        self.session.headers["Accept"] = TAXII

    def get(self, path, **params):
        answer = self.session.get(f"{self.base}/taxii2/root/{path}", params=params or None, timeout=60)
        assert answer.headers["Content-Type"] == TAXII
        return answer

    def ok(self, path, **params):
        answer = self.get(path, **params)
        assert answer.status_code == 200, f"{path} {params}: {answer.status_code} {answer.text}"
        return answer

    def pages(self, path, **params):
        """All pages by `next`, each checked for what holds for every page."""
        following = {}
        while True:
            answer = self.ok(path, **params, **following)
            page = answer.json()
            assert page.get("objects") != [] and page.get("versions") != [], "empty lists are forbidden"
            if page.get("more"):
                assert page.get("objects"), "an empty page says that there is more"
                assert page["next"]
            else:
                assert "next" not in page
            yield answer
            if not page.get("more"):
                return
            following = {"next": page["next"]}


def objects_of(answer):
    return answer.json().get("objects", [])


# Bytes -----------------------------------------------------------------------------------------------------


def slices(text):
    """The texts of the objects of a bundle or envelope, character for character."""
    decoder, space = json.JSONDecoder(), re.compile(r"[\s,]*")
    found = re.search(r'"objects"\s*:\s*\[', text)
    if not found:
        return []
    place, parts = found.end(), []
    while True:
        place = space.match(text, place).end()
        if text[place] == "]":
            return parts
        _, end = decoder.raw_decode(text, place)
        parts.append(text[place:end])
        place = end


def unpack(path):
    """A zstd file, with what Python or the system has for it."""
    packed = path.read_bytes()
    with contextlib.suppress(ImportError):
        from compression import zstd

        return zstd.decompress(packed)
    library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    size_of = library.ZSTD_getFrameContentSize
    size_of.restype, size_of.argtypes = ctypes.c_ulonglong, [ctypes.c_char_p, ctypes.c_size_t]
    size = size_of(packed, len(packed))
    assert 0 < size < 1 << 32, "the frame does not tell its size"
    plain = ctypes.create_string_buffer(size)
    unzip = library.ZSTD_decompress
    unzip.restype, unzip.argtypes = ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    assert unzip(plain, size, packed, len(packed)) == size
    return plain.raw


# Objects ---------------------------------------------------------------------------------------------------


def indicator(name, marking=None, **more):
    stamp = "2026-02-03T04:05:06.789Z"
    made = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{uuid.uuid4()}", "created": stamp,
        "modified": stamp, "name": name, "pattern": f"[domain-name:value = '{name.lower()}.example']",
        "pattern_type": "stix", "valid_from": stamp, "indicator_types": ["malicious-activity"],
    }
    if marking:
        made["object_marking_refs"] = [marking]
    return made | more


def bundle(path, objects):
    path.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}))
    return path


Case = collections.namedtuple("Case", "name object readers label")
EVERYBODY = {"own", "member", "member-green", "stranger"}
COMMUNITY = {"own", "member", "member-green"}
STRICT = {"own", "member"}


def cases():
    """Each marking once: who may have it, and the label it travels with. RED stands first, in the middle and
    last, so that a header that is made of all placements shows."""
    red = lambda n: Case(f"red-{n}", indicator(f"{SECRET}-red-{n}", TLP2["RED"]), set(), "TLP:RED")
    made = [red(1)]
    add = lambda name, readers, label, marking=None, **more: made.append(
        Case(name, indicator(name if readers == EVERYBODY else f"{SECRET}-{name}", marking, **more), readers, label)
    )
    add("clear", EVERYBODY, "TLP:CLEAR", TLP2["CLEAR"])
    add("green", COMMUNITY, "TLP:GREEN", TLP2["GREEN"])
    add("amber", STRICT, "TLP:AMBER", TLP2["AMBER"])
    add("amber-strict", STRICT, "TLP:AMBER+STRICT", TLP2["AMBER+STRICT"])
    made.append(red(2))
    add("unmarked", {"own"}, "TLP:AMBER+STRICT")
    add("unknown", {"own"}, "TLP:AMBER+STRICT", UNKNOWN)
    add("clear-and-unknown", {"own"}, "TLP:CLEAR", object_marking_refs=[TLP2["CLEAR"], UNKNOWN])
    add("tlp1-white", EVERYBODY, "TLP:CLEAR", TLP1["WHITE"])
    add("tlp1-green", COMMUNITY, "TLP:GREEN", TLP1["GREEN"])
    add("tlp1-amber", STRICT, "TLP:AMBER", TLP1["AMBER"])
    add("tlp1-red", set(), "TLP:RED", TLP1["RED"])
    add("clear-and-amber", STRICT, "TLP:AMBER", object_marking_refs=[TLP2["CLEAR"], TLP2["AMBER"]])
    granular = [{"marking_ref": TLP2["RED"], "selectors": ["name"]}]
    add("granular-red", set(), "TLP:RED", TLP2["CLEAR"], granular_markings=granular)
    made.append(red(3))
    return made


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """A node with every case in a community, and its four readers."""
    directory = tmp_path_factory.mktemp("labels")
    node = Node(directory, "own")
    member, stranger = Node(directory, "member").member, Node(directory, "stranger").member
    community = node.community("Chip makers", member)
    made = cases()
    node.load(bundle(directory / "cases.json", [case.object for case in made]), community)
    private = indicator(f"{SECRET}-private", TLP2["CLEAR"])
    node.load(bundle(directory / "private.json", [private]))
    tokens = {
        "own": node.token("own"),
        "member": node.token("member", member, "amber+strict"),
        "member-green": node.token("member, by default", member),
        "stranger": node.token("stranger", stranger, "amber+strict"),
    }
    with node.serving() as base:
        readers = {name: Reader(base, token) for name, token in tokens.items()}
        yield collections.namedtuple("Labels", "node base readers community cases directory private")(
            node, base, readers, community, made, directory, private
        )


READERS = ["own", "member", "member-green", "stranger"]


def permitted(labels, reader):
    return [case for case in labels.cases if reader in case.readers]


# Who sees what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
def test_each_reader_sees_exactly_what_is_permitted(labels, name):
    reader, path = labels.readers[name], f"collections/{labels.community}/"
    wanted = [case.object["id"] for case in permitted(labels, name)]
    manifest = reader.ok(f"{path}manifest/")
    entries = objects_of(manifest)
    assert [entry["id"] for entry in entries] == wanted
    dates = [entry["date_added"] for entry in entries]
    assert dates == sorted(set(dates)), "strictly increasing"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", date) for date in dates)
    envelope = reader.ok(f"{path}objects/")
    assert [o["id"] for o in objects_of(envelope)] == wanted
    for answer in (manifest, envelope):
        assert (answer.headers[FIRST], answer.headers[LAST]) == (dates[0], dates[-1])
        assert answer.json().get("more", False) is False
    # A page that ends with the last visible object is the last, whatever is hidden behind it.
    assert reader.ok(f"{path}objects/", limit=len(wanted)).json().get("more", False) is False
    for resource in ("objects/", "manifest/"):
        single = list(reader.pages(path + resource, limit=1))
        assert [o["id"] for answer in single for o in objects_of(answer)] == wanted
        assert [answer.headers[FIRST] for answer in single] == dates == [answer.headers[LAST] for answer in single]
    for date, rest in zip(dates, range(1, len(wanted) + 1)):
        later = reader.ok(f"{path}objects/", added_after=date)
        assert [o["id"] for o in objects_of(later)] == wanted[rest:], "added_after is exclusive"


@pytest.mark.parametrize("name", READERS)
def test_markings_travel_beside_the_objects(labels, name):
    envelope = labels.readers[name].ok(f"collections/{labels.community}/objects/").json()
    runs = envelope["x_polder_markings"]
    told = [run["marking"].split()[0] for run in runs for _ in range(run["first"], run["last"] + 1)]
    assert told == [case.label for case in permitted(labels, name)]
    assert [run["first"] for run in runs] == [0] + [run["last"] + 1 for run in runs[:-1]]
    for run in runs:
        assert run["marking_ref"] == TLP2[run["marking"].split()[0].removeprefix("TLP:")]
    # What is not understood says so, in the one form that an import reads.
    assert any(run["marking"].endswith(" unknown") for run in runs) == (name == "own")
    assert list(envelope).index("x_polder_markings") < list(envelope).index("objects")


@pytest.mark.parametrize("name", READERS)
def test_single_objects_and_versions_follow_the_same_gate(labels, name):
    reader = labels.readers[name]
    absent = reader.get(f"collections/{labels.community}/objects/indicator--{uuid.uuid4()}/")
    assert absent.status_code == 404
    for case in labels.cases:
        path = f"collections/{labels.community}/objects/{case.object['id']}/"
        matched = reader.ok(f"collections/{labels.community}/objects/", **{"match[id]": case.object["id"]})
        single, versions = reader.get(path), reader.get(f"{path}versions/")
        if name in case.readers:
            assert objects_of(single) == [case.object] == objects_of(matched)
            assert versions.json()["versions"] == [case.object["modified"]]
            assert single.headers[FIRST] == single.headers[LAST] == versions.headers[LAST] == matched.headers[LAST]
            assert reader.ok(path, **{"match[version]": "2001-01-01T00:00:00Z"}).json().get("objects") is None
        else:
            assert (single.status_code, versions.status_code) == (404, 404)
            assert single.json() == versions.json() == absent.json(), "hidden is as absent"
            assert objects_of(matched) == [] and matched.json().get("more", False) is False


@pytest.mark.parametrize("name", READERS)
def test_headers_of_empty_pages_tell_nothing(labels, name):
    reader, path = labels.readers[name], f"collections/{labels.community}/objects/"
    visible = [entry["date_added"] for entry in objects_of(reader.ok(f"collections/{labels.community}/manifest/"))]
    empty = reader.ok(path, **{"match[type]": "malware"})
    assert "objects" not in empty.json()
    assert empty.headers[FIRST] == empty.headers[LAST] == visible[-1]
    later = reader.ok(path, added_after=visible[-1])
    assert "objects" not in later.json() and later.headers[LAST] == visible[-1]
    echoed = reader.ok(path, added_after="2099-01-02T03:04:05.6Z")
    assert echoed.headers[FIRST] == echoed.headers[LAST] == "2099-01-02T03:04:05.600000Z"


def everything(reader, community, hidden_ids=()):
    """Every answer that a reader can get, as text with the headers that matter."""
    paths = ["", "collections/", f"collections/{community}/"]
    found = []
    for resource in ("objects/", "manifest/"):
        path = f"collections/{community}/{resource}"
        paths.append(path)
        for params in (
            {"limit": 1}, {"limit": 2}, {"match[version]": "all"}, {"match[version]": "first"},
            {"match[type]": "indicator"}, {"match[type]": "malware"}, {"match[spec_version]": "2.0,2.1"},
            {"added_after": "2020-01-01T00:00:00Z"}, {"added_after": "2090-01-01T00:00:00Z"},
        ):
            found += [reader.get(path, **params)]
        found += reader.pages(path, limit=1)
        for hidden in hidden_ids:
            found.append(reader.get(path, **{"match[id]": hidden}))
    for hidden in hidden_ids:
        paths += [f"collections/{community}/objects/{hidden}/", f"collections/{community}/objects/{hidden}/versions/"]
    found += [reader.get(path) for path in paths]
    return [
        (answer.request.path_url, answer.status_code, answer.text, answer.headers.get(FIRST), answer.headers.get(LAST),
         answer.headers["Content-Length"])
        for answer in found
    ]


@pytest.mark.parametrize("name", ["stranger", "member-green"])
def test_nothing_that_a_reader_gets_holds_a_hidden_part(labels, name):
    hidden = [case for case in labels.cases if name not in case.readers]
    # What the request itself names comes back in no answer either.
    answers = everything(labels.readers[name], labels.community, [case.object["id"] for case in hidden])
    seen = [text for _, _, text, *_ in answers]
    for case in hidden:
        assert not any(case.object["id"] in text or case.object["name"] in text for text in seen), case.name
    if name == "stranger":
        assert not any(SECRET in text or "Chip makers" in text for text in seen)


def test_what_is_added_for_others_changes_no_answer(labels):
    """The strongest form of `no leak`: byte for byte the same answers before and after."""
    reader = labels.readers["stranger"]
    extra = [indicator(f"{SECRET}-later-{label}", TLP2[label]) for label in ("RED", "AMBER", "GREEN", "AMBER+STRICT")]
    extra += [indicator(f"{SECRET}-later-unmarked"), indicator(f"{SECRET}-later-unknown", UNKNOWN)]
    # A newer version of what he sees, but not for him.
    clear = next(case.object for case in labels.cases if case.name == "clear")
    newer = clear | {"modified": "2026-05-05T05:05:05.555Z", "name": f"{SECRET}-newer", "object_marking_refs": [TLP2["AMBER"]]}
    ids = [made["id"] for made in extra] + [case.object["id"] for case in labels.cases]
    before = everything(reader, labels.community, ids)
    labels.node.load(bundle(labels.directory / "later.json", [*extra, newer]), labels.community)
    assert everything(reader, labels.community, ids) == before
    # For the own analyst it did change something, so the import was not in vain.
    newest = labels.readers["own"].ok(f"collections/{labels.community}/objects/{clear['id']}/")
    assert [o["modified"] for o in objects_of(newest)] == [newer["modified"]]
    mine = [o["id"] for o in objects_of(labels.readers["own"].ok(f"collections/{labels.community}/objects/"))]
    assert {o["id"] for o in extra if "later-RED" not in o["name"]} <= set(mine)
    # The other tests of this module compare with the cases: take the newer version out of their way.
    labels.cases[:] = [case for case in labels.cases if case.name != "clear"]


def test_collections_are_per_reader(labels):
    listed = {name: reader.ok("collections/").json()["collections"] for name, reader in labels.readers.items()}
    titles = {name: [c["title"] for c in made if c["id"] == labels.community] for name, made in listed.items()}
    assert titles["own"] == titles["member"] == titles["member-green"] == ["Chip makers"]
    assert len(titles["stranger"]) == 1 and "Chip" not in titles["stranger"][0]
    own = [c["id"] for c in listed["own"] if c["id"] != labels.community]
    assert len(own) == 1
    assert all(uuid.UUID(c["id"]).version == 4 for made in listed.values() for c in made)
    assert objects_of(labels.readers["own"].ok(f"collections/{own[0]}/objects/")) == [labels.private]
    for name in READERS[1:]:
        reader = labels.readers[name]
        absent = reader.get(f"collections/{uuid.uuid4()}/")
        for tail in ("", "objects/", "manifest/", f"objects/{labels.private['id']}/", "objects/?limit=0"):
            hidden = reader.get(f"collections/{own[0]}/{tail}")
            assert (hidden.status_code, hidden.json()) == (404, absent.json())
        assert own[0] not in json.dumps(listed[name])


# The protocol ----------------------------------------------------------------------------------------------


def test_without_a_token_nothing_is_told(labels):
    for auth in (None, ("anyone", "polder_000000000000_" + "A" * 43), (labels.readers["own"].token, "")):
        for path in ("", "root/", "root/collections/", f"root/collections/{labels.community}/objects/", "root/nothing/"):
            answer = requests.get(f"{labels.base}/taxii2/{path}", auth=auth, headers={"Accept": TAXII}, timeout=30)
            assert answer.status_code in (401, 429)
            assert answer.json()["http_status"] == str(answer.status_code)
            assert answer.headers["Content-Type"] == TAXII
            if answer.status_code == 401:
                assert "Basic" in answer.headers["WWW-Authenticate"]


def test_writing_is_refused_as_the_specification_says(labels):
    for name, status in (("own", 403), ("stranger", 403)):
        reader = labels.readers[name]
        url = f"{labels.base}/taxii2/root/collections/{labels.community}/objects/"
        clear = next(case.object["id"] for case in labels.cases if case.name == "tlp1-white")
        for answer in (
            reader.session.post(url, json={"objects": []}, headers={"Content-Type": TAXII}, timeout=30),
            reader.session.delete(f"{url}{clear}/", timeout=30),
        ):
            assert (answer.status_code, answer.json()["http_status"]) == (status, str(status))
        answer = reader.session.post(url.replace(labels.community, str(uuid.uuid4())), json={}, timeout=30)
        assert answer.status_code == 404
    answer = labels.readers["own"].session.put(url, json={}, timeout=30)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 400), ("limit=-1", 400), ("limit=ten", 400), ("limit=1&limit=2", 400), ("limit=1000000000", 200),
        ("added_after=2020", 400), ("added_after=2020-01-01T00:00:00z", 200), ("added_after=2020-01-01t00:00:00Z", 200),
        ("added_after=2020-01-01T00:00:00.123456789Z", 200), ("added_after=2020-01-01T00:00:00%2B00:00", 200),
        ("added_after=2020-01-01T00:00:00Z&added_after=2020-01-01T00:00:00Z", 400), ("next=abc", 400),
        ("match[version]=all,last", 400), ("match[version]=last,last", 400), ("match[version]=first,last", 200),
        ("match[nothing]=x&match[nothing]=y", 200), ("nothing=x", 200), ("match[type]=indicator&match[type]=tool", 400),
    ],
)
def test_queries(labels, query, status):
    answer = labels.readers["own"].get(f"collections/{labels.community}/objects/?{query}")
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["http_status"] == "400" and answer.json()["title"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (TAXII, 200), ("application/taxii+json; version=2.1", 200), ("application/taxii+json", 200),
        ("application/json, text/plain, */*", 200), ("*/*", 200), (None, 406),
        ("application/vnd.oasis.taxii+json;version=2.0", 406), ("application/taxii+json;version=9.9", 406),
    ],
)
def test_content_negotiation(labels, accept, status):
    reader = labels.readers["own"]
    answer = reader.session.get(f"{labels.base}/taxii2/", headers={"Accept": accept}, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, TAXII)


def test_cursors_are_for_one_reader_and_question(labels):
    path = f"collections/{labels.community}/objects/"
    own, member = labels.readers["own"], labels.readers["member"]
    cursor = own.ok(path, limit=1).json()["next"]
    assert own.get(path, next=cursor, limit=7).status_code == 200
    assert member.get(path, next=cursor).status_code == 400
    assert own.get(path, next=cursor, **{"match[type]": "indicator"}).status_code == 400
    changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    assert own.get(path, next=changed).status_code == 400


def test_objects_parse_and_validate(labels):
    options = ValidationOptions()
    for made in objects_of(labels.readers["own"].ok(f"collections/{labels.community}/objects/")):
        stix2.parse(made, allow_custom=True)
        result = validate_instance(made, options)
        assert result.is_valid, (made, result.errors)


# ATT&CK ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    """A node with ATT&CK in a community, and the texts of its objects as they stand in the source."""
    source = pathlib.Path(os.environ["SHARED"]) / "data/attack/enterprise-attack-18.1.json.zst"
    texts = slices(unpack(source).decode())
    assert len(texts) == ATTACK_OBJECTS
    directory = tmp_path_factory.mktemp("attack")
    node = Node(directory, "attack")
    member = Node(directory, "reader").member
    community = node.community("Analysts", member)
    assert node.load(source, community, "clear") == ATTACK_OBJECTS
    token = node.token("reader", member, "amber+strict")
    with node.serving() as base:
        yield collections.namedtuple("Attack", "node base token community texts directory")(
            node, base, token, community, texts, directory
        )


def key(made):
    """What makes a version of an object: its id and `modified`, or `created` of those that have no other."""
    return made["id"], made.get("modified", made.get("created"))


def client(attack):
    server = Server(f"{attack.base}/taxii2/", user="taxii", password=attack.token)
    assert server.title
    assert server.default.url == server.api_roots[0].url == f"{attack.base}/taxii2/root/"
    return next(c for c in server.default.collections if c.id == attack.community)


def extras(directory, name, count):
    return bundle(directory / f"{name}.json", [indicator(f"{name}-{n}", TLP2["GREEN"]) for n in range(count)])


@contextlib.contextmanager
def importing(attack, files, community):
    """Imports files one after the other in processes of their own while the block runs, and to the end."""
    ended, faults = [], []

    def run():
        for file in files:
            try:
                ended.append(polder(*attack.node.import_args(file, community)))
            except Exception as fault:  # told by the test's own thread
                faults.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=300)
    assert not thread.is_alive() and not faults, faults
    assert [report["added"] for report in ended] == [report["read"] for report in ended]


@pytest.mark.parametrize("per_page", [100, 1000])
def test_attack_is_read_whole_while_another_process_writes_elsewhere(attack, per_page):
    files = [extras(attack.directory, f"elsewhere-{per_page}-{n}", 500) for n in range(6)]
    collection = client(attack)
    with importing(attack, files, None):
        pages = [page["objects"] for page in as_pages(collection.get_objects, per_request=per_page)]
    assert [len(page) for page in pages[:-1]] == [per_page] * (len(pages) - 1)
    read = [made for page in pages for made in page]
    own = [made for made in read if not made.get("name", "").startswith("same-")]
    assert collections.Counter(map(key, own)) == collections.Counter(key(json.loads(text)) for text in attack.texts)


@pytest.mark.parametrize("per_page", [100, 1000])
def test_attack_is_read_whole_while_another_process_writes_the_same(attack, per_page):
    files = [extras(attack.directory, f"same-{per_page}-{n}", 200) for n in range(6)]
    added = {made["id"] for file in files for made in json.loads(file.read_text())["objects"]}
    collection = client(attack)
    read = []
    with importing(attack, files, attack.community):
        for page in as_pages(collection.get_objects, per_request=per_page):
            read += page.get("objects", [])
    # What came while the last page was read is fetched as every client does it: by the last date.
    reader = Reader(attack.base, attack.token)
    path = f"collections/{attack.community}/manifest/"
    last = {made["id"]: made["date_added"] for answer in reader.pages(path, limit=10000) for made in objects_of(answer)}
    newest = max(last[made["id"]] for made in read)
    for answer in reader.pages(f"collections/{attack.community}/objects/", added_after=newest):
        read += objects_of(answer)
    seen = collections.Counter(map(key, read))
    assert set(seen.values()) == {1}, "each version exactly once"
    assert {key(json.loads(text)) for text in attack.texts} <= set(seen)
    assert added <= {name for name, _ in seen}


def test_attack_leaves_byte_for_byte_and_in_order(attack):
    reader, served = Reader(attack.base, attack.token), []
    for answer in reader.pages(f"collections/{attack.community}/objects/", limit=1000):
        assert answer.encoding in (None, "utf-8", "ISO-8859-1")
        served += slices(answer.content.decode("utf-8"))
    of_attack = [text for text in served if '"name": "same-' not in text]
    assert of_attack == attack.texts


def test_manifest_lists_the_same(attack):
    reader = Reader(attack.base, attack.token)
    listed = [e for answer in reader.pages(f"collections/{attack.community}/manifest/", limit=5000) for e in objects_of(answer)]
    dates = [entry["date_added"] for entry in listed]
    assert dates == sorted(set(dates))
    wanted = [json.loads(text) for text in attack.texts]
    wanted_ids = {made["id"] for made in wanted}
    listed = [entry for entry in listed if entry["id"] in wanted_ids]
    assert [entry["id"] for entry in listed] == [made["id"] for made in wanted]
    assert [entry["version"] for entry in listed] == [key(made)[1] for made in wanted]
    assert {entry["media_type"] for entry in listed} == {"application/stix+json;version=2.1"}


def test_polling_by_added_after_alone(attack):
    reader, seen, after = Reader(attack.base, attack.token), [], "1970-01-01T00:00:00Z"
    while True:
        answer = reader.ok(f"collections/{attack.community}/objects/", added_after=after, limit=5000)
        seen += [key(made) for made in objects_of(answer)]
        after = answer.headers[LAST]
        if not answer.json().get("more"):
            break
    assert set(collections.Counter(seen).values()) == {1}
    assert len([1 for name, _ in seen]) >= ATTACK_OBJECTS
    empty = reader.ok(f"collections/{attack.community}/objects/", added_after=after)
    assert "objects" not in empty.json() and empty.headers[LAST] == after


def test_taxii_client_and_stix2_read_single_objects(attack):
    collection = client(attack)
    coathanger = "malware--0c242cc5-58d3-4fe3-a866-b00a4b6fb817"
    assert [o["name"] for o in collection.get_object(coathanger)["objects"]] == ["COATHANGER"]
    assert len(collection.object_versions(coathanger)["versions"]) == 1
    assert len(collection.get_manifest(id=coathanger)["objects"]) == 1
    source = stix2.TAXIICollectionSource(collection, allow_custom=True)
    assert source.get(coathanger).name == "COATHANGER"
    assert [o.name for o in source.all_versions(coathanger)] == ["COATHANGER"]
    campaigns = source.query([stix2.Filter("type", "=", "campaign")])
    assert len(campaigns) == sum('"type": "campaign"' in text or '"type":"campaign"' in text for text in attack.texts)
    with pytest.raises(requests.HTTPError) as refused:
        collection.get_object(f"malware--{uuid.uuid4()}")
    assert refused.value.response.status_code == 404


def test_stix2_parses_and_the_validator_accepts(attack):
    reader, by_type = Reader(attack.base, attack.token), collections.defaultdict(list)
    count = 0
    for answer in reader.pages(f"collections/{attack.community}/objects/", limit=1000):
        for made in objects_of(answer):
            stix2.parse(made, allow_custom=True)
            by_type[made["type"]].append(made)
            count += 1
    assert count >= ATTACK_OBJECTS
    if os.environ.get("FULL") == "1":
        sample = [made for objects in by_type.values() for made in objects]
    else:
        # Of every type so many, from its whole range.
        sample = [
            made
            for objects in by_type.values()
            for made in objects[:: max(1, len(objects) // SAMPLE_OF_TYPE)][:SAMPLE_OF_TYPE]
        ]
    assert len(sample) >= 300 and {made["type"] for made in sample} == set(by_type)
    options = ValidationOptions()
    rejected = [(made["id"], result.errors) for made in sample if not (result := validate_instance(made, options)).is_valid]
    assert rejected == []


def test_speed_of_pages_is_not_limited(attack):
    """A client at full speed is never told to slow down."""
    reader = Reader(attack.base, attack.token)
    for _ in range(500):
        assert reader.get("collections/").status_code == 200
