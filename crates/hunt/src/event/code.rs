// SPDX-License-Identifier: Apache-2.0
//! Stored numbers of the kinds of logs: append, never change one.

use super::SourceKind;

const CODES: &[(SourceKind, u8)] = &[
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

impl SourceKind {
    /// The number under which history and checkpoints keep this kind.
    pub(crate) fn code(self) -> u8 {
        CODES.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, code)| *code)
    }

    /// The kind of a stored number; none for one that a newer program stored.
    pub(crate) fn from_code(code: i64) -> Option<SourceKind> {
        CODES.iter().find(|(_, known)| i64::from(*known) == code).map(|(kind, _)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for (kind, _) in SourceKind::ALL {
            assert_eq!(SourceKind::from_code(kind.code().into()), Some(kind));
        }
        assert_eq!(SourceKind::from_code(255), None);
    }
}
