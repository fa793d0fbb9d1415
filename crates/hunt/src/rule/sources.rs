// SPDX-License-Identifier: Apache-2.0
//! Which rules an event concerns: what its log is in the terms of Sigma's log sources.
//!
//! A rule names product, category and service; fewer parts match wider. One event can be of several categories
//! (a value that is set in the registry is `registry_set` and `registry_event`), and a category of Windows is
//! told by channel and event id, not by the log. Tables follow the Sigma specification, appendix taxonomy, and
//! Microsoft's documentation of Sysmon, of the Security log and of PowerShell's logs.

use super::header::Source;
use super::names::{self, Names};
use super::view::{View, scalar};
use crate::event::{Event, LogSource, SourceClass};

/// One part of a log source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// It is these, and nothing else.
    Known(&'static [&'static str]),
    /// It is this alone.
    One(&'static str),
    /// It may be anything: no rule is ruled out by it.
    Unknown,
}

impl Part {
    fn admits(self, asked: &str) -> bool {
        match self {
            _ if asked.is_empty() => true,
            Part::Known(names) => names.contains(&asked),
            Part::One(name) => name == asked,
            Part::Unknown => true,
        }
    }
}

/// What an event is, in Sigma's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facets {
    /// Products: the log's own, and others that rules call it by.
    pub product: Part,
    /// Categories.
    pub category: Part,
    /// Services.
    pub service: Part,
    /// How the log calls what rules ask for.
    pub names: &'static Names,
}

impl Facets {
    /// Whether a rule for this source concerns such an event.
    pub fn admit(&self, source: &Source) -> bool {
        let told = !(source.product.is_empty() && source.category.is_empty() && source.service.is_empty());
        told && self.product.admits(&source.product)
            && self.category.admits(&source.category)
            && self.service.admits(&source.service)
    }
}

/// What an event is.
pub fn facets(event: &Event) -> Facets {
    let source = event.class.source;
    match source.product {
        "windows" => windows(event, source),
        "" if source.category.is_empty() && is_windows(event) => windows(event, source),
        "linux" => linux(event, source),
        _ => plain(source),
    }
}

/// What events of this class may be, as far as it can be said without one.
pub fn facets_of_class(class: &SourceClass) -> Facets {
    let wide = |product: &'static [&'static str]| Facets {
        product: Part::Known(product),
        category: Part::Unknown,
        service: Part::Unknown,
        names: &names::NONE,
    };
    match class.source.product {
        "windows" => wide(&["windows"]),
        "linux" => wide(&["linux"]),
        // What turns out to be a Windows event, told by its channel, comes in JSON.
        "" if class.source == LogSource::default() => match class.format {
            crate::event::Format::Json | crate::event::Format::Evtx | crate::event::Format::Parquet => {
                wide(&["windows"])
            }
            _ => plain(class.source),
        },
        _ => plain(class.source),
    }
}

/// A log that says what it is: (its source, products, categories and services that rules call it by, names).
type Row =
    (LogSource, &'static [&'static str], &'static [&'static str], &'static [&'static str], &'static Names);

const fn log(product: &'static str, category: &'static str, service: &'static str) -> LogSource {
    LogSource { product, category, service }
}

