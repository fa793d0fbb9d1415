//! Tests of the HTTP faces over a store in memory.

mod access;
mod face;
#[path = "../../../exchange/tests/it/node.rs"]
#[allow(dead_code, reason = "the exchange's own tests use all of it")]
mod node;
mod protocol;
mod sockets;
