// SPDX-License-Identifier: Apache-2.0
//! What fields alone tell, for the history where it is told to keep it and for indicators: the scan finds values by
//! their shape, and these have none that is safe.

use model::observable::{Observable, ObservableKind};

use crate::event::Event;
use crate::history::{Flags, Observed};
use crate::rule::accounts;
use crate::time::plausible;

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
        &[
            "user_agent",
            "userAgent",
            "UserAgent",
            "cs-user-agent",
            "http.http_user_agent",
            "user_agent.original",
            "client.userAgent.rawUserAgent",
            "properties.userAgent",
            "agent",
        ],
    ),
];

/// The accounts, mail addresses, URLs and user agents of an event, as its fields hold them.
pub(super) fn told_by_fields(event: &Event, each: &mut dyn FnMut(ObservableKind, &str)) {
    accounts(event).for_each(|account| each(ObservableKind::Account, &account));
    for (kind, names) in FIELDS {
        names.iter().filter_map(|name| event.text(name)).for_each(|text| each(*kind, &text));
    }
}

/// Adds them to the history; what is not kept is left out there.
pub(super) fn feed(observed: &mut Observed, event: &Event) {
    told_by_fields(event, &mut |kind, text| {
        if let Ok(observable) = Observable::parse(kind, text) {
            observed.add_value(&observable, event.time.and_then(plausible), Flags::default());
        }
    });
}
