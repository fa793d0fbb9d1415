# SPDX-License-Identifier: Apache-2.0
"""What a hunt hands out, as the programs that take it in see it: OCSF by its own schema, sightings by the importer
of MISP, and MISP's warning lists as its own library reads them.

    POLDER_BIN=target/release/polder python -m pytest crates/hunt/tests/outside

POLDER_BIN  the program.
"""

import hashlib
import ipaddress
import json
import os
import pathlib
import random
import re
import subprocess

import jsonschema
import pymisp
import pymispwarninglists
import pytest
import stix2
from misp_stix_converter import ExternalSTIX2toMISPParser
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from stix2validator import ValidationOptions, validate_instance

POLDER = str(pathlib.Path(os.environ.get("POLDER_BIN", "target/release/polder")).resolve())
HUNT = pathlib.Path(__file__).parent.parent.parent
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
MD5, SHA1, SHA256 = (hashlib.new(name, b"a stolen design").hexdigest() for name in ("md5", "sha1", "sha256"))
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"

# Pattern, and what stands in the log. No name or address of anybody: RFC 2606, 5737, 3849.
SOUGHT = [
    ("ipv4-addr:value = '203.0.113.7'", "dstip=203.0.113.7", "ip-dst"),
    ("ipv4-addr:value = '198.51.100.0/24'", "dstip=198.51.100.23", "ip-dst"),
    ("ipv6-addr:value = '2001:db8::7'", "dstip=2001:db8::7", "ip-dst"),
    ("domain-name:value = 'evil.example'", "hostname=evil.example", "domain"),
    ("url:value = 'http://files.example/drop.bin'", "url=http://files.example/drop.bin", "url"),
    ("email-addr:value = 'thief@mail.example'", "sender=thief@mail.example", "email"),
    (f"file:hashes.MD5 = '{MD5}'", f"filehash={MD5}", "md5"),
    (f"file:hashes.'SHA-1' = '{SHA1}'", f"filehash={SHA1}", "sha1"),
    (f"file:hashes.'SHA-256' = '{SHA256}'", f"filehash={SHA256}", "sha256"),
]