/// An empty part of a row's source stands for any; the first row that fits counts.
static LOGS: &[Row] = &[
    (log("zeek", "", "http"), &["zeek"], &["proxy"], &["http"], &names::ZEEK_HTTP),
    (log("zeek", "", "dns"), &["zeek"], &["dns"], &["dns"], &names::ZEEK_DNS),
    (log("zeek", "", "conn"), &["zeek"], &["firewall"], &["conn"], &names::ZEEK_CONN),
    (log("zeek", "", "kerberos"), &["zeek"], &[], &["kerberos"], &names::NONE),
    (log("zeek", "", "rdp"), &["zeek"], &[], &["rdp"], &names::NONE),
    (log("zeek", "", "smb_files"), &["zeek"], &[], &["smb_files"], &names::NONE),
    (log("zeek", "", "dce_rpc"), &["zeek"], &[], &["dce_rpc"], &names::NONE),
    (log("zeek", "", "x509"), &["zeek"], &[], &["x509"], &names::NONE),
    (log("suricata", "dns", ""), &["suricata"], &["dns"], &["dns"], &names::SURICATA),
    (log("suricata", "proxy", ""), &["suricata"], &["proxy"], &["http"], &names::SURICATA),
    (log("suricata", "", "dns"), &["suricata"], &["dns"], &["dns"], &names::SURICATA),
    (log("suricata", "", "http"), &["suricata"], &["proxy"], &["http"], &names::SURICATA),
    (log("suricata", "", "flow"), &["suricata"], &["firewall"], &["flow"], &names::SURICATA),
    (log("fortigate", "", "event"), &["fortigate", "fortios"], &[], &["event", "sslvpnd"], &names::FORTIGATE),
    (
        log("fortigate", "", "traffic"),
        &["fortigate", "fortios"],
        &["firewall"],
        &["traffic"],
        &names::FORTIGATE,
    ),
    (
        log("fortigate", "firewall", ""),
        &["fortigate", "fortios"],
        &["firewall"],
        &["traffic"],
        &names::FORTIGATE,
    ),
    (log("fortigate", "dns", ""), &["fortigate", "fortios"], &["dns"], &["utm"], &names::FORTIGATE),
    (log("fortigate", "proxy", ""), &["fortigate", "fortios"], &["proxy"], &["utm"], &names::FORTIGATE),
    (log("fortigate", "", "utm"), &["fortigate", "fortios"], &[], &["utm"], &names::FORTIGATE),
    (
        log("fortigate", "", ""),
        &["fortigate", "fortios"],
        &["firewall"],
        &["event", "sslvpnd"],
        &names::FORTIGATE,
    ),
    (log("azure", "", "signinlogs"), &["azure"], &[], &["signinlogs"], &names::ENTRA),
    (log("azure", "", "auditlogs"), &["azure"], &[], &["auditlogs", "pim"], &names::ENTRA),
    (log("azure", "", "riskdetection"), &["azure"], &[], &["riskdetection"], &names::ENTRA),
    (log("azure", "", "activitylogs"), &["azure"], &[], &["activitylogs"], &names::ENTRA),
    (log("m365", "", ""), &["m365"], &[], &[], &names::M365),
    (log("cisco", "", "ios"), &["cisco"], &[], &["ios", "syslog", "aaa", "bgp", "ldp"], &names::NONE),
    (log("okta", "", ""), &["okta"], &[], &["okta"], &names::OKTA),
    (log("apache", "", ""), &["apache"], &["webserver"], &["apache"], &names::WEB),
    (log("nginx", "", ""), &["nginx"], &["webserver"], &["nginx"], &names::WEB),
    (log("iis", "", ""), &["iis"], &["webserver"], &["iis"], &names::WEB),
    (log("", "webserver", ""), &[], &["webserver"], &[], &names::WEB),
    (log("", "proxy", ""), &[], &["proxy"], &[], &names::PROXY),
    (log("", "dns", ""), &[], &["dns"], &[], &names::DNS),
    (log("", "firewall", ""), &[], &["firewall"], &[], &names::FIREWALL),
];

fn plain(source: LogSource) -> Facets {
    let fits = |part: &str, asked: &str| part.is_empty() || part == asked;
    let row = LOGS.iter().find(|(of, ..)| {
        fits(of.product, source.product)
            && fits(of.category, source.category)
            && fits(of.service, source.service)
            && *of != LogSource::default()
    });
    if let Some((_, product, category, service, names)) = row {
        // What the reader says beyond the row stays said, where the row leaves it open.
        let or = |listed: &'static [&'static str], told: &'static str| match listed.is_empty() {
            true => Part::One(told),
            false => Part::Known(listed),
        };
        return Facets {
            product: or(product, source.product),
            category: or(category, source.category),
            service: or(service, source.service),
            names,
        };
    }
    Facets {
        product: Part::One(source.product),
        category: Part::One(source.category),
        service: Part::One(source.service),
        names: &names::NONE,
    }
}

// --- Linux ---

