// SPDX-License-Identifier: Apache-2.0
//! What kind of log an event is from.

/// How the lines of a log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// ArcSight Common Event Format, alone or behind a syslog header.
    Cef,
    /// Access log of a web server, common or combined.
    CombinedLog,
    /// Values with a separator under a line of names.
    Csv,
    /// Windows event log, binary; read as one JSON object a record.
    Evtx,
    /// FortiGate `key=value`.
    FortiGate,
    /// One JSON object a line; also the elements of one array.
    Json,
    /// `key=value`, of no known maker.
    KeyValue,
    /// Apache Parquet; read as one JSON object a row.
    Parquet,
    /// Syslog, RFC 3164 or RFC 5424.
    Syslog,
    /// Lines of no known form: hunted in, not read into fields.
    #[default]
    Text,
    /// W3C extended log (`#Fields:`), as IIS writes it.
    W3c,
    /// Zeek's tab-separated logs (`#fields`).
    ZeekTsv,
}

/// What a log tells about: for coverage (a firewall log cannot show a file's hash), for routing of rules, and
/// for detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Changes of accounts, groups, policies, mailboxes: audit logs.
    Audit,
    /// Sign-ins: domain controllers, identity providers, sshd.
    Authentication,
    /// Name resolution.
    Dns,
    /// Mail flow.
    Email,
    /// Processes, files, registry on hosts.
    Endpoint,
    /// Files that were moved, opened, hashed on shares or in traffic.
    File,
    /// Connections without content: firewall, flow, Zeek `conn`.
    Flow,
    /// Alerts of other detectors.
    Ids,
    /// HTTP by clients: proxy, Zeek `http`.
    Proxy,
    /// TLS handshakes.
    Tls,
    /// Not known.
    #[default]
    Unknown,
    /// Remote access.
    Vpn,
    /// HTTP to own servers.
    WebServer,
}

/// The log source as Sigma names it; empty where it is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogSource {
    /// `windows`, `linux`, `azure`, `zeek` …
    pub product: &'static str,
    /// `process_creation`, `proxy`, `webserver`, `dns` …
    pub category: &'static str,
    /// `security`, `sysmon`, `signinlogs`, `sshd`, `conn` …
    pub service: &'static str,
}

/// Everything that is known of a log before its content is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceClass {
    /// How it is written.
    pub format: Format,
    /// What it tells about.
    pub kind: SourceKind,
    /// Its name in Sigma's terms.
    pub source: LogSource,
}