def polder(folder, *args, codes=(0,)):
    """Runs polder in a folder; answers what it printed."""
    ran = subprocess.run([POLDER, *map(str, args)], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode in codes, f"{args}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def indicator(nth, pattern):
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{nth:012x}",
        "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z",
        "name": f"tool {nth} of a thief",
        "pattern": f"[{pattern}]",
        "pattern_type": "stix",
        "valid_from": "2024-01-01T00:00:00Z",
        "object_marking_refs": [GREEN if nth % 2 else AMBER],
    }


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node that hunted logs with an indicator of each kind, and with what each shipped rule is about."""
    folder = tmp_path_factory.mktemp("node")
    polder(folder, "init", "--data", "d", "--name", "Zuiderlicht", "--country", "NL", "--sector", "semiconductors")
    objects = [indicator(nth, pattern) for nth, (pattern, _, _) in enumerate(SOUGHT)]
    bundle = {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-0000000000ff", "objects": objects}
    (folder / "indicators.json").write_text(json.dumps(bundle))
    polder(folder, "import", "--data", "d", "indicators.json")
    logs = folder / "logs"
    logs.mkdir()
    firewall = "devname=gate-1 devid=FG100 logid=1 type=utm subtype=webfilter srcip=192.0.2.9 user=j.bakker"
    lines = [
        f"date=2026-03-0{1 + day} time=10:{nth:02}:00 tz=+0000 {firewall} {text}\n"
        for day in range(3)
        for nth, (_, text, _) in enumerate(SOUGHT)
    ]
    # So many others that no indicator is in more than 3 % of the lines.
    lines += [f"date=2026-03-04 time=10:00:00 tz=+0000 {firewall} dstip=192.0.2.{nth % 200}\n" for nth in range(3_000)]
    (logs / "gate.log").write_text("".join(lines))
    for log in sorted((HUNT / "packs").rglob("*.true.jsonl")):
        (logs / f"{log.parent.name}-{log.name}").write_bytes(log.read_bytes())
    # One address, many accounts: a detector's.
    spray = [
        f"Mar  5 03:{nth // 6:02}:{nth % 6 * 10:02} gate-1 sshd[999]: Failed password for invalid user u{nth} from 203.0.113.99 port 4022 ssh2\n"
        for nth in range(120)
    ]
    (logs / "auth.log").write_text("".join(spray))
    polder(folder, "hunt", "--data", "d", "logs", codes=(0, 3))
    return folder


def report(node, form, *args):
    return polder(node, "finding", "report", "--data", "d", "--format", form, *args, codes=(0, 3))


# OCSF ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def events(node):
    told = polder(node, "hunt", "--data", "d", "logs", "--anew", "--format", "ocsf", codes=(0, 3))
    return [json.loads(line) for line in told.splitlines()]


def resolved(event, name):
    """The values that a path of the event, as observables write it, stands for."""
    found = [event]
    for step in name.split("."):
        found = [value[step.removesuffix("[]")] for value in found if step.removesuffix("[]") in value]
        if step.endswith("[]"):
            found = [item for value in found for item in value]
    return found


def test_ocsf_has_findings_and_detections(events):
    kinds = {observable["type"] for event in events for observable in event.get("observables", [])}
    assert {"Hostname", "IP Address", "URL String", "Email Address", "Hash", "User Name"} <= kinds
    assert {event["finding_info"]["analytic"]["type_id"] for event in events} == {1, 2}, "rules, and detectors"
    assert sum("attacks" in event["finding_info"] for event in events) > 5
    assert len(events) > 30


def test_ocsf_is_valid_by_its_schema(events):
    """Every member is one that the class has, with the profiles that the event names."""
    validators = {}
    for event in events:
        version, profiles = event["metadata"]["version"], tuple(event["metadata"].get("profiles", []))
        if (version, profiles) not in validators:
            schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
            name = schemas.lookup_class_name_from_uid(class_uid=event["class_uid"])
            schema = schemas.get_class_schema(class_name=name, profiles=list(profiles))
            assert schema["additionalProperties"] is False
            validators[version, profiles] = jsonschema.Draft202012Validator(schema)
        errors = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in validators[version, profiles].iter_errors(event)]
        assert not errors, f"{errors}\n{event}"
    assert {profiles for _, profiles in validators} == {(), ("host",)}


def test_ocsf_names_are_the_captions_of_their_numbers(events):
    """Of a number and a name beside it the schema says which name goes with which number."""
    schema = get_ocsf_schema(version="1.3.0")
    event_class = schema["classes"]["detection_finding"]["attributes"]

    def check(attributes, value):
        for number, attribute in attributes.items():
            name = attribute.get("sibling") or (number.removesuffix("_id") if number.endswith("_id") else None)
            if number in value and name in value and "enum" in attribute and value[number] != 99:
                assert value[name] == attribute["enum"][str(value[number])]["caption"], value

    for event in events:
        check(event_class, event)
        check(schema["objects"]["analytic"]["attributes"], event["finding_info"]["analytic"])
        for observable in event.get("observables", []):
            check(schema["objects"]["observable"]["attributes"], observable)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["class_uid"] // 1000 == event["category_uid"]


def test_ocsf_observables_point_to_their_values(events):
    for event in events:
        for observable in event.get("observables", []):
            assert observable["value"] in resolved(event, observable["name"]), f"{observable}\n{event}"


# MISP ------------------------------------------------------------------------------------------------------


def in_misp(text):
    """The event that MISP's importer makes of a bundle: its attributes, those of its objects too."""
    parser = ExternalSTIX2toMISPParser()
    parser.load_stix_bundle(stix2.parse(text, allow_custom=False))
    parser.parse_stix_bundle()
    assert not parser.errors and not parser.warnings, (parser.errors, parser.warnings)
    event = parser.misp_event
    assert isinstance(event, pymisp.MISPEvent)
    event.from_json(event.to_json())
    attributes = [*event.attributes, *(a for made in event.objects for a in made.attributes)]
    return event, {a.value: a for a in attributes if a.type != "link"}


def test_misp_takes_in_sightings(node):
    text = report(node, "stix")
    result = validate_instance(json.loads(text), ValidationOptions(version="2.1"))
    assert result.is_valid, [f"{e}" for e in result.errors]
    _, attributes = in_misp(text)
    kinds = {value: a.type for value, a in attributes.items()}
    for _, told, kind in SOUGHT:
        value = told.split("=", 1)[1]
        assert kinds.get(value) == kind, f"{value}: {kinds}"
    for value, attribute in attributes.items():
        if attribute.type not in ("filename",):
            tags = {tag.name for tag in attribute.tags}
            assert tags & {"tlp:green", "tlp:amber"}, f"{value}: {tags}"


def test_misp_takes_in_anonymous_sightings(node):
    text = report(node, "stix", "--anonymous")
    event, attributes = in_misp(text)
    assert {"203.0.113.7", "198.51.100.23", MD5} <= set(attributes)
    assert "Zuiderlicht" not in event.to_json()


def test_misp_puts_sightings_to_their_indicators(node):
    """A receiver who holds the indicators: each sighting stands with its own, under the name of who saw it.

    The importer makes one attribute of an observed value and an indicator of the same value, and keeps no sighting
    with it; so it is shown here without the observed data, which `test_misp_takes_in_sightings` looks at.
    """
    bundle = json.loads(report(node, "stix"))
    bundle["objects"] = [made for made in bundle["objects"] if made["type"] in ("sighting", "identity")]
    bundle["objects"] += json.loads((node / "indicators.json").read_text())["objects"]
    event, _ = in_misp(json.dumps(bundle))
    seen = {a.value: [sighting.Organisation["name"] for sighting in a.sightings] for a in event.attributes}
    assert seen == {value: ["Zuiderlicht"] for value in seen}
    assert len(seen) == len(SOUGHT)


# Warning lists ---------------------------------------------------------------------------------------------

