// SPDX-License-Identifier: Apache-2.0
//! The gate's rules, one by one and as laws.

mod admit;
mod release;
