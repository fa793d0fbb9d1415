// SPDX-License-Identifier: Apache-2.0
//! Public suffixes: names under which many owners have theirs (`co.uk`, `appspot.com`).

use psl::{List, Psl};

/// Whether a name in lower-case A-labels is a public suffix, of the registries' or of a hoster's part of
/// Mozilla's list.
pub(crate) fn is_public(name: &str) -> bool {
    List.suffix(name.as_bytes())
        .is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == name.as_bytes())
}

/// Whether a name ends with a top-level domain that exists: `report.pdf` and `id.orig_h` do not.
pub(crate) fn has_known_suffix(name: &[u8]) -> bool {
    List.suffix(name).is_some_and(|suffix| suffix.is_known())
}
