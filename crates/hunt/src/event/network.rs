// SPDX-License-Identifier: Apache-2.0
//! The logs of network sensors: Zeek by path, Suricata by event type.

use super::{Format, LogSource, SourceClass, SourceKind};

/// A log of a sensor: its name there, what it tells about, and Sigma's category where it has one.
type Row = (&'static str, SourceKind, &'static str);

/// Logs of Zeek by `#path` or `_path`: what stands in `scripts/base` and common packages.
const ZEEK: &[Row] = &[
    ("conn", SourceKind::Flow, "firewall"),
    ("dns", SourceKind::Dns, "dns"),
    ("http", SourceKind::Proxy, "proxy"),
    ("ssl", SourceKind::Tls, ""),
    ("files", SourceKind::File, ""),
    ("x509", SourceKind::Tls, ""),
    ("dce_rpc", SourceKind::Endpoint, ""),
    ("dhcp", SourceKind::Flow, ""),
    ("dpd", SourceKind::Flow, ""),
    ("ftp", SourceKind::File, ""),
    ("intel", SourceKind::Ids, ""),
    ("irc", SourceKind::Flow, ""),
    ("ja4ssh", SourceKind::Flow, ""),
    ("kerberos", SourceKind::Authentication, ""),
    ("known_certs", SourceKind::Tls, ""),
    ("known_hosts", SourceKind::Flow, ""),
    ("known_services", SourceKind::Flow, ""),
    ("ldap", SourceKind::Authentication, ""),
    ("ldap_search", SourceKind::Authentication, ""),
    ("modbus", SourceKind::Flow, ""),
    ("mqtt_connect", SourceKind::Flow, ""),
    ("mysql", SourceKind::Flow, ""),
    ("notice", SourceKind::Ids, ""),
    ("ntlm", SourceKind::Authentication, ""),
    ("ntp", SourceKind::Flow, ""),
    ("ocsp", SourceKind::Tls, ""),
    ("pe", SourceKind::File, ""),
    ("quic", SourceKind::Tls, ""),
    ("radius", SourceKind::Authentication, ""),
    ("rdp", SourceKind::Authentication, ""),
    ("rfb", SourceKind::Authentication, ""),
    ("signatures", SourceKind::Ids, ""),
    ("sip", SourceKind::Flow, ""),
    ("smb_files", SourceKind::File, ""),
    ("smb_mapping", SourceKind::File, ""),
    ("smtp", SourceKind::Email, ""),
    ("snmp", SourceKind::Flow, ""),
    ("socks", SourceKind::Proxy, ""),
    ("software", SourceKind::Flow, ""),
    ("ssh", SourceKind::Authentication, ""),
    ("syslog", SourceKind::Unknown, ""),
    ("traceroute", SourceKind::Flow, ""),
    ("tunnel", SourceKind::Flow, ""),
    ("weird", SourceKind::Ids, ""),
    ("wireguard", SourceKind::Vpn, ""),
];

/// Suricata's EVE by `event_type`.
const SURICATA: &[Row] = &[
    ("alert", SourceKind::Ids, ""),
    ("dns", SourceKind::Dns, "dns"),
    ("flow", SourceKind::Flow, "firewall"),
    ("http", SourceKind::Proxy, "proxy"),
    ("tls", SourceKind::Tls, ""),
    ("fileinfo", SourceKind::File, ""),
    ("anomaly", SourceKind::Ids, ""),
    ("dcerpc", SourceKind::Endpoint, ""),
    ("dhcp", SourceKind::Flow, ""),
    ("drop", SourceKind::Flow, "firewall"),
    ("ftp", SourceKind::File, ""),
    ("ftp_data", SourceKind::File, ""),
    ("ike", SourceKind::Vpn, ""),
    ("krb5", SourceKind::Authentication, ""),
    ("ldap", SourceKind::Authentication, ""),
    ("mqtt", SourceKind::Flow, ""),
    ("netflow", SourceKind::Flow, "firewall"),
    ("nfs", SourceKind::File, ""),
    ("quic", SourceKind::Tls, ""),
    ("rdp", SourceKind::Authentication, ""),
    ("rfb", SourceKind::Authentication, ""),
    ("sip", SourceKind::Flow, ""),
    ("smb", SourceKind::File, ""),
    ("smtp", SourceKind::Email, ""),
    ("snmp", SourceKind::Flow, ""),
    ("ssh", SourceKind::Authentication, ""),
    ("stats", SourceKind::Unknown, ""),
    ("tftp", SourceKind::File, ""),
];

fn row<'a>(table: &'a [Row], name: &[u8]) -> Option<&'a Row> {
    table.iter().find(|(known, ..)| known.as_bytes() == name)
}

/// The class of a log of Zeek. Its names may carry a suffix: `conn_long`, `http_red`.
pub(super) fn zeek_class(path: &[u8], format: Format) -> SourceClass {
    let stem = path.split(|b| *b == b'_').next().unwrap_or_default();
    let (service, kind, category) =
        row(ZEEK, path).or_else(|| row(ZEEK, stem)).copied().unwrap_or(("", SourceKind::Unknown, ""));
    SourceClass { format, kind, source: LogSource::new("zeek", category, service) }
}

/// Whether this is the name of one of Zeek's logs.
pub(super) fn is_zeek_path(path: &[u8]) -> bool {
    row(ZEEK, path).is_some()
}

/// The class of an event of Suricata.
pub(super) fn suricata_class(event_type: &[u8]) -> SourceClass {
    let (service, kind, category) =
        row(SURICATA, event_type).copied().unwrap_or(("", SourceKind::Unknown, ""));
    SourceClass { format: Format::Json, kind, source: LogSource::new("suricata", category, service) }
}
