# SPDX-License-Identifier: Apache-2.0
"""Writing through TAXII 2.1 as other people's programs do it: taxii2-client and stix2 against `polder serve`.

POLDER_BIN  the program; SHARED  the folder with data/attack.
"""

import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import time
import uuid

import pytest
import requests
import stix2
from taxii2client.v21 import Server, Status, as_pages

from test_taxii import (
    ATTACK_OBJECTS, SECRET, TAXII, TLP2, Node, Reader, bundle, importing, indicator, key, objects_of, polder, slices,
    unpack,
)

World = collections.namedtuple("World", "node base tokens community member directory")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A node with a community of two members, and a token of every kind."""
    directory = tmp_path_factory.mktemp("write")
    node = Node(directory, "own")
    member, stranger = Node(directory, "member").member, Node(directory, "stranger").member
    community = node.community("Chip makers", member)
    tokens = {
        "own": node.token("own", None, None, "--write"),
        "reader": node.token("reader"),
        "member": node.token("member", member, "amber+strict", "--write"),
        "other": node.token("other", member, "amber+strict", "--write"),
        "sensor": node.token("sensor", member, "amber+strict", "--write", "--no-read"),
        "stranger": node.token("stranger", stranger, "amber+strict", "--write"),
    }
    with node.serving() as base:
        yield World(node, base, tokens, community, member, directory)


def collection(world, who, which=None):
    server = Server(f"{world.base}/taxii2/", user="taxii", password=world.tokens[who])
    return next(c for c in server.default.collections if c.id == (which or world.community))


def post(world, who, body, community=None, **headers):
    headers = {"Accept": TAXII, "Content-Type": TAXII} | {n.replace("_", "-"): v for n, v in headers.items()}
    return requests.post(
        f"{world.base}/taxii2/root/collections/{community or world.community}/objects/",
        data=body if isinstance(body, (bytes, str)) else json.dumps(body),
        headers={n: v for n, v in headers.items() if v is not None}, auth=("any", world.tokens[who]), timeout=60,
    )


def versions_of(world, made, who="reader"):
    answer = Reader(world.base, world.tokens[who]).get(f"collections/{world.community}/objects/{made['id']}/versions/")
    return answer.json().get("versions", []) if answer.status_code == 200 else answer.status_code


# Other people's clients ------------------------------------------------------------------------------------


def test_taxii2_client_adds_objects_and_waits(world):
    made = [indicator(f"add-{n}", TLP2["GREEN"]) for n in range(5)]
    broken = {"type": "indicator", "id": "indicator--x"}
    status = collection(world, "member").add_objects({"objects": [*made, broken]}, wait_for_completion=True)
    assert status.status == "complete"
    assert (status.total_count, status.success_count, status.failure_count, status.pending_count) == (6, 5, 1, 0)
    assert [d["id"] for d in status.successes] == [o["id"] for o in made]
    assert [d["version"] for d in status.successes] == [o["modified"] for o in made]
    assert status.failures[0]["id"] == "indicator--x" and "bad-id: " in status.failures[0]["message"]
    read = collection(world, "reader").get_objects(id=made[0]["id"])["objects"]
    assert read == made[:1]
    again = collection(world, "member").add_objects({"objects": made}, wait_for_completion=True)
    assert (again.success_count, again.failure_count) == (5, 0)


def test_taxii2_client_polls_the_status_by_itself(world):
    status = collection(world, "member").add_objects({"objects": [indicator("poll", TLP2["GREEN"])]}, wait_for_completion=False)
    url = f"{world.base}/taxii2/root/status/{status.id}/"
    polled = Status(url, user="x", password=world.tokens["member"])
    polled.wait_until_final(poll_interval=0.1, timeout=5)
    assert polled._raw == status._raw
    for who in ("other", "own", "stranger"):
        with pytest.raises(requests.HTTPError) as refused:
            Status(url, user="x", password=world.tokens[who])
        assert refused.value.response.status_code == 404, "a status is for its credential"


def test_stix2_writes_through_its_sink_and_store(world):
    made = stix2.Indicator(
        name="through stix2", pattern="[ipv4-addr:value = '192.0.2.77']", pattern_type="stix",
        object_marking_refs=[TLP2["GREEN"]],
    )
    tool = stix2.Tool(name="mkdir", object_marking_refs=[TLP2["GREEN"]])
    sink = stix2.TAXIICollectionSink(collection(world, "member"), allow_custom=True)
    sink.add([made, tool])
    store = stix2.TAXIICollectionStore(collection(world, "own"), allow_custom=True)
    assert store.get(made.id) == made
    assert store.get(tool.id).name == "mkdir"
    sink.add(tool.new_version(name="mkdir again"))
    assert store.get(tool.id).name == "mkdir again"
    assert len(store.all_versions(tool.id)) == 2


def test_can_write_is_told_by_the_collection(world):
    told = {}
    for who in ("own", "reader", "member", "sensor"):
        found = collection(world, who)
        told[who] = (found.can_read, found.can_write)
    assert told == {"own": (True, True), "reader": (True, False), "member": (True, True), "sensor": (False, True)}


# What becomes of objects -----------------------------------------------------------------------------------


def outcome(answer):
    assert answer.status_code == 202, answer.text
    assert answer.headers["Content-Type"] == TAXII
    status = answer.json()
    total = status["success_count"] + status["failure_count"] + status["pending_count"]
    assert status["total_count"] == total
    assert len(status.get("failures", [])) == status["failure_count"]
    assert len(status.get("successes", [])) in (status["success_count"], 0)
    return [d["message"].split(":")[0] for d in status.get("failures", [])]


def test_versions_come_in_any_order(world):
    made = indicator("versions", TLP2["GREEN"])
    at = lambda second, **more: {**made, "modified": f"2026-02-03T04:06:{second:02}.000Z", **more}
    sent = [at(30), at(10), at(50), at(30)]
    assert outcome(post(world, "member", {"objects": sent})) == []
    assert outcome(post(world, "member", {"objects": [at(30, name="changed")]})) == ["version-conflict"]
    assert outcome(post(world, "member", {"objects": [at(55, revoked=True), at(59)]})) == ["revoked"]
    assert outcome(post(world, "member", {"objects": [{**made, "modified": "2026-01-01T00:00:00Z"}]})) == ["modified-before-created"]
    path = f"collections/{world.community}/objects/"
    reader = Reader(world.base, world.tokens["reader"])
    ask = lambda wanted: [o["modified"][17:19] for o in objects_of(reader.ok(path, **{"match[id]": made["id"], "match[version]": wanted}))]
    assert ask("all") == ["30", "10", "50", "55"], "in the order in which they came"
    assert ask("last") == ["55"] and ask("first") == ["10"] and ask("first,last") == ["10", "55"]
    assert ask("2026-02-03T04:06:50Z") == ["50"], "compared as a number"
    assert ask("2026-02-03T04:06:50.000000Z,first") == ["10", "50"]
    assert ask("2026-02-03T04:06:51Z") == []
    one = reader.ok(f"{path}{made['id']}/", **{"match[version]": "first,2026-02-03T04:06:30.0Z"})
    assert [o["modified"][17:19] for o in objects_of(one)] == ["30", "10"]
    for bad in ("all,first", "last,last", "2026-02-03T04:06:50Z,2026-02-03T04:06:50.000Z", "newest", "first,", ""):
        assert reader.get(path, **{"match[version]": bad}).status_code == 400, bad
    twice = requests.get(f"{world.base}/taxii2/root/{path}?match[version]=last&match[version]=first", headers={"Accept": TAXII}, auth=("", world.tokens["reader"]), timeout=30)
    assert twice.status_code == 400


def test_pages_of_versions_join_to_one(world):
    made = indicator("paged", TLP2["GREEN"])
    sent = [{**made, "modified": f"2026-02-03T05:00:{n:02}.000Z"} for n in range(12)]
    assert outcome(post(world, "member", {"objects": sent})) == []
    reader, path = Reader(world.base, world.tokens["reader"]), f"collections/{world.community}/objects/"
    for wanted in ("all", "first,last", "first,last,2026-02-03T05:00:04Z"):
        ask = {"match[id]": made["id"], "match[version]": wanted}
        whole = objects_of(reader.ok(path, **ask))
        parts = [o for page in reader.pages(path, limit=1, **ask) for o in objects_of(page)]
        assert parts == whole and whole
    listed = [e["version"] for p in reader.pages(f"collections/{world.community}/manifest/", limit=5, **{"match[id]": made["id"], "match[version]": "all"}) for e in objects_of(p)]
    assert listed == [o["modified"] for o in sent]


def test_only_the_creator_makes_versions(world):
    made = indicator("creator", TLP2["GREEN"])
    assert outcome(post(world, "own", {"objects": [made]})) == []
    later = {**made, "modified": "2026-03-01T00:00:00.000Z"}
    assert outcome(post(world, "member", {"objects": [later]})) == ["created-by-other"]
    assert outcome(post(world, "member", {"objects": [made]})) == [], "word for word it may be passed on"
    assert outcome(post(world, "own", {"objects": [later]})) == []
    assert versions_of(world, made) == [made["modified"], later["modified"]]


def test_what_is_unmarked_stays_and_is_told(world):
    made = indicator(f"{SECRET}-unmarked")
    answer = post(world, "member", {"objects": [made]})
    assert outcome(answer) == []
    assert answer.json()["successes"][0]["message"].startswith("unmarked-stays: ")
    assert versions_of(world, made, "reader") == 404
    assert versions_of(world, made, "other") == [made["modified"]], "its own organisation has it"


def test_markings_that_travel_beside_the_objects_hold(world):
    made = indicator(f"{SECRET}-beside", TLP2["CLEAR"])
    run = {"marking": "TLP:AMBER", "marking_ref": TLP2["AMBER"], "first": 0, "last": 0}
    assert outcome(post(world, "own", {"objects": [made], "x_polder_markings": [run]})) == []
    envelope = Reader(world.base, world.tokens["reader"]).ok(f"collections/{world.community}/objects/", **{"match[id]": made["id"]}).json()
    assert envelope["x_polder_markings"][0]["marking"] == "TLP:AMBER"
    assert versions_of(world, made, "stranger") == 404


def test_own_collections_are_apart(world):
    made = indicator(f"{SECRET}-home", TLP2["CLEAR"])
    server = Server(f"{world.base}/taxii2/", user="taxii", password=world.tokens["member"])
    home = next(c for c in server.default.collections if c.title == "Own records")
    assert home.can_write and home.add_objects({"objects": [made]}).success_count == 1
    assert [o["id"] for o in home.get_objects()["objects"]].count(made["id"]) == 1
    assert versions_of(world, made) == 404
    for who in ("own", "stranger"):
        assert post(world, who, {"objects": []}, community=home.id).status_code == 404


def test_a_steward_takes_anothers_object_out_of_the_collection(world):
    made = indicator("removed", TLP2["GREEN"])
    assert collection(world, "member").add_objects({"objects": [made]}).success_count == 1
    path = f"{world.base}/taxii2/root/collections/{world.community}/objects/{made['id']}/"
    # The node's own member made the community, and so is its steward.
    gone = requests.delete(path, headers={"Accept": TAXII}, auth=("", world.tokens["own"]), timeout=60)
    assert gone.status_code == 200
    assert versions_of(world, made, "own") == versions_of(world, made, "member") == 404
    assert "removed-by-steward" in post(world, "member", {"objects": [made]}).json()["failures"][0]["message"]


def test_taxii2_client_deletes_what_its_member_added(world):
    made = indicator("deleted", TLP2["GREEN"])
    later = {**made, "modified": "2026-04-01T00:00:00.000Z"}
    mine = collection(world, "member")
    assert mine.add_objects({"objects": [made, later]}).success_count == 2
    path = f"{world.base}/taxii2/root/collections/{world.community}/objects/{made['id']}/"
    delete = lambda who, **query: requests.delete(path, params=query, headers={"Accept": TAXII}, auth=("", world.tokens[who]), timeout=60)
    assert [delete(who).status_code for who in ("reader", "sensor", "stranger")] == [403, 403, 404]
    assert delete("member", **{"match[version]": "first"}).status_code == 400
    mine.delete_object(made["id"])
    for who in ("own", "member", "reader", "other"):
        reader = Reader(world.base, world.tokens[who])
        assert reader.get(f"collections/{world.community}/objects/{made['id']}/").status_code == 404
        assert made["id"] not in reader.ok(f"collections/{world.community}/manifest/", **{"match[version]": "all"}).text
    with pytest.raises(requests.HTTPError) as refused:
        mine.delete_object(made["id"])
    assert refused.value.response.status_code == 404
    assert outcome(post(world, "member", {"objects": [{**made, "modified": "2026-05-01T00:00:00.000Z"}]})) == ["withdrawn"]
    gone = collection(world, "own").add_objects({"objects": [indicator("after", TLP2["GREEN"])]})
    assert gone.success_count == 1, "the writer goes on"


# Codes -----------------------------------------------------------------------------------------------------


def test_rights(world):
    envelope = {"objects": [indicator("rights", TLP2["GREEN"])]}
    absent = str(uuid.uuid4())
    for who, where, wanted in [
        ("reader", None, 403), ("stranger", None, 404), ("own", absent, 404), ("sensor", None, 202), ("member", None, 202),
    ]:
        assert post(world, who, envelope, where).status_code == wanted, who
    base = f"{world.base}/taxii2/root/collections/{world.community}/"
    get = lambda who, path: requests.get(base + path, headers={"Accept": TAXII}, auth=("", world.tokens[who]), timeout=30).status_code
    assert [get("sensor", path) for path in ("", "objects/", "manifest/")] == [200, 403, 403]
    nobody = requests.post(base + "objects/", data="{}", headers={"Accept": TAXII, "Content-Type": TAXII}, timeout=30)
    assert nobody.status_code == 401 and "WWW-Authenticate" in nobody.headers


def test_media_types_and_sizes(world):
    ok = {"objects": []}
    assert post(world, "member", ok).status_code == 202
    for kind in ("application/taxii+json; version=2.1", "application/taxii+json"):
        assert post(world, "member", ok, Content_Type=kind).status_code == 202
    for kind in ("application/json", "application/taxii+json;version=2.0", "application/vnd.oasis.stix+json", None):
        assert post(world, "member", ok, Content_Type=kind).status_code == 415, kind
    assert post(world, "member", ok, Content_Encoding="gzip").status_code == 415
    assert post(world, "member", ok, Accept="text/html").status_code == 406
    root = requests.get(f"{world.base}/taxii2/root/", headers={"Accept": TAXII}, auth=("", world.tokens["member"]), timeout=30)
    limit = root.json()["max_content_length"]
    padded = lambda size: b'{"objects":[' + b" " * (size - 14) + b"]}"
    assert post(world, "member", padded(limit)).status_code == 202, "what is not larger is not too large"
    large = post(world, "member", padded(limit + 1))
    assert (large.status_code, large.json()["http_status"]) == (413, "413")

    def chunked():
        for _ in range(limit // (1 << 20) + 2):
            yield b" " * (1 << 20)

    answer = requests.post(
        f"{world.base}/taxii2/root/collections/{world.community}/objects/", data=chunked(),
        headers={"Accept": TAXII, "Content-Type": TAXII}, auth=("", world.tokens["member"]), timeout=60,
    )
    assert answer.status_code == 413, "counted while it comes"


@pytest.mark.parametrize("body", [
    b"", b"null", b"[]", b'"objects"', b"{", b'{"objects"', b'{"objects":', b'{"objects":[', b'{"objects":[{}', b'{"objects":[{}]',
    b'{"objects":[{"id":"', b'{"objects":{}}', b'{"objects":[]}{"objects":[]}', b'{"objects":[]}garbage', b"\xff\xfe\x00", b"\x1f\x8b\x08\x00",
    b"<html>", b"type=tool", b'{"type":"indicator","id":"indicator--1"}', b'{"objects":[}]}',
])
def test_unreadable_envelopes_are_422(world, body):
    answer = post(world, "member", body)
    assert (answer.status_code, answer.json()["http_status"]) == (422, "422"), answer.text


def test_bent_envelopes_are_answered(world):
    """A good envelope with bytes changed, lost and doubled: taken, told or refused, and the server goes on."""
    chance = random.Random(7)
    good = json.dumps({"objects": [indicator(f"bent-{n}", TLP2["GREEN"]) for n in range(4)]}).encode()
    seen = collections.Counter()
    for _ in range(300):
        bent = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(bent))
            match chance.randrange(4):
                case 0: bent[place] = chance.randrange(256)
                case 1: del bent[place : place + chance.randint(1, 40)]
                case 2: bent[place:place] = bent[place : place + chance.randint(1, 40)]
                case 3: bent[place:place] = chance.choice([b'"', b"\\", b"{", b"[[[[", b"]", b"}", b"\0", b"1e999", b"\\ud800"])
        answer = post(world, "member", bytes(bent))
        seen[answer.status_code] += 1
        if answer.status_code == 202:
            outcome(answer)
    assert set(seen) <= {202, 422} and len(seen) == 2, seen


def test_bodies_that_break_off(world):
    host, port = world.base.removeprefix("http://").split(":")
    body = json.dumps({"objects": [indicator("broken-off", TLP2["GREEN"])]}).encode()
    for sent in (0, 10, len(body) - 1):
        with socket.create_connection((host, int(port))) as line:
            head = (
                f"POST /taxii2/root/collections/{world.community}/objects/ HTTP/1.1\r\nHost: x\r\nAccept: {TAXII}\r\n"
                f"Content-Type: {TAXII}\r\nAuthorization: Bearer {world.tokens['member']}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            line.sendall(head.encode() + body[:sent])
    found = Reader(world.base, world.tokens["member"]).ok(f"collections/{world.community}/objects/").text
    assert "broken-off" not in found


# Beside others, and after the end --------------------------------------------------------------------------


def test_posts_and_imports_at_once(world):
    files = [bundle(world.directory / f"beside-{n}.json", [indicator(f"beside-{n}-{m}", TLP2["GREEN"]) for m in range(300)]) for n in range(4)]
    community = collection(world, "member")

    def send(n):
        made = [indicator(f"posted-{n}-{m}", TLP2["GREEN"]) for m in range(20)]
        answer = post(world, "member" if n % 2 else "own", {"objects": made})
        assert outcome(answer) == []
        return {o["id"] for o in made}

    holder = collections.namedtuple("Importing", "node")(world.node)
    with importing(holder, files, world.community), concurrent.futures.ThreadPoolExecutor(4) as pool:
        sent = set().union(*pool.map(send, range(24)))
    read = [o for page in as_pages(community.get_objects, per_request=500) for o in page["objects"]]
    assert set(collections.Counter(map(key, read)).values()) == {1}
    ids = {o["id"] for o in read}
    assert sent <= ids
    assert {o["id"] for file in files for o in json.loads(file.read_text())["objects"]} <= ids
    verified = polder("ledger", "verify", "--data", world.node.data, "--json")
    assert verified["verified"] is True


def test_statuses_and_objects_survive_a_restart(tmp_path):
    node = Node(tmp_path, "again")
    community = node.community("Again")
    token = node.token("own", None, None, "--write")
    make = lambda base: World(node, base, {"own": token}, community, None, tmp_path)
    made = indicator("again", TLP2["GREEN"])
    with node.serving() as base:
        status = post(make(base), "own", {"objects": [made, 7]}).json()
    with node.serving() as base:
        reader = Reader(base, token)
        assert reader.ok(f"status/{status['id']}/").json() == status
        assert objects_of(reader.ok(f"collections/{community}/objects/")) == [made]
        polder("token", "revoke", "--data", node.data, "--name", "own")
        assert post(make(base), "own", {"objects": [made]}).status_code == 401


def test_acknowledged_posts_survive_a_kill(tmp_path):
    node = Node(tmp_path, "killed")
    community = node.community("Killed")
    token = node.token("own", None, None, "--write")
    log = tmp_path / "log"
    with open(log, "wb") as out:
        server = subprocess.Popen([os.environ["POLDER_BIN"], "serve", "--data", node.data, "--listen", "127.0.0.1:0", "--http"], stdout=out, stderr=out)
    for _ in range(300):
        found = re.search(r"http://(127\.0\.0\.1:\d+)/taxii2/", log.read_text())
        if found:
            break
        time.sleep(0.1)
    world = World(node, f"http://{found[1]}", {"own": token}, community, None, tmp_path)
    acknowledged = set()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        def send(n):
            made = [indicator(f"killed-{n}-{m}", TLP2["GREEN"]) for m in range(50)]
            try:
                if post(world, "own", {"objects": made}).status_code == 202:
                    acknowledged.update(o["id"] for o in made)
            except requests.RequestException:
                pass

        sent = [pool.submit(send, n) for n in range(60)]
        while len(acknowledged) < 300:
            time.sleep(0.01)
        server.kill()
        concurrent.futures.wait(sent)
    server.wait(timeout=30)
    with node.serving() as base:
        reader = Reader(base, token)
        held = {o["id"] for page in reader.pages(f"collections/{community}/objects/") for o in objects_of(page)}
    assert acknowledged <= held
    assert len(held) % 50 == 0, "an envelope is wholly there or not at all"
    assert polder("ledger", "verify", "--data", node.data, "--json")["verified"] is True


def test_attack_by_post_is_byte_for_byte(tmp_path):
    source = pathlib.Path(os.environ["SHARED"]) / "data/attack/enterprise-attack-18.1.json.zst"
    texts = slices(unpack(source).decode())
    assert len(texts) == ATTACK_OBJECTS
    node = Node(tmp_path, "attack")
    token = node.token("own", None, None, "--write")
    with node.serving() as base:
        server = Server(f"{base}/taxii2/", user="taxii", password=token)
        home = server.default.collections[0].id
        line = http.client.HTTPConnection(base.removeprefix("http://"), timeout=60)
        for start in range(0, len(texts), 500):
            body = '{"objects":[' + ",".join(texts[start : start + 500]) + "]}"
            headers = {"Accept": TAXII, "Content-Type": TAXII, "Authorization": f"Bearer {token}"}
            line.request("POST", f"/taxii2/root/collections/{home}/objects/", body.encode(), headers)
            answer = line.getresponse()
            status = json.loads(answer.read())
            assert answer.status == 202 and status["failure_count"] == 0, status
        served = []
        for answer in Reader(base, token).pages(f"collections/{home}/objects/", limit=1000):
            served += slices(answer.content.decode("utf-8"))
    assert served == texts
