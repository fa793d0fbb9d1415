// SPDX-License-Identifier: Apache-2.0
//! A router over a node, asked without sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use exchange::command::new_community;
use exchange::token::{Order, Rights, issue};
use http_body_util::BodyExt;
use ledger::append::{Circumstances, Outcome, Signer};
use ledger::checkpoint::Origin;
use ledger::draft::{Draft, Subject};
use ledger::entry::Salts;
use model::head::Audience;
use model::marking::Tlp;
use model::time::Timestamp;
use serde_json::Value;
use server::{Peer, Server, router};
use store::{Store, Writer};
use tower_service::Service;
use trust::log_key::LogKey;

use crate::node::{Item, Node, START, community, id, member, tlp, to_community};

pub const TAXII: &str = "application/taxii+json;version=2.1";
pub const TOKEN_KEY: [u8; 32] = [3; 32];

pub struct Face {
    pub node: Node,
    pub router: Router,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn ids(&self) -> Vec<String> {
        let json = self.json();
        let objects = json["objects"].as_array().cloned().unwrap_or_default();
        objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Face {
    /// Members 1 and 2 are in community 1, member 3 is not. In it stand five indicators of member 1 (CLEAR
    /// to RED), and one tool in member 1's own collection.
    pub fn new() -> Face {
        let mut node = Node::new();
        let draft = new_community(community(1), "makers", [member(1), member(2)].into(), "").unwrap();
        let founding =
            Item::new(1, to_community(1), tlp(Tlp::Green), &draft.subject, START).body(&draft.body);
        node.append(&[Item { kind: draft.kind, ..founding }]);
        let labels: Vec<Item> = Tlp::ALL
            .into_iter()
            .map(|label| Item::new(1, to_community(1), tlp(label), &indicator(label), START))
            .collect();
        node.append(&labels);
        node.append(&[Item::new(1, own(), tlp(Tlp::AmberStrict), &id("tool", 1), START)]);
        Face::over(node)
    }

    /// Community 1 with its members and nothing else, all of it appended by the ledger's own rules.
    pub fn appended() -> Face {
        let node = Node::new();
        let members = [member(1), member(2), member(4)].into();
        let face = Face::over(node);
        face.document(new_community(community(1), "makers", members, "").unwrap(), START);
        face
    }

    /// Appends a document of member 1, who is the author of the community.
    pub fn document(&self, made: exchange::command::Draft, version: i64) {
        let subject = Subject::document(made.subject, Timestamp::from_micros(version));
        let salts = Salts { subject: [1; 16], body: [2; 16], audience: [3; 16] };
        let draft =
            Draft::new(made.kind, subject, made.body, member(1), made.audience, tlp(Tlp::Green), salts);
        let outcomes = writer(&self.node.store).submit(vec![draft]).wait().unwrap();
        assert!(matches!(outcomes.as_slice(), [Outcome::Added { .. }]), "{outcomes:?}");
    }

    pub fn over(node: Node) -> Face {
        let server = Server {
            store: node.store.clone(),
            writer: writer(&node.store),
            own: member(1),
            title: "test node".to_owned(),
            cursor_key: [9; 32],
            token_key: TOKEN_KEY,
            now: || Timestamp::from_micros(NOW.load(Ordering::Relaxed)),
            random,
        };
        Face { node, router: router(server) }
    }

    /// Issues a token for a member.
    pub fn token(&self, of: u8, ceiling: Option<Tlp>) -> String {
        self.token_with(of, ceiling, Rights::READ)
    }

    /// A token that may write, up to AMBER+STRICT.
    pub fn writing(&self, of: u8) -> String {
        self.token_with(of, Some(Tlp::AmberStrict), Rights { read: true, write: true })
    }

    pub fn token_with(&self, of: u8, ceiling: Option<Tlp>, rights: Rights) -> String {
        let count = self.node.store.read(exchange::token::list).unwrap().len() as u8;
        let name = format!("token {count}");
        let order = Order { name: &name, member: member(of), own: member(1), ceiling, person: None, rights };
        let now = Timestamp::from_micros(START);
        self.node.store.local(|tx| issue(tx, &TOKEN_KEY, &order, [count; 6], [count; 32], now)).unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router.clone(), request).await
    }

    /// POST of an envelope as a TAXII client does it.
    pub async fn post(&self, token: &str, collection: &str, body: impl Into<Body>) -> Answer {
        let mut request = request("POST", &format!("{collection}objects/"), Some(token));
        request.headers_mut().insert("content-type", TAXII.parse().unwrap());
        *request.body_mut() = body.into();
        self.send(request).await
    }

    /// GET as a TAXII client does it.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", path, Some(token))).await
    }
}

/// The clock of the nodes here.
pub static NOW: AtomicI64 = AtomicI64::new(START + 1_000_000_000_000);

fn random(bytes: &mut [u8]) {
    static DRAWN: AtomicI64 = AtomicI64::new(0);
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    bytes.iter_mut().enumerate().for_each(|(nth, byte)| *byte = drawn[nth % 8] ^ nth as u8);
}

pub fn writer(store: &Store) -> Writer {
    let origin = Origin { member: [1; 32], log: 1 };
    let signer = Signer {
        origin,
        key: LogKey::from_bytes(&[5; trust::log_key::LOG_KEY_BYTES]).unwrap(),
        tombstone_key: [6; 32],
    };
    let circumstances =
        || Circumstances { now: Timestamp::from_micros(NOW.load(Ordering::Relaxed)), randomness: [0; 32] };
    store.writer(signer, None, circumstances).unwrap()
}

pub async fn send(mut router: Router, mut request: Request<Body>) -> Answer {
    request.extensions_mut().insert(Peer(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let response = router.call(request).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub fn request(method: &str, path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("accept", TAXII);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

pub fn own() -> Audience {
    Audience::Organisation(member(1))
}

pub fn indicator(label: Tlp) -> String {
    id("indicator", label.rank())
}

pub fn makers() -> String {
    format!("/taxii2/root/collections/{}/", community(1))
}

pub fn own_collection() -> String {
    format!("/taxii2/root/collections/{}/", exchange::view::collection_uuid(&own()))
}
