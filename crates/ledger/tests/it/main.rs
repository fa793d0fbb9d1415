// SPDX-License-Identifier: Apache-2.0
//! Tests of the ledger's pure parts; the parts that need an engine are tested in `store`.

mod checkpoint;
mod entry;
mod merkle;
