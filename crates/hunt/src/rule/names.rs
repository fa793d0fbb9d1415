// SPDX-License-Identifier: Apache-2.0
//! What rules call a field, and what logs call it (Sigma's processing pipelines, as tables).
//!
//! A field's own name always goes first; these are asked where it is not there. The first name that the event
//! has counts. Names of rules are Sigma's taxonomy; names of logs are those of the makers' documentation.

/// The names of one kind of log.
#[derive(Debug)]
pub struct Names(&'static [(&'static str, &'static [&'static str])]);

impl PartialEq for Names {
    fn eq(&self, other: &Names) -> bool {
        self.0 == other.0
    }
}

impl Eq for Names {}

impl std::hash::Hash for Names {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

impl Names {
    /// Other names of a field.
    pub fn of(&self, name: &str) -> &'static [&'static str] {
        self.0.iter().find(|(of, _)| *of == name).map_or(&[], |(_, names)| names)
    }
}

/// Fields are called what rules call them.
pub static NONE: Names = Names(&[]);

/// Windows events, flattened; other programs nest them or write them in their own way.
pub static WINDOWS: Names = Names(&[
    ("Channel", &["winlog.channel", "log_name"]),
    ("CommandLine", &["process.command_line", "ProcessCommandLine"]),
    ("Computer", &["winlog.computer_name", "Hostname", "host.name"]),
    ("DestinationHostname", &["destination.domain"]),
    ("DestinationIp", &["destination.ip", "RemoteIP"]),
    ("DestinationPort", &["destination.port", "RemotePort"]),
    ("EventID", &["event_id", "winlog.event_id", "EventId"]),
    ("Hashes", &["winlog.event_data.Hashes"]),
    ("Image", &["process.executable", "winlog.event_data.Image"]),
    ("ParentCommandLine", &["process.parent.command_line", "InitiatingProcessCommandLine"]),
    ("ParentImage", &["process.parent.executable", "winlog.event_data.ParentImage"]),
    ("Provider_Name", &["winlog.provider_name", "SourceName", "ProviderName"]),
    ("QueryName", &["dns.question.name"]),
    ("ScriptBlockText", &["powershell.file.script_block_text"]),
    ("SourceIp", &["source.ip"]),
    ("TargetFilename", &["file.path", "winlog.event_data.TargetFilename"]),
    ("TargetObject", &["registry.path", "winlog.event_data.TargetObject"]),
    ("User", &["user.name", "winlog.event_data.User"]),
]);

/// Event 4688 of the Security log, where rules are written for event 1 of Sysmon.
pub static WINDOWS_4688: Names = Names(&[
    ("CommandLine", &["ProcessCommandLine", "process.command_line"]),
    ("EventID", &["event_id", "winlog.event_id"]),
    ("Image", &["NewProcessName", "process.executable"]),
    ("IntegrityLevel", &["MandatoryLabel"]),
    ("LogonId", &["SubjectLogonId"]),
    ("ParentImage", &["ParentProcessName", "process.parent.executable"]),
    ("ParentProcessId", &["ProcessId"]),
    ("ProcessId", &["NewProcessId"]),
    ("User", &["SubjectUserName", "user.name"]),
]);

/// Sysmon for Linux, auditd, the journal.
pub static LINUX: Names = Names(&[
    ("CommandLine", &["process.command_line", "proctitle", "_CMDLINE"]),
    ("EventID", &["event_id"]),
    ("Image", &["process.executable", "exe", "_EXE"]),
    ("ParentImage", &["process.parent.executable"]),
    ("User", &["user.name", "auid"]),
    ("c-uri", &["url"]),
    ("dst_ip", &["DST"]),
    ("dst_port", &["DPT"]),
    ("pam_message", &["message", "msg"]),
    ("pam_rhost", &["rhost", "src_ip", "SRC"]),
    ("pam_user", &["user", "acct"]),
    ("src_port", &["SPT"]),
]);

