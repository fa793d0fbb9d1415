// SPDX-License-Identifier: Apache-2.0
//! The contract suite: the same tests over each engine, and what is special to a file.

mod contract;
mod file;
mod laws;
mod sample;
