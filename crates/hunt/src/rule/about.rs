// SPDX-License-Identifier: Apache-2.0
//! Whom or what a match is about, by the names that logs give to accounts, hosts and addresses.

use super::view::View;
use crate::event::Event;

/// Kinds with the names of their fields; of each kind the first that an event has counts.
static KINDS: &[(&str, &[&str])] = &[
    (
        "account",
        &[
            "TargetUserName",
            "User",
            "SubjectUserName",
            "userPrincipalName",
            "UserPrincipalName",
            "properties.userPrincipalName",
            "Username",
            "UserId",
            "actor.alternateId",
            "userIdentity.arn",
            "user",
            "username",
            "user.name",
            "pam_user",
            "acct",
            "cs-username",
        ],
    ),
    (
        "address",
        &[
            "IpAddress",
            "SourceIp",
            "src_ip",
            "id.orig_h",
            "srcip",
            "remip",
            "ipAddress",
            "properties.ipAddress",
            "callerIpAddress",
            "client.ipAddress",
            "ClientIP",
            "sourceIPAddress",
            "source.ip",
            "c-ip",
            "remote_addr",
            "pam_rhost",
        ],
    ),
    (
        "host",
        &[
            "Computer",
            "host.name",
            "Hostname",
            "hostname",
            "WorkstationName",
            "Workstation",
            "devname",
            "host",
            "winlog.computer_name",
        ],
    ),
    ("process", &["Image", "NewProcessName", "exe"]),
];

/// Whom or what an event is about.
pub fn about(view: &View<'_>) -> Vec<(&'static str, String)> {
    about_event(view.event)
}

/// The account, address, host and process that an event names, each with its kind; what it does not name is left
/// out.
pub fn about_event(event: &Event) -> Vec<(&'static str, String)> {
    let of =
        |names: &[&str]| names.iter().find_map(|name| event.text(name)).map(std::borrow::Cow::into_owned);
    KINDS.iter().filter_map(|(kind, names)| Some((*kind, of(names)?))).collect()
}

/// The kind of a field that makes a group; `value` where its name does not say.
pub fn kind_of(field: &str) -> &'static str {
    let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(field));
    KINDS.iter().find(|(_, names)| named(names)).map_or("value", |(kind, _)| kind)
}