/// Web servers: combined and W3C logs.
pub static WEB: Names = Names(&[
    ("c-ip", &["remote_addr", "client_ip", "src_ip", "source.ip", "host"]),
    ("c-useragent", &["user_agent", "agent", "cs(User-Agent)", "http_user_agent", "user_agent.original"]),
    ("cs-host", &["host", "vhost", "url.domain"]),
    ("cs-method", &["method", "request_method", "verb", "http.request.method"]),
    ("cs-referer", &["referer", "referrer", "cs(Referer)", "http_referer", "http.request.referrer"]),
    ("cs-uri", &["uri", "request_uri", "url", "path", "url.original"]),
    ("cs-uri-query", &["query", "uri_query", "uri", "request_uri", "url", "request", "url.original"]),
    ("cs-uri-stem", &["path", "uri_path", "uri", "request_uri", "url", "request", "url.path"]),
    ("cs-user-agent", &["user_agent", "agent", "cs(User-Agent)", "http_user_agent", "user_agent.original"]),
    ("cs-username", &["user", "remote_user", "user.name"]),
    ("sc-status", &["status", "status_code", "http.response.status_code"]),
    ("src_ip", &["c-ip", "remote_addr", "client_ip"]),
]);

/// Proxies: W3C as Squid, Blue Coat and others write it.
pub static PROXY: Names = Names(&[
    ("c-uri", &["cs-uri", "url", "uri", "request", "url.original"]),
    ("c-uri-extension", &["cs-uri-extension", "uri_extension"]),
    ("c-uri-query", &["cs-uri-query", "uri_query", "url.query"]),
    ("c-useragent", &["cs(User-Agent)", "cs-user-agent", "user_agent", "agent", "user_agent.original"]),
    ("cs-cookie", &["cs(Cookie)", "cookie"]),
    ("cs-host", &["host", "cs(Host)", "hostname", "url.domain"]),
    ("cs-method", &["method", "http.request.method"]),
    ("cs-referer", &["cs(Referer)", "referer", "referrer"]),
    ("cs-uri", &["c-uri", "url", "uri", "url.original"]),
    ("cs-uri-stem", &["uri_path", "path", "url.path"]),
    ("dst_ip", &["r-ip", "s-ip", "dest_ip", "destination.ip"]),
    ("r-dns", &["cs-host", "host", "hostname"]),
    ("sc-status", &["status", "status_code", "http.response.status_code"]),
    ("src_ip", &["c-ip", "client_ip", "source.ip"]),
]);

/// Name resolution.
pub static DNS: Names = Names(&[
    ("answer", &["answers", "rdata", "dns.answers.data"]),
    ("query", &["QueryName", "qname", "rrname", "dns.question.name"]),
    ("record_type", &["qtype", "qtype_name", "rrtype", "dns.question.type"]),
    ("src_ip", &["client_ip", "source.ip"]),
]);

/// Firewalls.
pub static FIREWALL: Names = Names(&[
    ("action", &["act", "event.action"]),
    ("dst_ip", &["dstip", "dst", "dest_ip", "DestinationIp", "destination.ip"]),
    ("dst_port", &["dstport", "dpt", "dest_port", "DestinationPort", "destination.port"]),
    ("src_ip", &["srcip", "src", "SourceIp", "source.ip"]),
    ("src_port", &["srcport", "spt", "SourcePort", "source.port"]),
]);

/// Zeek's `http.log`.
pub static ZEEK_HTTP: Names = Names(&[
    ("c-uri", &["uri"]),
    ("c-uri-query", &["uri"]),
    ("c-useragent", &["user_agent"]),
    ("cs-host", &["host"]),
    ("cs-method", &["method"]),
    ("cs-referer", &["referrer"]),
    ("cs-uri", &["uri"]),
    ("cs-uri-query", &["uri"]),
    ("cs-uri-stem", &["uri"]),
    ("cs-user-agent", &["user_agent"]),
    ("dst_ip", &["id.resp_h"]),
    ("dst_port", &["id.resp_p"]),
    ("r-dns", &["host"]),
    ("sc-status", &["status_code"]),
    ("src_ip", &["id.orig_h"]),
]);

/// Zeek's `dns.log`.
pub static ZEEK_DNS: Names = Names(&[
    ("answer", &["answers"]),
    ("dst_ip", &["id.resp_h"]),
    ("record_type", &["qtype_name"]),
    ("src_ip", &["id.orig_h"]),
]);

/// Zeek's `conn.log`.
pub static ZEEK_CONN: Names = Names(&[
    ("dst_ip", &["id.resp_h"]),
    ("dst_port", &["id.resp_p"]),
    ("src_ip", &["id.orig_h"]),
    ("src_port", &["id.orig_p"]),
]);