/// Programs of syslog: (what it calls itself, the services that rules call it by).
static PROGRAMS: &[(&str, &[&str])] = &[
    ("auth", &["auth", "syslog"]),
    ("audit", &["auditd"]),
    ("sshd", &["sshd", "auth", "syslog"]),
    ("sshd-session", &["sshd", "auth", "syslog"]),
    ("sudo", &["sudo", "auth", "syslog"]),
    ("su", &["auth", "syslog"]),
    ("login", &["auth", "syslog"]),
    ("systemd-logind", &["auth", "syslog"]),
    ("cron", &["cron", "syslog"]),
    ("crond", &["cron", "syslog"]),
    ("CRON", &["cron", "syslog"]),
    ("clamd", &["clamav", "syslog"]),
    ("clamav", &["clamav", "syslog"]),
    ("vsftpd", &["vsftpd", "syslog"]),
    ("guacd", &["guacamole", "syslog"]),
    ("guacamole", &["guacamole", "syslog"]),
    ("auditd", &["auditd"]),
    ("audisp-syslog", &["auditd"]),
];

fn linux(event: &Event, source: LogSource) -> Facets {
    let category: &'static [&'static str] = match (source.category, event_id(event)) {
        ("process_creation", _) => &["process_creation"],
        ("network_connection", _) => &["network_connection"],
        ("file_event", _) => &["file_event"],
        ("antivirus", _) => &["antivirus"],
        ("dns", _) => &["dns"],
        ("firewall", _) => &["firewall"],
        ("proxy", _) => &["proxy"],
        // Sysmon for Linux has the event ids of Sysmon.
        (_, Some(1)) if source.service == "sysmon" => &["process_creation"],
        (_, Some(3)) if source.service == "sysmon" => &["network_connection"],
        (_, Some(11)) if source.service == "sysmon" => &["file_event"],
        _ => &[],
    };
    let program = ["program", "appname", "app_name", "SYSLOG_IDENTIFIER", "ident", "process"]
        .iter()
        .find_map(|name| event.fields.get(*name).and_then(scalar));
    let by_program =
        PROGRAMS.iter().find(|(name, _)| program.as_deref() == Some(*name) || source.service == *name);
    let service: &'static [&'static str] = match (source.service, by_program) {
        ("sysmon", _) => &["sysmon"],
        (_, Some((_, services))) => services,
        _ => &["syslog"],
    };
    Facets {
        product: Part::Known(&["linux"]),
        category: Part::Known(category),
        service: Part::Known(service),
        names: &names::LINUX,
    }
}

// --- Windows ---

fn is_windows(event: &Event) -> bool {
    let has = |name: &str| event.fields.contains_key(name);
    has("EventID") && (has("Channel") || has("Provider_Name"))
}

fn event_id(event: &Event) -> Option<i64> {
    let view = View { event, line: &[], names: &names::WINDOWS };
    view.text("EventID").and_then(|text| text.parse().ok())
}

