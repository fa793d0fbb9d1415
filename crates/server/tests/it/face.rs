// SPDX-License-Identifier: Apache-2.0
//! A router over a node, asked without sockets.

use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use exchange::command::new_community;
use exchange::token::{Order, issue};
use http_body_util::BodyExt;
use model::head::Audience;
use model::marking::Tlp;
use model::time::Timestamp;
use serde_json::Value;
use server::{Peer, Server, router};
use tower_service::Service;

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

    pub fn over(node: Node) -> Face {
        let server = Server {
            store: node.store.clone(),
            title: "test node".to_owned(),
            cursor_key: [9; 32],
            token_key: TOKEN_KEY,
        };
        Face { node, router: router(server) }
    }

    /// Issues a token for a member.
    pub fn token(&self, of: u8, ceiling: Option<Tlp>) -> String {
        let count = self.node.store.read(exchange::token::list).unwrap().len() as u8;
        let name = format!("token {count}");
        let order = Order { name: &name, member: member(of), own: member(1), ceiling, person: None };
        let now = Timestamp::from_micros(START);
        self.node.store.local(|tx| issue(tx, &TOKEN_KEY, &order, [count; 6], [count; 32], now)).unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router.clone(), request).await
    }

    /// GET as a TAXII client does it.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", path, Some(token))).await
    }
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
