// SPDX-License-Identifier: Apache-2.0
//! Which fields of the logs hold what: the names that Zeek, Suricata, FortiGate, Windows and Sysmon, web
//! servers, proxies, CEF, Entra, Microsoft 365 and Okta give to the same thing.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use crate::event::Event;

/// What a field can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Account,
    AccountId,
    CommandLine,
    Destination,
    DestinationBytes,
    DestinationHost,
    DestinationPort,
    DnsName,
    File,
    FileSize,
    Hash,
    HttpMethod,
    Image,
    Ja3,
    Ja4,
    MailFrom,
    MailSubject,
    MailTo,
    Md5,
    ParentCommandLine,
    ParentImage,
    ParentProcessId,
    ProcessId,
    Protocol,
    RegistryData,
    RegistryKey,
    Service,
    Sha1,
    Sha256,
    Source,
    SourceBytes,
    SourcePort,
    Url,
    UserAgent,
    WorkingDirectory,
}

/// Names of the fields of a role, in the order in which they are tried.
const NAMES: &[(Role, &[&str])] = &[
    (
        Role::Account,
        &[
            "TargetUserName",
            "User",
            "SubjectUserName",
            "userPrincipalName",
            "UserId",
            "user",
            "username",
            "user_name",
            "suser",
            "duser",
            "cs-username",
            "remote_user",
            "actor.alternateId",
        ],
    ),
    (Role::AccountId, &["TargetUserSid", "TargetSid", "SubjectUserSid", "userId", "actor.id", "uid"]),
    (Role::CommandLine, &["CommandLine", "ProcessCommandLine", "command_line", "proctitle"]),
    (
        Role::Destination,
        &[
            "id.resp_h",
            "dest_ip",
            "dstip",
            "DestinationIp",
            "DestAddress",
            "DestinationAddress",
            "dst_ip",
            "dst",
            "destination.ip",
            "s-ip",
            "server_ip",
        ],
    ),
    (Role::DestinationBytes, &["resp_bytes", "flow.bytes_toclient", "rcvdbyte", "sc-bytes", "bytes_in"]),
    (
        Role::DestinationHost,
        &[
            "host",
            "http.hostname",
            "hostname",
            "tls.sni",
            "server_name",
            "cs-host",
            "DestinationHostname",
            "dhost",
            "destination.domain",
            "qname",
            "HostName",
            "dstname",
        ],
    ),
    (
        Role::DestinationPort,
        &[
            "id.resp_p",
            "dest_port",
            "dstport",
            "DestinationPort",
            "DestPort",
            "dst_port",
            "dpt",
            "destination.port",
            "s-port",
        ],
    ),
    (Role::DnsName, &["query", "dns.rrname", "QueryName", "qname", "dns.question.name", "rrname"]),
    (
        Role::File,
        &[
            "TargetFilename",
            "ImageLoaded",
            "filename",
            "fileinfo.filename",
            "FileName",
            "file_name",
            "fname",
            "ObjectName",
            "SourceFileName",
            "path",
        ],
    ),
    (Role::FileSize, &["seen_bytes", "fileinfo.size", "filesize", "FileSize", "fsize"]),
    (Role::Hash, &["Hashes", "Hash", "hash", "fileHash", "FileHash", "filehash"]),
    (Role::HttpMethod, &["method", "http.http_method", "cs-method", "requestMethod", "http_method"]),
    (Role::Image, &["Image", "NewProcessName", "ProcessName", "exe", "process.executable"]),
    (Role::Ja3, &["ja3", "tls.ja3.hash", "ja3_hash", "tls.ja3"]),
    (Role::Ja4, &["ja4", "tls.ja4", "ja4_hash"]),
    (
        Role::MailFrom,
        &["mailfrom", "from", "smtp.mail_from", "SenderAddress", "P1Sender", "P2Sender", "sender"],
    ),
    (Role::MailSubject, &["subject", "email.subject", "Subject"]),
    (Role::MailTo, &["rcptto", "to", "smtp.rcpt_to", "RecipientAddress", "recipient", "Recipients"]),
    (Role::Md5, &["md5", "fileinfo.md5", "MD5", "FileMD5"]),
    (Role::ParentCommandLine, &["ParentCommandLine"]),
    (Role::ParentImage, &["ParentImage", "ParentProcessName"]),
    (Role::ParentProcessId, &["ParentProcessId", "ppid"]),
    (Role::ProcessId, &["NewProcessId", "ProcessId", "pid"]),
    (Role::Protocol, &["proto", "Protocol", "transport", "protocol"]),
    (Role::RegistryData, &["Details", "NewValue"]),
    (Role::RegistryKey, &["TargetObject", "RegistryKey"]),
    (Role::Service, &["service", "app_proto", "app"]),
    (Role::Sha1, &["sha1", "fileinfo.sha1", "SHA1", "FileSHA1"]),
    (Role::Sha256, &["sha256", "fileinfo.sha256", "SHA256", "FileSHA256"]),
    (
        Role::Source,
        &[
            "id.orig_h",
            "src_ip",
            "srcip",
            "SourceIp",
            "SourceAddress",
            "IpAddress",
            "ipAddress",
            "ClientIP",
            "ClientIPAddress",
            "client.ipAddress",
            "c-ip",
            "clientip",
            "client_ip",
            "remote_addr",
            "remip",
            "src",
            "source.ip",
            "rhost",
        ],
    ),
    (Role::SourceBytes, &["orig_bytes", "flow.bytes_toserver", "sentbyte", "cs-bytes", "bytes_out"]),
    (Role::SourcePort, &["id.orig_p", "src_port", "srcport", "SourcePort", "IpPort", "spt", "source.port"]),
    (
        Role::Url,
        &["url", "http.url", "c-uri", "cs-uri", "cs-uri-stem", "request", "uri", "requestUrl", "r-dns"],
    ),
    (
        Role::UserAgent,
        &[
            "user_agent",
            "http.http_user_agent",
            "cs-user-agent",
            "c-useragent",
            "cs(User-Agent)",
            "userAgent",
            "UserAgent",
            "client.userAgent.rawUserAgent",
            "agent",
            "requestClientApplication",
        ],
    ),
    (Role::WorkingDirectory, &["CurrentDirectory", "cwd"]),
];

/// The first field of a role that an event has.
pub(crate) fn text_of(event: &Event, role: Role) -> Option<Cow<'_, str>> {
    let (_, names) = NAMES.iter().find(|(known, _)| *known == role)?;
    names.iter().find_map(|name| event.text(name))
}

/// All fields of a role that an event has, without doubles.
pub(crate) fn all_of<'a>(event: &'a Event, role: Role) -> Vec<Cow<'a, str>> {
    let Some((_, names)) = NAMES.iter().find(|(known, _)| *known == role) else { return Vec::new() };
    let (mut all, mut known) = (Vec::new(), HashSet::new());
    let mut add = |text: Cow<'a, str>| {
        if known.insert(text.clone()) {
            all.push(text);
        }
    };
    for name in *names {
        match event.field(name) {
            // Suricata writes recipients as a list.
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).for_each(|text| add(Cow::Borrowed(text)));
            }
            _ => event.text(name).into_iter().for_each(&mut add),
        }
    }
    all
}