LISTS = pathlib.Path(pymispwarninglists.__file__).parent / "data" / "misp-warninglists" / "lists"
# Of MISP's attribute types those of an address and of a name, alone or beside another.
ATTRIBUTES = {
    "ip": {"ip-src", "ip-dst", "domain|ip", "ip-src|port", "ip-dst|port"},
    "domain": {"domain", "hostname", "domain|ip", "hostname|port"},
}


@pytest.fixture(scope="module")
def warned(tmp_path_factory):
    """A node with all lists that the library ships, and what it said when it took them in."""
    folder = tmp_path_factory.mktemp("warned")
    polder(folder, "init", "--data", "d", "--name", "Zuiderlicht", "--country", "NL", "--sector", "semiconductors")
    told = polder(folder, "warninglists", "import", LISTS, "--data", "d", "--json", codes=(0, 3))
    return folder, [json.loads(line) for line in told.splitlines()]


def test_published_warning_lists_are_taken_in_whole(warned):
    _, lines = warned
    theirs = {path.parent.name: json.loads(path.read_text()) for path in LISTS.glob("*/list.json")}
    held = {line["name"]: line for line in lines if "entries" in line}
    assert len(theirs) > 100 and set(held) == set(theirs)
    for name, line in held.items():
        assert theirs[name]["name"].startswith(line["title"].removesuffix("…")) and line["version"] == theirs[name]["version"]
        # An entry that stands there twice is one.
        assert line["entries"] in (len(theirs[name]["list"]), len({entry.strip().lower() for entry in theirs[name]["list"]})), name


def of_lists(lists, seed):
    """Addresses and names that stand on lists, or below a name there, and as many that may not."""
    addresses, names = set(), set()
    for warning in lists:
        entries = seed.sample(warning.list, min(4, len(warning.list)))
        for entry in entries:
            entry = entry.strip().lower()
            try:
                network = ipaddress.ip_network(entry, strict=False)
                addresses.add(str(network[seed.randrange(network.num_addresses)]))
                continue
            except ValueError:
                pass
            if re.fullmatch(r"([a-z0-9-]{1,63}\.)+(com|net|org|de|nl|fr|io)", entry):
                names.update([entry, f"below.{entry}"])
    for _ in range(300):
        addresses.add(str(ipaddress.ip_address(seed.randrange(0x0B000000, 0xDF000000))))
        names.add(f"{seed.randrange(1 << 40):x}.example{seed.randrange(1 << 20):x}.{seed.choice(['com', 'net', 'nl'])}")
    return sorted(addresses), sorted(names)


def test_the_library_and_the_hunt_warn_of_the_same(tmp_path):
    # It walks a list of names for each question: the longest lists are left to the test above. And its search knows
    # no regular expressions: what one of those might hold is not asked.
    paths = [path for path in sorted(LISTS.glob("*/list.json")) if path.stat().st_size < 250_000]
    read = [json.loads(path.read_text()) for path in paths]
    library = list(pymispwarninglists.WarningLists(slow_search=True, lists=read).values())
    assert len(library) > 80
    for path in paths:
        (tmp_path / "lists" / path.parent.name).mkdir(parents=True)
        (tmp_path / "lists" / path.parent.name / path.name).write_bytes(path.read_bytes())
    polder(tmp_path, "init", "--data", "d", "--name", "Zuiderlicht", "--country", "NL", "--sector", "semiconductors")
    polder(tmp_path, "warninglists", "import", "lists", "--data", "d", codes=(0, 3))

    expressions = [re.compile(entry.strip("/"), re.I) for w in library if w.type == "regex" for entry in w.list]
    addresses, names = of_lists([w for w in library if w.type != "regex"], random.Random(20261128))
    values = [("ip", value) for value in addresses] + [("domain", value) for value in names]
    values = [(kind, value) for kind, value in values if not any(e.search(value) for e in expressions)]
    warned_of = {
        value: [w.name for w in library if ATTRIBUTES[kind] & set(getattr(w, "matching_attributes", [])) and value in w]
        for kind, value in values
    }

    (tmp_path / "list.txt").write_text("".join(f"{value}\n" for value in warned_of))
    fields = {"ip": "dstip", "domain": "hostname"}
    firewall = "devname=gate-1 devid=FG100 logid=1 type=utm subtype=webfilter srcip=192.0.2.9"
    lines = [f"date=2026-03-01 time=10:00:00 tz=+0000 {firewall} {fields[kind]}={value}\n" for kind, value in values]
    (tmp_path / "gate.log").write_text("".join(lines))
    told = polder(tmp_path, "hunt", "--data", "d", "--indicators", "list.txt", "--no-packs", "--format", "json", "gate.log", codes=(0, 3))
    found = {line["value"] for line in map(json.loads, told.splitlines()) if line["type"] == "finding"}
    wrong = {value: lists for value, lists in warned_of.items() if (value in found) == bool(lists)}
    harmless = sum(map(bool, warned_of.values()))
    assert not wrong, f"{len(wrong)} of {len(values)}: {dict(list(wrong.items())[:20])}"
    assert harmless > 200 and len(values) - harmless > 400, (harmless, len(values))
