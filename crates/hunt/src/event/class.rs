// SPDX-License-Identifier: Apache-2.0
//! What kind of log an event is from.

use model::observable::ObservableKind;
use model::observable::ObservableKind as K;

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

impl LogSource {
    /// A source of this product, category and service; empty text where one is not told.
    pub const fn new(product: &'static str, category: &'static str, service: &'static str) -> LogSource {
        LogSource { product, category, service }
    }
}

impl Format {
    /// All formats with their names.
    pub const ALL: [(Format, &'static str); 12] = [
        (Format::Cef, "cef"),
        (Format::CombinedLog, "combined"),
        (Format::Csv, "csv"),
        (Format::Evtx, "evtx"),
        (Format::FortiGate, "fortigate"),
        (Format::Json, "json"),
        (Format::KeyValue, "key-value"),
        (Format::Parquet, "parquet"),
        (Format::Syslog, "syslog"),
        (Format::Text, "text"),
        (Format::W3c, "w3c"),
        (Format::ZeekTsv, "zeek-tsv"),
    ];

    /// Stable short name, as it is printed and stored.
    pub fn name(self) -> &'static str {
        Format::ALL.iter().find(|(format, _)| *format == self).map_or("", |(_, name)| *name)
    }
}

impl SourceKind {
    /// All kinds with their names.
    pub const ALL: [(SourceKind, &'static str); 13] = [
        (SourceKind::Audit, "audit"),
        (SourceKind::Authentication, "authentication"),
        (SourceKind::Dns, "dns"),
        (SourceKind::Email, "email"),
        (SourceKind::Endpoint, "endpoint"),
        (SourceKind::File, "file"),
        (SourceKind::Flow, "flow"),
        (SourceKind::Ids, "ids"),
        (SourceKind::Proxy, "proxy"),
        (SourceKind::Tls, "tls"),
        (SourceKind::Unknown, "unknown"),
        (SourceKind::Vpn, "vpn"),
        (SourceKind::WebServer, "web-server"),
    ];

    /// Stable short name, as it is printed and stored.
    pub fn name(self) -> &'static str {
        SourceKind::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| *name)
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<SourceKind> {
        SourceKind::ALL.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }
}

/// Kinds of logs that lines of one log are of: bit n stands for the kind with code n.
///
/// ```
/// use hunt::event::{SourceKind, SourceKinds};
///
/// let mut kinds = SourceKinds::default();
/// kinds.add(SourceKind::File);
/// kinds.add(SourceKind::Authentication);
/// assert!(kinds.each().eq([SourceKind::Authentication, SourceKind::File]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKinds(i64);

impl SourceKinds {
    /// As it is stored. Bits of kinds that only a newer program knows are left aside.
    pub(crate) fn from_bits(bits: i64) -> SourceKinds {
        let known = SourceKind::ALL.iter().fold(0, |all, (kind, _)| all | 1 << kind.code());
        SourceKinds(bits & known)
    }

    /// For storing.
    pub(crate) fn bits(self) -> i64 {
        self.0
    }

    /// Adds a kind.
    pub fn add(&mut self, kind: SourceKind) {
        self.0 |= 1 << kind.code();
    }

    /// Adds what another part of the log told.
    pub fn join(&mut self, other: SourceKinds) {
        self.0 |= other.0;
    }

    /// Whether a kind is among them.
    pub fn has(self, kind: SourceKind) -> bool {
        self.0 & 1 << kind.code() != 0
    }

    /// These, and the kind of the log as a whole. That single lines are of no known kind says nothing of the log.
    pub fn of_log(self, main: SourceKind) -> SourceKinds {
        let mut kinds = SourceKinds(self.0 & !(1 << SourceKind::Unknown.code()));
        kinds.add(main);
        kinds
    }

    /// Its kinds, by name.
    pub fn each(self) -> impl Iterator<Item = SourceKind> {
        SourceKind::ALL.iter().map(|(kind, _)| *kind).filter(move |kind| self.has(*kind))
    }
}

const ADDRESSES: &[ObservableKind] = &[K::Ip];
const HASHES_AND_MORE: &[ObservableKind] =
    &[K::Account, K::Domain, K::Ip, K::Md5, K::Sha1, K::Sha256, K::Sha384, K::Sha512, K::Url];
const ALL_BUT_NETWORKS: &[ObservableKind] = &[
    K::Account,
    K::Domain,
    K::Email,
    K::Ip,
    K::Ja3,
    K::Ja4,
    K::Md5,
    K::Sha1,
    K::Sha256,
    K::Sha384,
    K::Sha512,
    K::Url,
    K::UserAgent,
];

/// Which observables a log of this kind can show: for 'never seen', which means nothing where the logs could
/// not have shown it. A network is shown where its addresses are. Of an unknown log nothing can be promised,
/// so it shows none.
///
/// ```
/// use hunt::event::{SourceKind, kinds_shown};
/// use model::observable::ObservableKind;
///
/// assert!(!kinds_shown(SourceKind::Flow).contains(&ObservableKind::Sha256));
/// assert!(kinds_shown(SourceKind::Endpoint).contains(&ObservableKind::Sha256));
/// ```
pub fn kinds_shown(kind: SourceKind) -> &'static [ObservableKind] {
    match kind {
        SourceKind::Audit => &[K::Account, K::Email, K::Ip, K::UserAgent],
        SourceKind::Authentication => &[K::Account, K::Email, K::Ip, K::UserAgent],
        SourceKind::Dns => &[K::Domain, K::Ip],
        SourceKind::Email => &[K::Domain, K::Email, K::Ip, K::Md5, K::Sha1, K::Sha256, K::Url, K::UserAgent],
        SourceKind::Endpoint => HASHES_AND_MORE,
        SourceKind::File => &[K::Account, K::Ip, K::Md5, K::Sha1, K::Sha256],
        SourceKind::Flow => ADDRESSES,
        SourceKind::Ids => ALL_BUT_NETWORKS,
        SourceKind::Proxy => &[K::Account, K::Domain, K::Ip, K::Url, K::UserAgent],
        SourceKind::Tls => &[K::Domain, K::Ip, K::Ja3, K::Ja4, K::Md5, K::Sha1, K::Sha256],
        SourceKind::Unknown => &[],
        SourceKind::Vpn => &[K::Account, K::Email, K::Ip],
        SourceKind::WebServer => &[K::Account, K::Ip, K::Url, K::UserAgent],
    }
}
