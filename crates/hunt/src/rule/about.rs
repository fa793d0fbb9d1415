// SPDX-License-Identifier: Apache-2.0
//! Whom or what a match is about, by the names that logs give to accounts, hosts and addresses.

use std::borrow::Cow;

use super::view::View;
use crate::event::Event;

/// Kinds with the names of their fields; of each kind the first that an event has counts.
static KINDS: [(&str, &[&str]); 4] = [
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

/// The account, address, host and process that an event names, each with its kind; what it does not name is left
/// out.
pub fn about_event(event: &Event) -> Vec<(&'static str, String)> {
    let of = |names: &[&str]| names.iter().find_map(|name| event.text(name)).map(Cow::into_owned);
    KINDS.iter().filter_map(|(kind, names)| Some((*kind, of(names)?))).collect()
}

/// All accounts that an event names.
pub fn accounts<'a>(event: &'a Event) -> impl Iterator<Item = Cow<'a, str>> {
    let names = KINDS.iter().filter(|(kind, _)| *kind == "account").flat_map(|(_, names)| names.iter());
    names.filter_map(|name| event.text(name))
}

/// What [`about`] tells, borrowed.
pub type About<'a> = [Option<(&'static str, Cow<'a, str>)>; 4];

/// Whom or what an event is about, kind by kind.
pub fn about<'a>(view: &View<'a>) -> About<'a> {
    std::array::from_fn(|nth| {
        let (kind, names) = KINDS.get(nth)?;
        Some((*kind, names.iter().find_map(|name| view.event.text(name))?))
    })
}

/// The same, to be kept.
pub fn kept(about: &About<'_>) -> Vec<(&'static str, String)> {
    about.iter().flatten().map(|(kind, value)| (*kind, value.clone().into_owned())).collect()
}

/// Whether what was kept is the same.
pub fn is_same(kept: &[(&'static str, String)], about: &About<'_>) -> bool {
    kept.iter()
        .map(|(kind, value)| (*kind, value.as_str()))
        .eq(about.iter().flatten().map(|(k, v)| (*k, &**v)))
}

/// The kind of a field that makes a group; `value` where its name does not say.
pub fn kind_of(field: &str) -> &'static str {
    let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(field));
    KINDS.iter().find(|(_, names)| named(names)).map_or("value", |(kind, _)| kind)
}
