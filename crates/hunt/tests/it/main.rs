// SPDX-License-Identifier: Apache-2.0
//! Tests of the room through its public face.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod confirm;
mod detector;
mod edge;
mod event;
mod files;
mod history;
mod laws;
mod lists;
mod logs;
mod packs;
mod parquet;
mod paths;
mod pattern_lines;
mod patterns;
mod reader;
mod report;
mod rule;
mod run;
mod scan;
mod standard;
mod support;
mod unfinished;
mod view;
mod waiting;
