// SPDX-License-Identifier: Apache-2.0
//! One authorisation test for each operation: nobody, the wrong member, the right one.

use axum::http::StatusCode;
use model::marking::Tlp;

use crate::face::{Answer, Face, TAXII, indicator, makers, own_collection, request};
use crate::node::id;

/// Every operation of the face: method, path, and what the own organisation and a stranger get.
fn operations() -> Vec<(&'static str, String, u16, u16)> {
    let (private, makers) = (own_collection(), makers());
    let tool = id("tool", 1);
    vec![
        ("GET", "/taxii2/".into(), 200, 200),
        ("GET", "/taxii2/root/".into(), 200, 200),
        ("GET", "/taxii2/root/collections/".into(), 200, 200),
        ("GET", "/taxii2/root/status/00000000-0000-4000-8000-000000000000/".into(), 404, 404),
        ("GET", private.clone(), 200, 404),
        ("GET", format!("{private}manifest/"), 200, 404),
        ("GET", format!("{private}objects/"), 200, 404),
        ("POST", format!("{private}objects/"), 403, 404),
        ("GET", format!("{private}objects/{tool}/"), 200, 404),
        ("DELETE", format!("{private}objects/{tool}/"), 403, 404),
        ("GET", format!("{private}objects/{tool}/versions/"), 200, 404),
        ("GET", makers.clone(), 200, 200),
        ("GET", format!("{makers}manifest/"), 200, 200),
        ("GET", format!("{makers}objects/"), 200, 200),
        ("POST", format!("{makers}objects/"), 403, 403),
        ("GET", format!("{makers}objects/{}/", indicator(Tlp::Green)), 200, 404),
        ("DELETE", format!("{makers}objects/{}/", indicator(Tlp::Green)), 403, 403),
        ("GET", format!("{makers}objects/{}/versions/", indicator(Tlp::Green)), 200, 404),
        ("GET", format!("{makers}objects/{}/", indicator(Tlp::Clear)), 200, 200),
        ("GET", "/taxii2/nothing/".into(), 404, 404),
        ("GET", "/elsewhere".into(), 404, 404),
    ]
}

fn check_error(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status);
    assert_eq!(answer.header("content-type"), Some(TAXII));
    if status != 200 {
        let json = answer.json();
        assert_eq!(json["http_status"], status.to_string(), "a text, equal to the status line");
        assert!(json["title"].is_string());
    }
}

#[tokio::test]
async fn nobody_is_told_anything() {
    let face = Face::new();
    face.token(1, None);
    for (method, path, ..) in operations() {
        for path in [path.as_str(), path.trim_end_matches('/')] {
            let answer = face.send(request(method, path, None)).await;
            check_error(&answer, 401);
            let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            assert!(
                challenges.iter().any(|c| c.to_str().unwrap().starts_with("Basic realm=")),
                "{method} {path}"
            );
        }
    }
    let (method, path, ..) = &operations()[0];
    let answer = face.send(request(method, path, Some("polder_000000000000_x"))).await;
    check_error(&answer, 401);
}

#[tokio::test]
async fn each_operation_knows_its_readers() {
    let face = Face::new();
    let (right, wrong) = (face.token(1, None), face.token(3, Some(Tlp::AmberStrict)));
    for (method, path, for_right, for_wrong) in operations() {
        for path in [path.as_str(), path.trim_end_matches('/')] {
            check_error(&face.send(request(method, path, Some(&right))).await, for_right);
            check_error(&face.send(request(method, path, Some(&wrong))).await, for_wrong);
        }
    }
}

#[tokio::test]
async fn what_is_hidden_answers_as_what_is_absent() {
    let face = Face::new();
    let stranger = face.token(3, Some(Tlp::AmberStrict));
    let absent_collection = "/taxii2/root/collections/00000000-0000-4000-8000-000000000000/";
    let absent_object = id("indicator", 200);
    for (hidden, absent) in [
        (own_collection(), absent_collection.to_owned()),
        (format!("{}objects/", own_collection()), format!("{absent_collection}objects/")),
        (format!("{}objects/?limit=0", own_collection()), format!("{absent_collection}objects/?limit=0")),
        (
            format!("{}objects/{}/", makers(), indicator(Tlp::Green)),
            format!("{}objects/{absent_object}/", makers()),
        ),
        (
            format!("{}objects/{}/versions/", makers(), indicator(Tlp::Red)),
            format!("{}objects/{absent_object}/versions/", makers()),
        ),
    ] {
        let (hidden, absent) = (face.get(&stranger, &hidden).await, face.get(&stranger, &absent).await);
        assert_eq!((hidden.status, hidden.text), (StatusCode::NOT_FOUND, absent.text));
        assert_eq!(hidden.headers, absent.headers);
    }
}

