// SPDX-License-Identifier: Apache-2.0
//! Tests of the room through its public face.

mod history;
mod laws;
mod lists;
mod reader;
mod run;
mod scan;
mod standard;
mod view;
