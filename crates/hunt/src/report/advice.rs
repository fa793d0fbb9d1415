// SPDX-License-Identifier: Apache-2.0
//! What to do about a finding, in one or two sentences for whoever looks after the machines.

use model::observable::ObservableKind;

use super::summary::Hit;

/// What to do about a finding. A detection brings its own advice.
pub fn advice(kind: ObservableKind) -> &'static str {
    match kind {
        ObservableKind::Account => {
            "ask its owner what was done; reset the password, end open sessions and look at its second factor"
        }
        ObservableKind::Cidr | ObservableKind::Ip => {
            "find out which device spoke with the address and what was sent; block the address, and keep the device \
             on but off the network until it was looked at"
        }
        ObservableKind::Domain | ObservableKind::Url => {
            "find out which device asked for it, and for whom; block the name, and keep the device on but off the \
             network until it was looked at"
        }
        ObservableKind::Email => {
            "find the message in all mailboxes, ask who opened it or answered, and reset those accounts"
        }
        ObservableKind::Ja3 | ObservableKind::Ja4 | ObservableKind::UserAgent => {
            "a hint and no proof: find out which program on which device showed it before anything is blocked"
        }
        ObservableKind::Md5
        | ObservableKind::Sha1
        | ObservableKind::Sha256
        | ObservableKind::Sha384
        | ObservableKind::Sha512 => {
            "find the file on the device, keep a copy and do not open it; take the device off the network, leave it on"
        }
    }
}

/// One line for a person about a finding: `domain c2.evil.example, indicator name`.
pub fn title(hit: &Hit, name: &str) -> String {
    let what = format!("{} {}", hit.finding.kind.name(), hit.finding.value);
    if name.is_empty() || name == hit.finding.value { what } else { format!("{what} ({name})") }
}