#[tokio::test]
async fn five_labels_for_three_readers() {
    let face = Face::new();
    for (token, labels, title) in [
        (face.token(1, None), &Tlp::ALL[..4], "makers"),
        (face.token(2, Some(Tlp::AmberStrict)), &Tlp::ALL[..4], "makers"),
        (face.token(2, None), &Tlp::ALL[..2], "makers"),
        (face.token(3, Some(Tlp::AmberStrict)), &Tlp::ALL[..1], "Released records"),
    ] {
        let expected: Vec<String> = labels.iter().map(|label| indicator(*label)).collect();
        let page = face.get(&token, &format!("{}objects/", makers())).await;
        assert_eq!(page.ids(), expected);
        assert_eq!(page.json()["more"], false);
        let manifest = face.get(&token, &format!("{}manifest/", makers())).await;
        assert_eq!(manifest.ids(), expected);
        for answer in [&page, &manifest] {
            // Record 1 founds the community, so the labels are records 2 to 6.
            let last = face.node.time(1 + labels.len() as i64).to_string();
            assert_eq!(
                answer.header("x-taxii-date-added-first"),
                Some(face.node.time(2).to_string().as_str())
            );
            assert_eq!(answer.header("x-taxii-date-added-last"), Some(last.as_str()));
        }
        assert_eq!(face.get(&token, &makers()).await.json()["title"], title);
    }
}

#[tokio::test]
async fn a_revoked_token_is_nobody_at_once() {
    let face = Face::new();
    let token = face.token(1, None);
    assert_eq!(face.get(&token, "/taxii2/").await.status, StatusCode::OK);
    let now = model::time::Timestamp::from_micros(1);
    face.node.store.local(|tx| exchange::token::revoke(tx, "token 0", now)).unwrap().unwrap();
    assert_eq!(face.get(&token, "/taxii2/").await.status, StatusCode::UNAUTHORIZED);
}

/// Verdicts of the gate are kept between requests; what changes them counts at once.
#[tokio::test]
async fn members_and_audiences_count_with_the_next_request() {
    use exchange::command::new_community;

    use crate::node::{Item, START, community, member, tlp, to_community};

    let mut face = Face::new();
    let token = face.token(2, Some(Tlp::Green));
    let seen = |answer: Answer| answer.ids().len();
    let objects = format!("{}objects/", makers());
    assert_eq!(seen(face.get(&token, &objects).await), 2, "CLEAR and GREEN");
    let by_another = Item::new(3, to_community(1), tlp(Tlp::Green), &id("tool", 7), START);
    face.node.append(&[by_another]);
    assert_eq!(seen(face.get(&token, &objects).await), 3);
    let without = new_community(community(1), "makers", [member(1)].into(), "").unwrap();
    let ending =
        Item::new(1, to_community(1), tlp(Tlp::Green), &without.subject, START + 1).body(&without.body);
    face.node.append(&[Item { kind: without.kind, ..ending }]);
    assert_eq!(seen(face.get(&token, &objects).await), 1, "CLEAR alone");
}

#[tokio::test]
async fn who_may_read_too_many_audiences_is_told_so() {
    use exchange::limits::AUDIENCES_PER_READER_MAX;
    use model::head::Audience;
    use model::id::CommunityId;

    use crate::node::{Item, START, tlp};

    let mut face = Face::new();
    let token = face.token(3, Some(Tlp::Clear));
    let item = |n: usize| {
        let id = uuid::Builder::from_random_bytes((n as u128).to_be_bytes()).into_uuid();
        Item::new(1, Audience::Community(CommunityId(id)), tlp(Tlp::Clear), &format!("x-a--{n}"), START)
    };
    // One audience is there already.
    face.node.append(&(1..AUDIENCES_PER_READER_MAX).map(item).collect::<Vec<_>>());
    assert_eq!(face.get(&token, "/taxii2/root/collections/").await.status, StatusCode::OK);
    face.node.append(&[item(0)]);
    let answer = face.get(&token, "/taxii2/root/collections/").await;
    check_error(&answer, 403);
    let told = answer.json()["description"].as_str().unwrap().to_owned();
    assert!(told.contains("more than 1000 different audiences"), "{told}");
}
