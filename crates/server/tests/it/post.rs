// SPDX-License-Identifier: Apache-2.0
//! POST and status (TAXII 2.1 sections 4.3 and 5.5).

use axum::body::Body;
use axum::http::StatusCode;
use exchange::command::{new_community, with_role};
use exchange::limits::{ENVELOPE_OBJECTS_MAX, STATUS_SUCCESSES_MAX};
use exchange::query::{Permitted, community_document};
use exchange::recall::{OwnRecords, Standing};
use exchange::standard::identity::identity_id;
use exchange::token::Rights;
use ledger::recall::Act;
use ledger::sql::{EngineError, Flow, Read, Row, Value as SqlValue};
use model::marking::Tlp;
use model::stix::Object;
use model::time::Timestamp;
use policy::{Reader, Role};
use serde_json::{Value, json};
use server::limits::CONTENT_BYTES_MAX;

use crate::face::{Answer, Face, TAXII, makers, own_collection, request, writer};
use crate::node::{START, community, id, member, tlp};

/// A tool: `minute` is its version.
fn tool(n: u8, minute: u32, label: Option<Tlp>) -> Value {
    let modified = format!("2026-02-01T00:{minute:02}:00.000Z");
    let mut tool = json!({
        "type": "tool", "spec_version": "2.1", "id": id("tool", n), "created": "2026-02-01T00:00:00.000Z",
        "modified": modified, "name": format!("tool {n}"),
    });
    if let Some(label) = label {
        tool["object_marking_refs"] = json!([label.stix_id()]);
    }
    tool
}

fn green(n: u8, minute: u32) -> Value {
    tool(n, minute, Some(Tlp::Green))
}

fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

fn envelope(objects: &[Value]) -> String {
    json!({ "objects": objects }).to_string()
}

/// The status of a POST that was taken; it adds up.
#[track_caller]
fn status(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let status = answer.json();
    let count = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(status["status"], "complete");
    assert_eq!(
        count("total_count"),
        count("success_count") + count("failure_count") + count("pending_count")
    );
    for (list, number) in [("successes", "success_count"), ("failures", "failure_count")] {
        let listed = status.get(list).map_or(0, |list| list.as_array().unwrap().len() as u64);
        assert!(listed == count(number) || (list == "successes" && listed == 0), "{list}: {status}");
        assert_ne!(status.get(list), Some(&json!([])), "empty lists are forbidden");
    }
    status
}

/// Code of the only failure.
#[track_caller]
fn failure(answer: &Answer) -> String {
    let status = status(answer);
    assert_eq!((&status["total_count"], &status["failure_count"]), (&json!(1), &json!(1)), "{status}");
    let message = status["failures"][0]["message"].as_str().unwrap();
    message.split_once(": ").unwrap().0.to_owned()
}

#[track_caller]
fn successes(answer: &Answer, count: u64) -> Value {
    let status = status(answer);
    assert_eq!(
        (&status["total_count"], &status["success_count"]),
        (&json!(count), &json!(count)),
        "{status}"
    );
    status
}

