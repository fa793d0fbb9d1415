// SPDX-License-Identifier: Apache-2.0
//! What this crate refuses to exceed.

/// Longest context of a composite signature: its length travels in one byte.
pub const CONTEXT_BYTES_MAX: usize = 255;

/// Longest signed note, text and signature lines together.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Most signature lines under one note. C2SP signed-note asks for at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// Longest key name in a signature line. C2SP cosignatures carry it behind one length byte.
pub const KEY_NAME_BYTES_MAX: usize = 255;