/// Channels of Windows and the services that rules call them by.
static CHANNELS: &[(&str, &[&str])] = &[
    ("Application", &["application"]),
    ("DNS Server", &["dns-server"]),
    ("Directory Service", &["ldap"]),
    ("MSExchange Management", &["msexchange-management"]),
    ("Microsoft-IIS-Configuration/Operational", &["iis-configuration"]),
    ("Microsoft-ServiceBus-Client", &["microsoft-servicebus-client"]),
    ("Microsoft-Windows-AppLocker/EXE and DLL", &["applocker"]),
    ("Microsoft-Windows-AppLocker/MSI and Script", &["applocker"]),
    ("Microsoft-Windows-AppLocker/Packaged app-Deployment", &["applocker"]),
    ("Microsoft-Windows-AppLocker/Packaged app-Execution", &["applocker"]),
    ("Microsoft-Windows-AppModel-Runtime/Admin", &["appmodel-runtime"]),
    ("Microsoft-Windows-AppXDeploymentServer/Operational", &["appxdeployment-server"]),
    ("Microsoft-Windows-AppxPackaging/Operational", &["appxpackaging-om"]),
    ("Microsoft-Windows-Bits-Client/Operational", &["bits-client"]),
    ("Microsoft-Windows-CAPI2/Operational", &["capi2"]),
    (
        "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
        &["certificateservicesclient-lifecycle-system"],
    ),
    ("Microsoft-Windows-CodeIntegrity/Operational", &["codeintegrity-operational"]),
    ("Microsoft-Windows-DNS Client Events/Operational", &["dns-client"]),
    ("Microsoft-Windows-DNS-Client/Operational", &["dns-client"]),
    ("Microsoft-Windows-DNS-Server/Analytical", &["dns-server-analytic"]),
    ("Microsoft-Windows-DNS-Server/Audit", &["dns-server-audit"]),
    ("Microsoft-Windows-Diagnosis-Scripted/Operational", &["diagnosis-scripted"]),
    ("Microsoft-Windows-DriverFrameworks-UserMode/Operational", &["driver-framework"]),
    ("Microsoft-Windows-Kernel-EventTracing", &["kernel-event-tracing"]),
    ("Microsoft-Windows-Kernel-ShimEngine/Operational", &["kernel-shimengine"]),
    ("Microsoft-Windows-LDAP-Client/Debug", &["ldap"]),
    ("Microsoft-Windows-LSA/Operational", &["lsa-server"]),
    ("Microsoft-Windows-NTLM/Operational", &["ntlm"]),
    ("Microsoft-Windows-PowerShell/Operational", &["powershell"]),
    ("Microsoft-Windows-PrintService/Admin", &["printservice-admin"]),
    ("Microsoft-Windows-PrintService/Operational", &["printservice-operational"]),
    ("Microsoft-Windows-Security-Mitigations/Kernel Mode", &["security-mitigations"]),
    ("Microsoft-Windows-Security-Mitigations/User Mode", &["security-mitigations"]),
    ("Microsoft-Windows-Shell-Core/Operational", &["shell-core"]),
    ("Microsoft-Windows-SmbClient/Connectivity", &["smbclient-connectivity"]),
    ("Microsoft-Windows-SmbClient/Security", &["smbclient-security"]),
    ("Microsoft-Windows-SmbServer/Connectivity", &["smbserver-connectivity"]),
    ("Microsoft-Windows-Sysmon/Operational", &["sysmon"]),
    ("Microsoft-Windows-TaskScheduler/Operational", &["taskscheduler"]),
    (
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
        &["terminalservices-localsessionmanager"],
    ),
    ("Microsoft-Windows-VHDMP-Operational", &["vhdmp"]),
    ("Microsoft-Windows-WMI-Activity/Operational", &["wmi"]),
    ("Microsoft-Windows-Windows Defender/Operational", &["windefend"]),
    ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", &["firewall-as"]),
    ("OpenSSH/Operational", &["openssh"]),
    ("Security", &["security"]),
    ("Setup", &["setup"]),
    ("System", &["system"]),
    ("Windows PowerShell", &["powershell-classic"]),
];

/// Providers, for events that were forwarded without their channel.
static PROVIDERS: &[(&str, &[&str])] = &[
    ("Microsoft-Windows-PowerShell", &["powershell"]),
    ("Microsoft-Windows-Security-Auditing", &["security"]),
    ("Microsoft-Windows-Sysmon", &["sysmon"]),
    ("Microsoft-Windows-TaskScheduler", &["taskscheduler"]),
    ("Microsoft-Windows-WMI-Activity", &["wmi"]),
    ("Microsoft-Windows-Windows Defender", &["windefend"]),
    ("PowerShell", &["powershell-classic"]),
    ("Service Control Manager", &["system"]),
];

