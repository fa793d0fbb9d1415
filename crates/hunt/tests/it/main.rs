//! Tests of the room through its public face.

mod laws;
mod scan;
