// SPDX-License-Identifier: Apache-2.0
//! TAXII 2.1 on the wire, without sockets.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use model::marking::Tlp;
use server::limits::{FAILURES_BURST, READS_MAX, READS_WAITING_MAX, URI_BYTES_MAX};

use crate::face::{Face, TAXII, indicator, makers, own_collection, request, send};
use crate::node::{Item, START, id, tlp, to_community};

#[tokio::test]
async fn discovery_leads_to_the_api_root() {
    let face = Face::new();
    let token = face.token(1, None);
    let discovery = face.get(&token, "/taxii2/").await.json();
    assert_eq!(discovery["title"], "test node");
    assert_eq!(discovery["api_roots"], serde_json::json!(["/taxii2/root/"]));
    assert_eq!(discovery["default"], "/taxii2/root/");
    let root = face.get(&token, discovery["default"].as_str().unwrap()).await.json();
    assert_eq!(root["versions"], serde_json::json!([TAXII]));
    assert!(root["max_content_length"].as_u64().unwrap() > 0);
    let collections = face.get(&token, "/taxii2/root/collections/").await.json();
    let titles: Vec<_> = collections["collections"].as_array().unwrap().iter().map(|c| &c["title"]).collect();
    assert_eq!(titles, ["Own records", "makers"]);
    for collection in collections["collections"].as_array().unwrap() {
        assert_eq!((&collection["can_read"], &collection["can_write"]), (&true.into(), &false.into()));
        let path = format!("/taxii2/root/collections/{}/", collection["id"].as_str().unwrap());
        assert_eq!(&face.get(&token, &path).await.json(), collection);
    }
}

#[tokio::test]
async fn envelopes_carry_bytes_and_markings() {
    let mut face = Face::new();
    let token = face.token(1, None);
    let odd = b"{ \"id\":\"tool--x\", \"n\" : 1.00,\t\"a\":\"\\u0041\" }";
    face.node
        .append(&[Item::new(1, to_community(1), tlp(Tlp::AmberStrict), &id("tool", 9), START).body(odd)]);
    let page = face.get(&token, &format!("{}objects/", makers())).await;
    assert!(page.text.contains(std::str::from_utf8(odd).unwrap()), "byte for byte");
    let (markings, objects) =
        (page.text.find("x_polder_markings").unwrap(), page.text.find("\"objects\"").unwrap());
    assert!(markings < objects);
    assert_eq!(
        page.json()["x_polder_markings"][3],
        serde_json::json!({"marking": "TLP:AMBER+STRICT", "marking_ref": Tlp::AmberStrict.stix_id(), "first": 3, "last": 4})
    );
}

#[tokio::test]
async fn pages_follow_each_other() {
    let face = Face::new();
    let token = face.token(1, None);
    for resource in ["objects/", "manifest/"] {
        let (mut ids, mut next) = (Vec::new(), String::new());
        for n in 1..=4 {
            let page = face.get(&token, &format!("{}{resource}?limit=1{next}", makers())).await;
            ids.extend(page.ids());
            assert_eq!(page.json()["more"], n < 4);
            next = page.json()["next"].as_str().map(|next| format!("&next={next}")).unwrap_or_default();
        }
        assert_eq!(next, "", "no cursor behind the last");
        assert_eq!(ids, Tlp::ALL[..4].iter().map(|label| indicator(*label)).collect::<Vec<_>>());
    }
    let versions =
        face.get(&token, &format!("{}objects/{}/versions/", makers(), indicator(Tlp::Green))).await;
    assert_eq!(versions.json(), serde_json::json!({"more": false, "versions": ["2026-01-01T00:00:00.000Z"]}));
    assert!(versions.header("x-taxii-date-added-last").is_some());
}

#[tokio::test]
async fn empty_lists_are_never_sent() {
    let face = Face::new();
    let token = face.token(3, None);
    for path in ["objects/?match[type]=malware", "manifest/?added_after=2040-01-01T00:00:00Z"] {
        let answer = face.get(&token, &format!("{}{path}", makers())).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"more":false}"#));
        assert!(answer.header("x-taxii-date-added-first").is_some());
    }
    let echoed = face.get(&token, &format!("{}objects/?added_after=2040-01-01T00:00:00.5Z", makers())).await;
    assert_eq!(echoed.header("x-taxii-date-added-last"), Some("2040-01-01T00:00:00.500000Z"));
    let object =
        format!("{}objects/{}/?match[version]=1999-01-01T00:00:00Z", makers(), indicator(Tlp::Clear));
    let excluded = face.get(&token, &object).await;
    assert_eq!((excluded.status, excluded.ids()), (StatusCode::OK, vec![]));
}