/// Categories by service and event id.
static CATEGORIES: &[(&str, i64, &[&str])] = &[
    ("powershell", 4103, &["ps_module"]),
    ("powershell", 4104, &["ps_script"]),
    ("powershell-classic", 400, &["ps_classic_start"]),
    ("powershell-classic", 600, &["ps_classic_provider_start"]),
    ("powershell-classic", 800, &["ps_classic_script"]),
    ("security", 4688, &["process_creation"]),
    ("sysmon", 1, &["process_creation"]),
    ("sysmon", 2, &["file_change"]),
    ("sysmon", 3, &["network_connection"]),
    ("sysmon", 4, &["sysmon_status"]),
    ("sysmon", 5, &["process_termination"]),
    ("sysmon", 6, &["driver_load"]),
    ("sysmon", 7, &["image_load"]),
    ("sysmon", 8, &["create_remote_thread"]),
    ("sysmon", 9, &["raw_access_thread"]),
    ("sysmon", 10, &["process_access"]),
    ("sysmon", 11, &["file_event"]),
    ("sysmon", 12, &["registry_event", "registry_add", "registry_delete"]),
    ("sysmon", 13, &["registry_event", "registry_set"]),
    ("sysmon", 14, &["registry_event", "registry_rename"]),
    ("sysmon", 15, &["create_stream_hash"]),
    ("sysmon", 16, &["sysmon_status"]),
    ("sysmon", 17, &["pipe_created"]),
    ("sysmon", 18, &["pipe_created"]),
    ("sysmon", 19, &["wmi_event"]),
    ("sysmon", 20, &["wmi_event"]),
    ("sysmon", 21, &["wmi_event"]),
    ("sysmon", 22, &["dns_query"]),
    ("sysmon", 23, &["file_delete"]),
    ("sysmon", 24, &["clipboard_capture"]),
    ("sysmon", 25, &["process_tampering"]),
    ("sysmon", 26, &["file_delete"]),
    ("sysmon", 27, &["file_block_executable"]),
    ("sysmon", 28, &["file_block_shredding"]),
    ("sysmon", 29, &["file_executable_detected"]),
    ("sysmon", 255, &["sysmon_error"]),
];

/// Categories of Windows that products other than Sysmon may tell, as the reader says.
static TOLD: &[&[&str]] = &[
    &["create_remote_thread"],
    &["dns_query"],
    &["driver_load"],
    &["file_access"],
    &["file_change"],
    &["file_delete"],
    &["file_event"],
    &["file_rename"],
    &["image_load"],
    &["network_connection"],
    &["pipe_created"],
    &["process_access"],
    &["process_creation"],
    &["ps_classic_start"],
    &["ps_module"],
    &["ps_script"],
    &["registry_add"],
    &["registry_delete"],
    &["registry_event"],
    &["registry_set"],
    &["wmi_event"],
];

fn windows(event: &Event, source: LogSource) -> Facets {
    let text = |name: &str| event.fields.get(name).and_then(|value| value.as_str());
    let listed = |table: &'static [(&'static str, &'static [&'static str])], asked: &str| {
        table.iter().find(|(name, _)| *name == asked).map(|(_, services)| *services)
    };
    let channel = text("Channel");
    let service = channel
        .and_then(|channel| listed(CHANNELS, channel))
        .or_else(|| text("Provider_Name").and_then(|provider| listed(PROVIDERS, provider)))
        .or_else(|| CHANNELS.iter().map(|(_, s)| *s).find(|s| s.first() == Some(&source.service)));
    let told = TOLD.iter().copied().find(|told| told.first() == Some(&source.category));
    let (category, service) = match (service, event_id(event)) {
        (Some(services), id) => {
            let by_id = |(of, nr, _): &&(&str, i64, &[&str])| services.first() == Some(of) && Some(*nr) == id;
            let categories = CATEGORIES.iter().find(by_id).map(|(.., categories)| *categories);
            (Part::Known(categories.or(told).unwrap_or_default()), Part::Known(services))
        }
        (None, _) if told.is_some() => (Part::Known(told.unwrap_or_default()), Part::Known(&[])),
        // A channel that no rule knows.
        (None, _) if channel.is_some() => (Part::Known(&[]), Part::Known(&[])),
        (None, _) => (Part::Unknown, Part::Unknown),
    };
    let is_4688 = service == Part::Known(&["security"]) && category == Part::Known(&["process_creation"]);
    Facets {
        product: Part::Known(&["windows"]),
        category,
        service,
        names: if is_4688 { &names::WINDOWS_4688 } else { &names::WINDOWS },
    }
}