/// Suricata's EVE.
pub static SURICATA: Names = Names(&[
    ("answer", &["dns.answers.rdata", "dns.rdata"]),
    ("c-uri", &["http.url"]),
    ("c-useragent", &["http.http_user_agent"]),
    ("cs-host", &["http.hostname"]),
    ("cs-method", &["http.http_method"]),
    ("cs-referer", &["http.http_refer"]),
    ("cs-uri", &["http.url"]),
    ("cs-uri-query", &["http.url"]),
    ("dst_ip", &["dest_ip"]),
    ("dst_port", &["dest_port"]),
    ("query", &["dns.rrname", "dns.query.rrname", "dns.queries.rrname"]),
    ("r-dns", &["http.hostname"]),
    ("record_type", &["dns.rrtype", "dns.queries.rrtype"]),
    ("sc-status", &["http.status"]),
]);

/// FortiGate.
pub static FORTIGATE: Names = Names(&[
    ("c-uri", &["url"]),
    ("c-useragent", &["agent"]),
    ("cs-host", &["hostname"]),
    ("cs-method", &["httpmethod"]),
    ("dst_ip", &["dstip"]),
    ("dst_port", &["dstport"]),
    ("message", &["msg", "logdesc"]),
    ("src_ip", &["srcip", "remip"]),
    ("src_port", &["srcport"]),
    ("user", &["dstuser", "unauthuser"]),
]);

/// Entra: the Graph's sign-ins and audits, the same as the diagnostic settings write them, CSV of the portal.
pub static ENTRA: Names = Names(&[
    ("ActivityDisplayName", &["activityDisplayName", "properties.activityDisplayName", "Activity"]),
    ("AppDisplayName", &["appDisplayName", "properties.appDisplayName", "Application"]),
    ("AuthenticationRequirement", &["authenticationRequirement", "properties.authenticationRequirement"]),
    ("Category", &["category", "properties.category"]),
    ("ClientApp", &["clientAppUsed", "properties.clientAppUsed", "ClientAppUsed", "Client app"]),
    ("DeviceDetail.deviceId", &["deviceDetail.deviceId", "properties.deviceDetail.deviceId"]),
    ("DeviceDetail.isCompliant", &["deviceDetail.isCompliant", "properties.deviceDetail.isCompliant"]),
    ("DeviceDetail.trusttype", &["deviceDetail.trustType", "properties.deviceDetail.trustType"]),
    ("IpAddress", &["ipAddress", "properties.ipAddress", "IPAddress", "callerIpAddress", "IP address"]),
    ("LoggedByService", &["loggedByService", "properties.loggedByService", "Service"]),
    ("OperationName", &["operationName", "activityDisplayName", "properties.operationName"]),
    ("ResourceDisplayName", &["resourceDisplayName", "properties.resourceDisplayName", "Resource"]),
    ("ResultDescription", &["resultDescription", "status.failureReason", "properties.status.failureReason"]),
    (
        "ResultType",
        &["resultType", "status.errorCode", "properties.status.errorCode", "errorCode", "Sign-in error code"],
    ),
    ("RiskState", &["riskState", "properties.riskState"]),
    ("Status", &["status", "result", "properties.result"]),
    ("TargetResources", &["targetResources", "properties.targetResources"]),
    (
        "UserPrincipalName",
        &["userPrincipalName", "properties.userPrincipalName", "Username", "User", "identity"],
    ),
    ("Username", &["userPrincipalName", "properties.userPrincipalName", "UserPrincipalName"]),
    ("conditionalAccessStatus", &["properties.conditionalAccessStatus", "ConditionalAccessStatus"]),
    ("operationName", &["OperationName", "activityDisplayName", "properties.operationName"]),
    ("properties.message", &["activityDisplayName", "properties.activityDisplayName", "operationName"]),
    ("riskEventType", &["properties.riskEventType", "riskType", "RiskEventType"]),
    ("userAgent", &["properties.userAgent", "UserAgent", "User agent"]),
]);

/// Microsoft 365, the unified audit log.
pub static M365: Names = Names(&[
    ("ClientIP", &["ClientIPAddress", "AuditData.ClientIP"]),
    ("Operation", &["Operations", "AuditData.Operation"]),
    ("Parameters", &["AuditData.Parameters"]),
    ("UserId", &["UserIds", "AuditData.UserId"]),
    ("eventName", &["Operation", "Name"]),
    ("eventSource", &["Workload", "Source"]),
    ("status", &["ResultStatus", "Status"]),
]);

/// Okta's system log.
pub static OKTA: Names = Names(&[
    ("actor.alternateId", &["actor.alternateid"]),
    ("eventType", &["eventtype", "event_type"]),
    ("eventtype", &["eventType"]),
    ("src_ip", &["client.ipAddress"]),
]);
