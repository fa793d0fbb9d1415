// SPDX-License-Identifier: Apache-2.0
//! Stored numbers of the kinds of logs: append, never change one.

use crate::event::SourceKind;

const CODES: &[(SourceKind, i64)] = &[
    (SourceKind::Unknown, 0),
    (SourceKind::Audit, 1),
    (SourceKind::Authentication, 2),
    (SourceKind::Dns, 3),
    (SourceKind::Email, 4),
    (SourceKind::Endpoint, 5),
    (SourceKind::File, 6),
    (SourceKind::Flow, 7),
    (SourceKind::Ids, 8),
    (SourceKind::Proxy, 9),
    (SourceKind::Tls, 10),
    (SourceKind::Vpn, 11),
    (SourceKind::WebServer, 12),
];

/// The stored number of a kind of log.
pub(super) fn code_of(kind: SourceKind) -> i64 {
    CODES.iter().find(|(k, _)| *k == kind).map_or(0, |(_, code)| *code)
}

/// The kind of log of a stored number; one that a newer program stored is not known.
pub(super) fn kind_of(code: i64) -> SourceKind {
    CODES.iter().find(|(_, c)| *c == code).map_or(SourceKind::Unknown, |(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for (kind, _) in SourceKind::ALL {
            assert_eq!(kind_of(code_of(kind)), kind);
        }
    }
}
