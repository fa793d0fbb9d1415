// SPDX-License-Identifier: Apache-2.0
//! Limits on outside data. Each is tested at and over its edge.

/// Longest STIX identifier.
pub const ID_BYTES_MAX: usize = 300;
/// Largest body of a record.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of a JSON document.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most values in one object.
pub const JSON_VALUES_MAX: usize = 1_000_000;
/// Most references from one object to observables that the marking rule follows.
pub const OBSERVABLE_REFS_MAX: usize = 10_000;
/// Most diagnostics that are kept for one input; the rest are counted.
pub const DIAGNOSTICS_MAX: usize = 1_000;
/// Most members or persons that one audience names.
pub const AUDIENCE_NAMES_MAX: usize = 1_000;
/// Longest name of a person.
pub const PERSON_NAME_BYTES_MAX: usize = 64;