#[tokio::test]
async fn good_objects_are_kept_and_bad_ones_told() {
    let face = Face::new();
    let (writer, reader) = (face.writing(2), face.token(1, None));
    let objects = [
        green(1, 0),
        json!({"type": "tool", "id": "no id"}),
        with(green(2, 0), "modified", "2025-01-01T00:00:00Z"),
        json!(7),
        green(3, 0),
        with(green(4, 0), "created", "soon"),
    ];
    let answer = face.post(&writer, &makers(), envelope(&objects)).await;
    let status = status(&answer);
    assert_eq!(status["success_count"], 2);
    let ids = |list: &str| -> Vec<String> {
        let details = status[list].as_array().unwrap().iter();
        details.map(|d| d["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("successes"), [id("tool", 1), id("tool", 3)]);
    assert_eq!(ids("failures")[..2], ["no id".to_owned(), id("tool", 2)]);
    assert!(ids("failures")[2].starts_with("object 4 "), "{status}");
    assert_eq!(ids("failures")[3], id("tool", 4));
    let codes: Vec<&str> = status["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["message"].as_str().unwrap().split_once(": ").unwrap().0)
        .collect();
    assert_eq!(codes, ["bad-id", "modified-before-created", "not-an-object", "bad-timestamp"]);
    assert!(
        status["failures"].as_array().unwrap().iter().all(|d| d["message"].as_str().unwrap().contains("; "))
    );
    assert_eq!(status["successes"][0]["version"], "2026-02-01T00:00:00.000Z");
    assert_eq!(status["failures"][3]["version"], "1970-01-01T00:00:00.000Z");
    let page = face.get(&reader, &format!("{}objects/?match[type]=tool", makers())).await;
    assert_eq!(page.ids(), [id("tool", 1), id("tool", 3)]);
    assert!(page.text.contains(&green(1, 0).to_string()), "byte for byte");
}

#[tokio::test]
async fn sent_again_is_a_success_and_changed_a_conflict() {
    let face = Face::new();
    let writer = face.writing(2);
    let post = async |object: Value| face.post(&writer, &makers(), envelope(&[object])).await;
    successes(&post(green(1, 5)).await, 1);
    successes(&post(green(1, 5)).await, 1);
    // The same content in other bytes.
    let spaced = format!("{{\"objects\": [ {} ]}}", serde_json::to_string_pretty(&green(1, 5)).unwrap());
    successes(&face.post(&writer, &makers(), spaced).await, 1);
    assert_eq!(failure(&post(with(green(1, 5), "name", "other")).await), "version-conflict");
    successes(&post(green(1, 3)).await, 1);
    successes(&post(green(1, 9)).await, 1);
    let versions = face.get(&writer, &format!("{}objects/{}/versions/", makers(), id("tool", 1))).await;
    let minutes = ["00:05", "00:03", "00:09"].map(|m| format!("2026-02-01T{m}:00.000Z"));
    assert_eq!(versions.json()["versions"], json!(minutes), "in the order in which they came");
    let newest = face.get(&writer, &format!("{}objects/?match[id]={}", makers(), id("tool", 1))).await;
    assert_eq!(newest.json()["objects"][0]["modified"], minutes[2], "an older one is not the newest");
    // All of it within one envelope.
    let both = envelope(&[green(2, 0), green(2, 0), with(green(2, 0), "name", "other")]);
    let status = status(&face.post(&writer, &makers(), both).await);
    assert_eq!((&status["success_count"], &status["failure_count"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn nothing_follows_a_revocation_and_definitions_never_change() {
    let face = Face::new();
    let writer = face.writing(2);
    let post = async |object: Value| face.post(&writer, &makers(), envelope(&[object])).await;
    successes(&post(green(1, 0)).await, 1);
    successes(&post(with(green(1, 5), "revoked", true)).await, 1);
    assert_eq!(failure(&post(green(1, 9)).await), "revoked");
    successes(&post(green(1, 2)).await, 1);
    let definition = json!({
        "type": "marking-definition", "spec_version": "2.1", "id": id("marking-definition", 9),
        "created": "2026-02-01T00:00:00.000Z", "definition_type": "statement",
        "definition": {"statement": "ours"}, "object_marking_refs": [Tlp::Green.stix_id()],
    });
    successes(&post(definition.clone()).await, 1);
    let changed = with(definition.clone(), "definition", json!({"statement": "theirs"}));
    assert_eq!(failure(&post(changed).await), "marking-definition-changed");
    let modified = with(definition, "modified", "2026-02-02T00:00:00.000Z");
    assert_eq!(failure(&post(modified).await), "marking-definition-changed");
}

#[tokio::test]
async fn only_the_creator_makes_versions() {
    let face = Face::new();
    let (first, second, own) = (face.writing(1), face.writing(2), face.writing(3));
    let post = async |token: &str, object: Value| face.post(token, &makers(), envelope(&[object])).await;
    successes(&post(&first, green(1, 0)).await, 1);
    assert_eq!(failure(&post(&second, green(1, 5)).await), "created-by-other");
    assert_eq!(failure(&post(&second, with(green(1, 0), "name", "x")).await), "created-by-other");
    successes(&post(&second, green(1, 0)).await, 1);
    // As somebody else's, an object is not one's own either.
    let claimed = with(green(2, 0), "created_by_ref", identity_id(member(1)));
    assert_eq!(failure(&post(&second, claimed.clone()).await), "created-by-other");
    successes(&post(&first, claimed.clone()).await, 1);
    successes(&post(&second, claimed).await, 1);
    successes(&post(&second, with(green(3, 0), "created_by_ref", identity_id(member(2)))).await, 1);
    successes(&post(&second, with(green(4, 0), "created_by_ref", id("identity", 77))).await, 1);
    // An observable belongs to nobody.
    let address = json!({
        "type": "ipv4-addr", "spec_version": "2.1", "id": id("ipv4-addr", 1), "value": "192.0.2.1",
        "object_marking_refs": [Tlp::Green.stix_id()],
    });
    successes(&post(&first, address.clone()).await, 1);
    successes(&post(&second, with(address, "x_note", "seen too")).await, 1);
    // Member 3 may not read any of it: nothing tells him that it is there.
    let private = format!("/taxii2/root/collections/{}/", exchange::view::collection_uuid(&theirs()));
    successes(&face.post(&own, &private, envelope(&[green(1, 5)])).await, 1);
}

fn theirs() -> model::head::Audience {
    model::head::Audience::Organisation(member(3))
}

#[tokio::test]
async fn a_copy_goes_no_further_than_the_original() {
    let face = Face::new();
    let (first, second, stranger) = (face.writing(1), face.writing(2), face.writing(3));
    // What holds for it stands beside the object, not in it.
    let run = json!([{"marking": "TLP:AMBER", "marking_ref": Tlp::Amber.stix_id(), "first": 0, "last": 0}]);
    let clear = tool(1, 0, Some(Tlp::Clear));
    let amber = json!({"x_polder_markings": run, "objects": [clear]}).to_string();
    successes(&face.post(&first, &makers(), amber).await, 1);
    successes(&face.post(&second, &makers(), envelope(&[clear])).await, 1);
    let page = face.get(&stranger, &format!("{}objects/?match[type]=tool", makers())).await;
    assert_eq!(page.ids(), [""; 0], "the copy is AMBER too");
}

/// Not only no looser: also to nobody to whom its label does not let its recipient pass it on.
#[tokio::test]
async fn a_copy_goes_to_nobody_who_was_not_to_have_it() {
    let face = Face::appended();
    let ring = new_community(community(2), "ring", [member(1), member(2), member(3)].into(), "").unwrap();
    face.document(ring, START);
    let (author, copier, third) = (face.writing(4), face.writing(2), face.writing(3));
    let ring = format!("/taxii2/root/collections/{}/", community(2));
    let private = exchange::view::collection_uuid(&model::head::Audience::Organisation(member(2)));
    let private = format!("/taxii2/root/collections/{private}/");
    let labels = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict];
    let tools: Vec<Value> = labels.iter().zip(1..).map(|(label, n)| tool(n, 0, Some(*label))).collect();
    successes(&face.post(&author, &makers(), envelope(&tools)).await, 4);
    // What holds for it stands beside the object: the bytes say less.
    let bare = tool(5, 0, Some(Tlp::Clear));
    let run = json!([{"marking": "TLP:AMBER", "marking_ref": Tlp::Amber.stix_id(), "first": 0, "last": 0}]);
    let beside = json!({"x_polder_markings": run, "objects": [bare]}).to_string();
    successes(&face.post(&author, &makers(), beside).await, 1);
    let tools = [tools, vec![bare]].concat();
    for object in &tools[2..] {
        let answer = face.post(&copier, &ring, envelope(std::slice::from_ref(object))).await;
        assert_eq!(failure(&answer), "copy-goes-further");
    }
    // CLEAR goes anywhere, GREEN to the communities of its recipients.
    successes(&face.post(&copier, &ring, envelope(&tools[..2])).await, 2);
    // To those who have it, and to one's own organisation, all of it; and then no way round by that.
    successes(&face.post(&copier, &makers(), envelope(&tools)).await, 5);
    successes(&face.post(&copier, &private, envelope(&tools)).await, 5);
    let answer = face.post(&copier, &ring, envelope(&tools[2..3])).await;
    assert_eq!(failure(&answer), "copy-goes-further");
    let page = face.get(&third, &format!("{ring}objects/?match[type]=tool")).await;
    assert_eq!(page.ids(), [id("tool", 1), id("tool", 2)]);
}

/// An object may have any number of versions: a posted one is not compared with each of them.
#[tokio::test]
async fn a_posted_version_is_not_held_against_every_other() {
    use exchange::intake::{Claim, Creators};
    let face = Face::appended();
    let author = face.writing(4);
    let versions: Vec<Value> = (0..50).map(|minute| green(1, minute)).collect();
    successes(&face.post(&author, &makers(), envelope(&versions)).await, 50);
    let makers = model::head::Audience::Community(community(1));
    let reader =
        Reader { communities: [community(1)].into(), ..Reader::service(member(2), Tlp::AmberStrict) };
    let rows = face.node.store.read(|read| {
        let mut creators = Creators::of(read, &reader, member(1))?;
        let mut counting = Counting { read, rows: 0 };
        for version in &versions {
            let body = version.to_string().into_bytes();
            let object = Object::parse(&body, "here", &mut Vec::new()).unwrap();
            let claim = creators.claim(&mut counting, &object, &body, &makers)?;
            assert!(matches!(claim, Claim::Copy(_)), "{claim:?}");
        }
        Ok::<_, EngineError>(counting.rows)
    });
    // All of them once, and then of each its own row and body.
    assert_eq!(rows.unwrap(), 50 + 2 * 50);
}

/// Counts rows.
struct Counting<'a> {
    read: &'a mut dyn Read,
    rows: usize,
}

impl Read for Counting<'_> {
    fn query(
        &mut self,
        sql: &'static str,
        args: &[SqlValue<'_>],
        on_row: &mut dyn FnMut(&dyn Row) -> Result<Flow, EngineError>,
    ) -> Result<(), EngineError> {
        let rows = &mut self.rows;
        self.read.query(sql, args, &mut |row| {
            *rows += 1;
            on_row(row)
        })
    }
}

#[tokio::test]
async fn what_marks_an_object_may_stand_behind_it() {
    let face = Face::new();
    let (writer, reader) = (face.writing(2), face.token(1, None));
    let definition = json!({
        "type": "marking-definition", "spec_version": "2.1", "id": id("marking-definition", 5),
        "created": "2026-02-01T00:00:00.000Z", "definition_type": "statement",
        "definition": {"statement": "ours"}, "object_marking_refs": [Tlp::Green.stix_id()],
    });
    let refs = json!([Tlp::Green.stix_id(), id("marking-definition", 5)]);
    let marked = with(tool(1, 0, None), "object_marking_refs", refs);
    let unknown = with(
        tool(2, 0, None),
        "object_marking_refs",
        json!([Tlp::Green.stix_id(), id("marking-definition", 6)]),
    );
    let posted =
        face.post(&writer, &makers(), envelope(&[marked, unknown, tool(3, 0, None), definition])).await;
    let status = successes(&posted, 4);
    let message = |n: usize| status["successes"][n]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!((message(0), message(3)), (String::new(), String::new()), "{status}");
    assert!(message(1).starts_with("marking-unknown: "), "{status}");
    assert!(message(2).starts_with("unmarked-stays: "), "{status}");
    let page = face.get(&reader, &format!("{}objects/?match[type]=tool", makers())).await;
    assert_eq!(page.ids(), [id("tool", 1)], "the others stay with their author");
    let mine = face.get(&writer, &format!("{}objects/?match[type]=tool", makers())).await;
    assert_eq!(mine.ids(), [id("tool", 1), id("tool", 2), id("tool", 3)]);
    // At home nothing is said of what stays at home.
    let home = face.post(&face.writing(1), &own_collection(), envelope(&[tool(4, 0, None)])).await;
    assert_eq!(successes(&home, 1)["successes"][0].get("message"), None);
}

#[tokio::test]
async fn envelopes_that_cannot_be_read_leave_nothing() {
    let face = Face::new();
    let writer = face.writing(2);
    let good = green(1, 0).to_string();
    let wrap = |inside: &str| format!("{{\"objects\":[{inside}]}}");
    let bad = [
        String::new(),
        "  ".into(),
        "null".into(),
        "7".into(),
        "[]".into(),
        format!("[{good}]"),
        good.clone(),
        wrap(&good).trim_end_matches("]}").to_owned(),
        wrap(&good).trim_end_matches('}').to_owned(),
        wrap(&good[..good.len() - 1]),
        format!("{} {}", wrap(&good), wrap(&good)),
        format!("{}x", wrap(&good)),
        "{\"objects\":{}}".into(),
        "{\"objects\":7}".into(),
        "{\"objects\"}".into(),
        "objects=1".into(),
        "<xml/>".into(),
        "\u{0}".into(),
        "{\"objects\":[".repeat(50),
    ];
    for body in bad {
        let answer = face.post(&writer, &makers(), body.clone()).await;
        assert_eq!(answer.status.as_u16(), 422, "{body}");
        assert_eq!(answer.json()["http_status"], "422");
        assert_eq!(answer.header("content-type"), Some(TAXII));
    }
    let not_text = face.post(&writer, &makers(), vec![0xff, 0xfe, b'{']).await;
    assert_eq!(not_text.status.as_u16(), 422);
    let page = face.get(&writer, &format!("{}objects/?match[type]=tool", makers())).await;
    assert_eq!(page.ids(), [""; 0]);
    for empty in ["{}", "{\"objects\":[]}", "{\"more\":false}", "\u{feff}{\"objects\" : [ ] }"] {
        successes(&face.post(&writer, &makers(), empty).await, 0);
    }
    // What an object holds is told of that object, and the others are kept.
    let invalid = [b"{\"objects\":[{\"a\":\"\xff\"},".as_slice(), good.as_bytes(), b"]}"].concat();
    let status = status(&face.post(&writer, &makers(), invalid).await);
    assert_eq!((&status["success_count"], &status["failure_count"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn too_many_objects_are_refused_at_the_edge() {
    let face = Face::new();
    let writer = face.writing(2);
    let many = |n: u64| format!("{{\"objects\":[{}0]}}", "0,".repeat(n as usize - 1));
    let status = status(&face.post(&writer, &makers(), many(ENVELOPE_OBJECTS_MAX)).await);
    assert_eq!(status["failure_count"], ENVELOPE_OBJECTS_MAX);
    let over = face.post(&writer, &makers(), many(ENVELOPE_OBJECTS_MAX + 1)).await;
    assert_eq!(over.status.as_u16(), 422);
}

#[tokio::test]
async fn a_list_is_as_long_as_its_count_or_absent() {
    let face = Face::new();
    let writer = face.writing(2);
    let mut objects = Vec::new();
    for n in 0..=STATUS_SUCCESSES_MAX {
        let value = format!("192.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
        let uuid = format!("00000000-0000-5000-8000-{n:012x}");
        objects.push(json!({"type": "ipv4-addr", "spec_version": "2.1", "id": format!("ipv4-addr--{uuid}"), "value": value}));
    }
    let all = status(&face.post(&writer, &makers(), envelope(&objects)).await);
    assert_eq!((&all["success_count"], all.get("successes")), (&json!(objects.len()), None));
    objects.pop();
    let fewer = status(&face.post(&writer, &makers(), envelope(&objects)).await);
    assert_eq!(fewer["successes"].as_array().unwrap().len(), STATUS_SUCCESSES_MAX);
}

#[tokio::test]
async fn rights_decide_before_a_byte_is_read() {
    let face = Face::new();
    let good = envelope(&[green(1, 0)]);
    let only = Rights { read: false, write: true };
    let writes = face.token_with(2, Some(Tlp::AmberStrict), only);
    let absent = "/taxii2/root/collections/00000000-0000-4000-8000-000000000000/".to_owned();
    for (token, path, wanted) in [
        (face.token(2, None), makers(), 403),
        (face.writing(3), makers(), 403),
        (face.token_with(3, None, only), makers(), 404),
        (face.writing(2), own_collection(), 404),
        (face.writing(2), absent, 404),
        (writes.clone(), makers(), 202),
    ] {
        let answer = face.post(&token, &path, good.clone()).await;
        assert_eq!(answer.status.as_u16(), wanted, "{path}: {}", answer.text);
    }
    let collection = face.get(&writes, &makers()).await.json();
    assert_eq!((&collection["can_read"], &collection["can_write"]), (&json!(false), &json!(true)));
    for path in ["objects/", "manifest/", &format!("objects/{}/", id("tool", 1))] {
        assert_eq!(face.get(&writes, &format!("{}{path}", makers())).await.status.as_u16(), 403, "{path}");
    }
    let both = face.get(&face.writing(2), &makers()).await.json();
    assert_eq!((&both["can_read"], &both["can_write"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let face = Face::new();
    let writer = face.writing(2);
    let send = async |kind: Option<&str>, encoding: Option<&str>, accept: Option<&str>| {
        let mut request = request("POST", &format!("{}objects/", makers()), Some(&writer));
        let headers = request.headers_mut();
        kind.map(|kind| headers.insert("content-type", kind.parse().unwrap()));
        encoding.map(|encoding| headers.insert("content-encoding", encoding.parse().unwrap()));
        headers.remove("accept");
        accept.map(|accept| headers.insert("accept", accept.parse().unwrap()));
        *request.body_mut() = Body::from("{}");
        face.send(request).await.status.as_u16()
    };
    assert_eq!(send(Some(TAXII), None, Some(TAXII)).await, 202);
    assert_eq!(send(Some("application/taxii+json"), Some("identity"), Some("*/*")).await, 202);
    assert_eq!(send(None, None, Some(TAXII)).await, 415);
    assert_eq!(send(Some("application/json"), None, Some(TAXII)).await, 415);
    assert_eq!(send(Some("application/taxii+json;version=2.0"), None, Some(TAXII)).await, 415);
    assert_eq!(send(Some(TAXII), Some("gzip"), Some(TAXII)).await, 415);
    assert_eq!(send(Some(TAXII), None, None).await, 406);
    assert_eq!(send(Some(TAXII), None, Some("text/html")).await, 406);

    let filled = |bytes: usize| {
        let start = "{\"objects\":[";
        format!("{start}{}]}}", " ".repeat(bytes - start.len() - 2))
    };
    successes(&face.post(&writer, &makers(), filled(CONTENT_BYTES_MAX)).await, 0);
    let over = face.post(&writer, &makers(), filled(CONTENT_BYTES_MAX + 1)).await;
    assert_eq!(over.status.as_u16(), 413);
    // What is said of the length is believed before anything is read.
    let mut told = request("POST", &format!("{}objects/", makers()), Some(&writer));
    told.headers_mut().insert("content-type", TAXII.parse().unwrap());
    told.headers_mut().insert("content-length", (CONTENT_BYTES_MAX + 1).into());
    assert_eq!(face.send(told).await.status.as_u16(), 413);
}

#[tokio::test]
async fn a_status_is_for_its_credential_and_a_day() {
    let face = Face::new();
    let (writer, other) = (face.writing(2), face.writing(2));
    let posted = status(&face.post(&writer, &makers(), envelope(&[green(1, 0), json!({})])).await);
    let path = format!("/taxii2/root/status/{}/", posted["id"].as_str().unwrap());
    let again = face.get(&writer, &path).await;
    assert_eq!((again.status, &again.json()), (StatusCode::OK, &posted));
    assert_eq!(again.header("content-type"), Some(TAXII));
    assert_eq!(face.get(&other, &path).await.status, StatusCode::NOT_FOUND);
    let upper = path.to_uppercase().replace("/TAXII2/ROOT/STATUS/", "/taxii2/root/status/");
    for absent in
        ["/taxii2/root/status/x/", "/taxii2/root/status/00000000-0000-4000-8000-000000000000/", &upper]
    {
        assert_eq!(face.get(&writer, absent).await.status, StatusCode::NOT_FOUND);
    }
    assert!(face.get(&writer, &path).await.status.is_success(), "asking takes nothing away");
}

#[tokio::test]
async fn an_author_takes_back_what_he_added() {
    let face = Face::appended();
    let (author, other, reader) = (face.writing(2), face.writing(4), face.token(1, None));
    let sensor = face.token_with(2, Some(Tlp::AmberStrict), Rights { read: false, write: true });
    for object in [green(1, 0), green(1, 5), green(2, 0)] {
        successes(&face.post(&author, &makers(), envelope(&[object])).await, 1);
    }
    let path = |n: u8| format!("{}objects/{}/", makers(), id("tool", n));
    let delete = async |token: &str, path: &str| {
        let answer = face.send(request("DELETE", path, Some(token))).await;
        (answer.status.as_u16(), answer.text)
    };
    for (token, path, wanted) in [
        (&reader, path(1), 403),
        (&sensor, path(1), 403),
        (&other, path(1), 403),
        (&face.writing(3), path(1), 404),
        (&author, path(9), 404),
        (&author, path(1).replace(&makers(), &own_collection()), 404),
        (&author, format!("{}?match[version]=last", path(1)), 400),
        (&author, format!("{}?match[version]=all&match[version]=all", path(9)), 404),
    ] {
        assert_eq!(delete(token, &path).await.0, wanted, "{path}");
    }
    assert_eq!(delete(&author, &path(1)).await, (200, String::new()));
    for token in [&author, &reader] {
        assert_eq!(face.get(token, &path(1)).await.status, StatusCode::NOT_FOUND);
        let manifest =
            face.get(token, &format!("{}manifest/?match[type]=tool&match[version]=all", makers())).await;
        assert_eq!(manifest.ids(), [id("tool", 2)]);
    }
    assert_eq!(delete(&author, &path(1)).await.0, 404);
    assert_eq!(failure(&face.post(&author, &makers(), envelope(&[green(1, 9)])).await), "withdrawn");
    assert_eq!(delete(&author, &format!("{}?match[version]=all", path(2))).await.0, 200);
}

/// Gives a member of community 1 a role.
fn give(face: &Face, to: u8, role: Role, version: i64) {
    let current = face.node.store.read(|read| community_document(read, community(1))).unwrap().unwrap();
    face.document(with_role(&current, member(to), role).unwrap(), version);
}

#[tokio::test]
async fn an_observer_reads_and_adds_nothing() {
    let face = Face::appended();
    let token = face.writing(4);
    successes(&face.post(&token, &makers(), envelope(&[green(1, 0)])).await, 1);
    give(&face, 4, Role::Observer, START + 1);
    assert_eq!(face.post(&token, &makers(), envelope(&[green(2, 0)])).await.status, StatusCode::FORBIDDEN);
    let collection = face.get(&token, &makers()).await.json();
    assert_eq!((&collection["can_read"], &collection["can_write"]), (&json!(true), &json!(false)));
    assert_eq!(face.get(&token, &format!("{}objects/", makers())).await.ids(), [id("tool", 1)]);
}

/// It goes out of that collection, stays its author's, and comes back neither by another version, nor by an
/// act of its author, nor when the view is made anew.
#[tokio::test]
async fn a_steward_takes_anothers_object_out_of_the_collection_alone() {
    let face = Face::appended();
    let (author, steward, reader) = (face.writing(2), face.writing(4), face.token(1, None));
    for object in [green(1, 0), green(1, 5), green(2, 0)] {
        successes(&face.post(&author, &makers(), envelope(&[object])).await, 1);
    }
    let path = format!("{}objects/{}/", makers(), id("tool", 1));
    assert_eq!(face.send(request("DELETE", &path, Some(&steward))).await.status, StatusCode::FORBIDDEN);
    give(&face, 4, Role::Steward, START + 1);
    assert_eq!(face.send(request("DELETE", &path, Some(&steward))).await.status, StatusCode::OK);
    assert_eq!(face.send(request("DELETE", &path, Some(&steward))).await.status, StatusCode::NOT_FOUND);
    let all = format!("{}manifest/?match[version]=all", makers());
    let own = face.node.store.read(|read| OwnRecords::of(read, member(2), &id("tool", 1))).unwrap();
    assert_eq!(own.count(), 2, "its author goes on holding it");
    for minute in [0, 9] {
        let again = face.post(&author, &makers(), envelope(&[green(1, minute)])).await;
        assert_eq!(failure(&again), "removed-by-steward");
    }
    let narrow = Act::Narrow { marking: tlp(Tlp::Amber), audience: None };
    let acts = own.recall(&narrow, "", Timestamp::from_micros(START), &mut |bytes| bytes.fill(7));
    writer(&face.node.store).submit(acts).wait().unwrap();
    for _ in 0..2 {
        for token in [&author, &steward, &reader] {
            assert_eq!(face.get(token, &path).await.status, StatusCode::NOT_FOUND);
            assert_eq!(face.get(token, &all).await.ids(), [id("tool", 2)]);
        }
        face.node.store.rebuild_all(&mut |_| Flow::Continue).unwrap();
    }
}

/// Who writes such a record without being steward has written it in vain.
#[tokio::test]
async fn a_removal_by_who_is_no_steward_removes_nothing() {
    let face = Face::appended();
    let author = face.writing(2);
    successes(&face.post(&author, &makers(), envelope(&[green(1, 0)])).await, 1);
    let reader = Reader { communities: [community(1)].into(), ..Reader::service(member(4), Tlp::Amber) };
    let standing = face.node.store.read(|read| {
        let permitted = Permitted::ask(read, &reader).unwrap();
        Standing::of(read, &permitted, community(1), &id("tool", 1))
    });
    let removal =
        standing.unwrap().removal(member(4), "", Timestamp::from_micros(START), &mut |bytes| bytes.fill(3));
    assert_eq!(removal.len(), 1);
    writer(&face.node.store).submit(removal).wait().unwrap();
    assert_eq!(face.get(&author, &format!("{}objects/", makers())).await.ids(), [id("tool", 1)]);
    let skipped = face.node.store.view_reports().unwrap();
    let told = skipped.iter().flat_map(|view| &view.skipped).any(|(code, _)| code == "removal-not-steward");
    assert!(told, "{skipped:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn any_body_is_answered(body in proptest::collection::vec(proptest::sample::select(b"{}[]\",:0a\\ \n".to_vec()), 0..40), objects in proptest::bool::ANY) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let face = Face::new();
            let writer = face.writing(2);
            let body = if objects { [b"{\"objects\":[".as_slice(), &body, b"]}"].concat() } else { body };
            let answer = face.post(&writer, &makers(), body).await;
            match answer.status.as_u16() {
                202 => { status(&answer); }
                code => assert_eq!(code, 422),
            }
        });
    }
}
