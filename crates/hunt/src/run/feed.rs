// SPDX-License-Identifier: Apache-2.0
//! What the history keeps of events where it is told to: the scan finds values by their shape, and these have none
//! that is safe.

use model::observable::{Observable, ObservableKind};

use crate::event::Event;
use crate::history::{Flags, Observed};
use crate::rule::about_event;

/// Kinds with the names that logs give to them; every one that an event has counts.
static FIELDS: &[(ObservableKind, &[&str])] = &[
    (
        ObservableKind::Email,
        &[
            "mailfrom",
            "rcptto",
            "from",
            "to",
            "SenderAddress",
            "RecipientAddress",
            "P1FromAddress",
            "sender",
            "recipient",
        ],
    ),
    (ObservableKind::Url, &["url", "Url", "RequestURL", "requestUrl", "http.url", "c-uri", "TargetUrl"]),
    (
        ObservableKind::UserAgent,
        &["user_agent", "userAgent", "UserAgent", "cs(User-Agent)", "http.http_user_agent", "agent"],
    ),
];

/// Adds the accounts, mail addresses, URLs and user agents of an event; what is not kept is left out there.
pub(super) fn feed(observed: &mut Observed, event: &Event) {
    let mut add = |kind, text: &str| {
        if let Ok(observable) = Observable::parse(kind, text) {
            observed.add_value(&observable, event.time, Flags::default());
        }
    };
    for (_, account) in about_event(event).iter().filter(|(kind, _)| *kind == "account") {
        add(ObservableKind::Account, account);
    }
    for (kind, names) in FIELDS {
        names.iter().filter_map(|name| event.text(name)).for_each(|text| add(*kind, &text));
    }
}
