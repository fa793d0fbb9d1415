// SPDX-License-Identifier: Apache-2.0
//! Rules: loading, routing, matching, correlating.

mod gate;
pub(crate) mod support;
