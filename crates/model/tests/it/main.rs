// SPDX-License-Identifier: Apache-2.0
//! Tests of the shared words.

mod object;
mod observable;
mod split;
mod words;
