// SPDX-License-Identifier: Apache-2.0
//! Whom or what a match is about, by the names that logs give to accounts, hosts and addresses.

use std::borrow::Cow;

use model::observable::{is_external, parse_address};

use super::view::View;
use crate::event::{Event, SourceKind};

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
            "winlog.computer_name",
            "Hostname",
            "hostname",
            "WorkstationName",
            "Workstation",
            "devname",
            "host",
        ],
    ),
    ("process", &["Image", "NewProcessName", "exe"]),
];

/// Of the names of hosts those that a host gives to itself, wherever its log is read: the first so many.
const OWN_NAMES: usize = 3;

/// Fields of an address of one's own in what a firewall, a resolver or a proxy tells of others.
static ENDS: [&str; 20] = [
    "src_ip",
    "id.orig_h",
    "srcip",
    "src",
    "SourceIp",
    "source.ip",
    "source_ip",
    "c-ip",
    "client_ip",
    "client",
    "SourceAddress",
    "dest_ip",
    "id.resp_h",
    "dstip",
    "dst",
    "DestinationIp",
    "destination.ip",
    "dst_ip",
    "dest",
    "DestAddress",
];

/// What an event names of a kind: of each kind the first of its fields.
fn of_kind<'a>(event: &'a Event, kind: &str, names: &[&str]) -> Option<Cow<'a, str>> {
    let first = |names: &[&str]| names.iter().find_map(|name| event.text(name));
    if kind != "host" || !tells_of_others(event) {
        return first(names);
    }
    // The device to look at is the one that the connection is of, not the one that wrote it down.
    let (own, others) = names.split_at_checked(OWN_NAMES).unwrap_or((names, &[]));
    let ends = || ENDS.iter().filter_map(|name| event.text(name));
    first(own).or_else(|| ends().find(|address| is_internal(address))).or_else(|| first(others))
}

/// Logs of what passes, written by who is no party to it: by their kind, or by the name of a firewall in them.
fn tells_of_others(event: &Event) -> bool {
    use SourceKind::{Dns, File, Flow, Ids, Proxy, Tls, Unknown};
    match event.class.kind {
        Dns | File | Flow | Ids | Proxy | Tls => true,
        Unknown => event.field("devname").is_some(),
        _ => false,
    }
}

fn is_internal(address: &str) -> bool {
    parse_address(address.trim()).is_some_and(|address| !is_external(address))
}

/// The account, address, host and process that an event names, each with its kind; what it does not name is left
/// out.
pub fn about_event(event: &Event) -> Vec<(&'static str, String)> {
    KINDS
        .iter()
        .filter_map(|(kind, names)| Some((*kind, of_kind(event, kind, names)?.into_owned())))
        .collect()
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
        Some((*kind, of_kind(view.event, kind, names)?))
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

/// What logs call a kind of whom a match is about, in the order in which they count; none for other kinds.
pub fn field_names(kind: &str) -> &'static [&'static str] {
    KINDS.iter().find(|(of, _)| *of == kind).map_or(&[], |(_, names)| names)
}

/// The kind of a field that makes a group; `value` where its name does not say.
pub fn kind_of(field: &str) -> &'static str {
    let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(field));
    KINDS.iter().find(|(_, names)| named(names)).map_or("value", |(kind, _)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SourceClass;

    fn host(kind: SourceKind, fields: &[(&str, &str)]) -> Option<String> {
        let mut event = Event { class: SourceClass { kind, ..SourceClass::default() }, ..Event::default() };
        for (name, value) in fields {
            event.fields.insert((*name).to_owned(), (*value).into());
        }
        about_event(&event).into_iter().find(|(kind, _)| *kind == "host").map(|(_, host)| host)
    }

    /// A page told people to take the firewall off the network.
    #[test]
    fn the_device_of_a_connection_is_not_the_one_that_wrote_it_down() {
        let fortigate = [("devname", "FGT60F"), ("srcip", "10.0.0.5"), ("dstip", "203.0.113.7")];
        assert_eq!(host(SourceKind::Flow, &fortigate).as_deref(), Some("10.0.0.5"));
        assert_eq!(host(SourceKind::Unknown, &fortigate).as_deref(), Some("10.0.0.5"));
        let from_outside = [("devname", "FGT60F"), ("srcip", "203.0.113.7"), ("dstip", "10.0.0.6")];
        assert_eq!(host(SourceKind::Flow, &from_outside).as_deref(), Some("10.0.0.6"));
        let zeek = [("id.orig_h", "10.1.0.12"), ("id.resp_h", "10.1.0.53"), ("query", "evil.example")];
        assert_eq!(host(SourceKind::Dns, &zeek).as_deref(), Some("10.1.0.12"));
        // Its own address is all that is outside: then it is the gateway itself.
        let outside = [("devname", "FGT60F"), ("srcip", "198.51.100.1"), ("dstip", "203.0.113.7")];
        assert_eq!(host(SourceKind::Flow, &outside).as_deref(), Some("FGT60F"));
        let sysmon = [("Computer", "PC1.example.org"), ("SourceIp", "10.0.0.5")];
        assert_eq!(host(SourceKind::Flow, &sysmon).as_deref(), Some("PC1.example.org"));
        let gateway = [("devname", "gw1"), ("remip", "203.0.113.7")];
        assert_eq!(host(SourceKind::Vpn, &gateway).as_deref(), Some("gw1"));
    }
}
