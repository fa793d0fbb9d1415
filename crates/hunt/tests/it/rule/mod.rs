// SPDX-License-Identifier: Apache-2.0
//! Rules: loading, routing, matching, correlating.

mod gate;
mod golden;
mod keeping;
mod laws;
mod spray;
pub(crate) mod support;