#[tokio::test]
async fn malformed_queries_are_the_senders() {
    let face = Face::new();
    let token = face.token(1, None);
    for query in [
        "limit=0",
        "limit=-5",
        "limit=x",
        "limit=1&limit=1",
        "added_after=yesterday",
        "added_after=2020-01-01",
        "match[version]=all,first",
        "match[version]=x",
        "match[type]=a&match[type]=b",
        "next=AQ",
        "next=",
        "a=%zz",
        "match[version]=last,last",
        "match%5Bid%5D=",
    ] {
        let answer = face.get(&token, &format!("{}objects/?{query}", makers())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["http_status"], "400");
    }
    for query in [
        "colour=red&colour=blue",
        "match[colour]=red",
        "added_after=2020-01-01T00:00:00+00:00",
        "limit=99999999",
    ] {
        let answer = face.get(&token, &format!("{}objects/?{query}", makers())).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
    }
    let long = |n: usize| {
        let path = format!("{}objects/", makers());
        format!("{path}?x={}", "y".repeat(n - path.len() - 2))
    };
    assert_eq!(face.get(&token, &long(URI_BYTES_MAX)).await.status, StatusCode::OK);
    assert_eq!(face.get(&token, &long(URI_BYTES_MAX + 1)).await.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn content_is_negotiated_by_type() {
    let face = Face::new();
    let token = face.token(1, None);
    let ask = async |accept: Option<&str>| {
        let mut request = request("GET", "/taxii2/", Some(&token));
        request.headers_mut().remove("accept");
        request.headers_mut().extend(accept.map(|a| (axum::http::header::ACCEPT, a.parse().unwrap())));
        let answer = face.send(request).await;
        assert_eq!(answer.header("content-type"), Some(TAXII), "errors too");
        answer.status.as_u16()
    };
    assert_eq!(ask(Some("application/taxii+json; version=2.1")).await, 200);
    assert_eq!(ask(Some("application/json, text/plain, */*")).await, 200);
    assert_eq!(ask(None).await, 406);
    assert_eq!(ask(Some("application/vnd.oasis.taxii+json;version=2.0")).await, 406);
    assert_eq!(ask(Some("application/taxii+json;version=9.9")).await, 406);
}

#[tokio::test]
async fn other_methods_are_named() {
    let face = Face::new();
    let token = face.token(1, None);
    for (method, path, allow) in [
        ("POST", "/taxii2/".to_owned(), "GET, HEAD"),
        ("PUT", format!("{}objects/", makers()), "GET, HEAD, POST"),
        ("DELETE", format!("{}objects/", makers()), "GET, HEAD, POST"),
        ("POST", format!("{}objects/{}/", makers(), indicator(Tlp::Clear)), "GET, HEAD, DELETE"),
        ("DELETE", format!("{}manifest/", makers()), "GET, HEAD"),
    ] {
        let answer = face.send(request(method, &path, Some(&token))).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
    assert_eq!(face.send(request("HEAD", "/taxii2/", Some(&token))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn basic_with_any_user_name() {
    let face = Face::new();
    let token = face.token(1, None);
    for user in ["", "taxii", "someone@example.org"] {
        let line = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{token}"));
        let request =
            Request::get("/taxii2/").header("accept", TAXII).header("authorization", format!("Basic {line}"));
        assert_eq!(face.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    }
    // The token as user name is no password.
    let line = base64::engine::general_purpose::STANDARD.encode(format!("{token}:"));
    let request =
        Request::get("/taxii2/").header("accept", TAXII).header("authorization", format!("Basic {line}"));
    assert_eq!(face.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn failures_are_limited_and_lock_nobody_out() {
    let face = Face::new();
    let good = face.token(1, None);
    let bad = format!("{}A", &good[..good.len() - 1]);
    let bad = if bad == good { format!("{}Q", &good[..good.len() - 1]) } else { bad };
    for _ in 0..FAILURES_BURST {
        assert_eq!(face.get(&bad, "/taxii2/").await.status, StatusCode::UNAUTHORIZED);
    }
    // A permit may come back meanwhile: one a second.
    let (mut limited, mut wait) = (0, None);
    for _ in 0..5 {
        let answer = face.get(&bad, "/taxii2/").await;
        limited += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
        wait = answer.header("retry-after").map(str::to_owned).or(wait);
    }
    assert!(limited >= 1 && wait.is_some());
    assert_eq!(face.get(&good, "/taxii2/").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_says_so() {
    let face = Face::new();
    let token = face.token(1, None);
    let store = face.node.store.clone();
    let (held, holding) = std::sync::mpsc::channel::<()>();
    let (release, released) = std::sync::mpsc::channel::<()>();
    // A transaction that holds the one connection of a store in memory: nobody else is served.
    let blocker = std::thread::spawn(move || {
        store
            .local(|_| {
                held.send(()).unwrap();
                released.recv().unwrap();
                Ok::<(), ledger::sql::EngineError>(())
            })
            .unwrap();
    });
    holding.recv().unwrap();
    let places = READS_MAX + READS_WAITING_MAX;
    let ask = || tokio::spawn(send(face.router.clone(), request("GET", "/taxii2/", Some(&token))));
    let mut waiting: Vec<_> = (0..places - 5).map(|_| ask()).collect();
    let refused = loop {
        let mut next = ask();
        match tokio::time::timeout(std::time::Duration::from_millis(200), &mut next).await {
            Ok(answer) => break answer.unwrap(),
            Err(_) => waiting.push(next),
        }
    };
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    assert_eq!(waiting.len(), places);
    release.send(()).unwrap();
    blocker.join().unwrap();
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, StatusCode::OK, "who had a place was served");
    }
    assert_eq!(face.get(&token, "/taxii2/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_own_collection_is_there_before_anything_is_in_it() {
    let face = Face::over(crate::node::Node::new());
    let token = face.token(1, None);
    let answer = face.get(&token, &format!("{}objects/", own_collection())).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"more":false}"#));
    assert!(answer.header("x-taxii-date-added-first").is_some());
    let collections = face.get(&token, "/taxii2/root/collections/").await.json();
    assert_eq!(collections["collections"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn health_is_one_word() {
    let face = Face::new();
    let answer = send(face.router.clone(), Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "ok\n"));
}
