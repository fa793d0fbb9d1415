// SPDX-License-Identifier: Apache-2.0
//! What a Windows event is, by its channel and number, in Sigma's words.

use serde_json::{Map, Value};

use super::{Format, LogSource, SourceClass, SourceKind};

/// Channels, Sigma's service (appendix "taxonomy" of the specification), and what they tell about.
const CHANNELS: &[(&str, &str, SourceKind)] = &[
    ("Security", "security", SourceKind::Audit),
    ("Microsoft-Windows-Sysmon/Operational", "sysmon", SourceKind::Endpoint),
    ("System", "system", SourceKind::Endpoint),
    ("Application", "application", SourceKind::Endpoint),
    ("Microsoft-Windows-PowerShell/Operational", "powershell", SourceKind::Endpoint),
    ("PowerShellCore/Operational", "powershell", SourceKind::Endpoint),
    ("Windows PowerShell", "powershell-classic", SourceKind::Endpoint),
    ("Microsoft-Windows-Windows Defender/Operational", "windefend", SourceKind::Ids),
    ("Microsoft-Windows-TaskScheduler/Operational", "taskscheduler", SourceKind::Endpoint),
    ("Microsoft-Windows-WMI-Activity/Operational", "wmi", SourceKind::Endpoint),
    ("DNS Server", "dns-server", SourceKind::Dns),
    ("Microsoft-Windows-DNS-Server/Audit", "dns-server-audit", SourceKind::Audit),
    ("Microsoft-Windows-DNS-Server/Analytical", "dns-server-analytic", SourceKind::Dns),
    ("Microsoft-Windows-DNS Client Events/Operational", "dns-client", SourceKind::Dns),
    ("Microsoft-Windows-DNS-Client/Operational", "dns-client", SourceKind::Dns),
    (
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
        "terminalservices-localsessionmanager",
        SourceKind::Authentication,
    ),
    ("Microsoft-Windows-NTLM/Operational", "ntlm", SourceKind::Authentication),
    ("OpenSSH/Operational", "openssh", SourceKind::Authentication),
    ("Microsoft-Windows-LSA/Operational", "lsa-server", SourceKind::Authentication),
    ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "firewall-as", SourceKind::Audit),
    ("Microsoft-Windows-Bits-Client/Operational", "bits-client", SourceKind::Proxy),
    ("Microsoft-Windows-DriverFrameworks-UserMode/Operational", "driver-framework", SourceKind::Endpoint),
    ("Microsoft-Windows-CodeIntegrity/Operational", "codeintegrity-operational", SourceKind::Endpoint),
    ("Microsoft-Windows-AppLocker/EXE and DLL", "applocker", SourceKind::Endpoint),
    ("Microsoft-Windows-AppLocker/MSI and Script", "applocker", SourceKind::Endpoint),
    ("Microsoft-Windows-AppLocker/Packaged app-Deployment", "applocker", SourceKind::Endpoint),
    ("Microsoft-Windows-AppLocker/Packaged app-Execution", "applocker", SourceKind::Endpoint),
    ("MSExchange Management", "msexchange-management", SourceKind::Audit),
    ("Microsoft-Windows-PrintService/Admin", "printservice-admin", SourceKind::Endpoint),
    ("Microsoft-Windows-PrintService/Operational", "printservice-operational", SourceKind::Endpoint),
    ("Microsoft-Windows-SmbClient/Security", "smbclient-security", SourceKind::File),
    ("Microsoft-Windows-SmbClient/Connectivity", "smbclient-connectivity", SourceKind::File),
    ("Microsoft-Windows-SMBServer/Connectivity", "smbserver-connectivity", SourceKind::File),
    ("Microsoft-Windows-LDAP-Client/Debug", "ldap", SourceKind::Authentication),
    ("Microsoft-Windows-AppXDeploymentServer/Operational", "appxdeployment-server", SourceKind::Endpoint),
    ("Microsoft-Windows-AppxPackaging/Operational", "appxpackaging-om", SourceKind::Endpoint),
    ("Microsoft-Windows-AppModel-Runtime/Admin", "appmodel-runtime", SourceKind::Endpoint),
    ("Microsoft-Windows-Shell-Core/Operational", "shell-core", SourceKind::Endpoint),
    ("Microsoft-Windows-Security-Mitigations/Kernel Mode", "security-mitigations", SourceKind::Endpoint),
    ("Microsoft-Windows-Security-Mitigations/User Mode", "security-mitigations", SourceKind::Endpoint),
    ("Microsoft-Windows-Diagnosis-Scripted/Operational", "diagnosis-scripted", SourceKind::Endpoint),
    ("Microsoft-Windows-VHDMP/Operational", "vhdmp", SourceKind::Endpoint),
    ("Microsoft-Windows-VHDMP-Operational", "vhdmp", SourceKind::Endpoint),
    ("Microsoft-Windows-CAPI2/Operational", "capi2", SourceKind::Endpoint),
    (
        "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
        "certificateservicesclient-lifecycle-system",
        SourceKind::Endpoint,
    ),
    ("Microsoft-Windows-DHCP-Server/Operational", "dhcp", SourceKind::Flow),
    ("Microsoft-ServiceBus-Client/Operational", "microsoft-servicebus-client", SourceKind::Endpoint),
    ("Microsoft-ServiceBus-Client/Admin", "microsoft-servicebus-client", SourceKind::Endpoint),
    ("Microsoft-IIS-Configuration/Operational", "iis-configuration", SourceKind::Audit),
    ("Microsoft-Windows-SENSE/Operational", "sense", SourceKind::Endpoint),
    ("Microsoft-Windows-Hyper-V-Worker-Admin", "hyper-v-worker", SourceKind::Endpoint),
    ("Microsoft-Windows-Kernel-EventTracing/Admin", "kernel-event-tracing", SourceKind::Endpoint),
    ("Microsoft-Windows-Ntfs/Operational", "ntfs", SourceKind::Endpoint),
    ("Microsoft-Windows-Kernel-ShimEngine/Operational", "kernel-shimengine", SourceKind::Endpoint),
    (
        "Microsoft-Windows-Application-Experience/Program-Telemetry",
        "application-experience",
        SourceKind::Endpoint,
    ),
    ("Microsoft-Windows-RemoteAccess/Operational", "", SourceKind::Vpn),
];

/// Sysmon's events by number: Sigma's category. Of the registry and of pipes Sigma also has one category over
/// several numbers (`registry_event`); the narrower one is told here.
const SYSMON: &[(u32, &str, SourceKind)] = &[
    (1, "process_creation", SourceKind::Endpoint),
    (2, "file_change", SourceKind::Endpoint),
    (3, "network_connection", SourceKind::Endpoint),
    (4, "sysmon_status", SourceKind::Endpoint),
    (5, "process_termination", SourceKind::Endpoint),
    (6, "driver_load", SourceKind::Endpoint),
    (7, "image_load", SourceKind::Endpoint),
    (8, "create_remote_thread", SourceKind::Endpoint),
    (9, "raw_access_thread", SourceKind::Endpoint),
    (10, "process_access", SourceKind::Endpoint),
    (11, "file_event", SourceKind::Endpoint),
    (12, "registry_event", SourceKind::Endpoint),
    (13, "registry_set", SourceKind::Endpoint),
    (14, "registry_rename", SourceKind::Endpoint),
    (15, "create_stream_hash", SourceKind::Endpoint),
    (16, "sysmon_status", SourceKind::Endpoint),
    (17, "pipe_created", SourceKind::Endpoint),
    (18, "pipe_created", SourceKind::Endpoint),
    (19, "wmi_event", SourceKind::Endpoint),
    (20, "wmi_event", SourceKind::Endpoint),
    (21, "wmi_event", SourceKind::Endpoint),
    (22, "dns_query", SourceKind::Dns),
    (23, "file_delete", SourceKind::Endpoint),
    (24, "clipboard_change", SourceKind::Endpoint),
    (25, "process_tampering", SourceKind::Endpoint),
    (26, "file_delete_detected", SourceKind::Endpoint),
    (27, "file_block_executable", SourceKind::Endpoint),
    (28, "file_block_shredding", SourceKind::Endpoint),
    (29, "file_executable_detected", SourceKind::Endpoint),
    (255, "sysmon_error", SourceKind::Endpoint),
];

/// Numbers of the Security channel that are not changes of accounts and policies (Windows security audit
/// events, Microsoft).
const SECURITY: &[(std::ops::RangeInclusive<u32>, &str, SourceKind)] = &[
    (4688..=4688, "process_creation", SourceKind::Endpoint),
    (4689..=4689, "process_termination", SourceKind::Endpoint),
    (4624..=4627, "", SourceKind::Authentication),
    (4634..=4634, "", SourceKind::Authentication),
    (4647..=4649, "", SourceKind::Authentication),
    (4672..=4672, "", SourceKind::Authentication),
    (4768..=4779, "", SourceKind::Authentication),
    (4800..=4803, "", SourceKind::Authentication),
    (4820..=4824, "", SourceKind::Authentication),
    (6272..=6280, "", SourceKind::Vpn),
    (4656..=4663, "", SourceKind::File),
    (5140..=5145, "", SourceKind::File),
    (5152..=5159, "", SourceKind::Flow),
    (4697..=4702, "", SourceKind::Endpoint),
];

/// The class of a flat Windows event.
pub(super) fn class(fields: &Map<String, Value>) -> SourceClass {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = fields.get("EventID").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    if let Some(mut class) = class_from_parts(text("Channel"), id) {
        // What happened to a key is told by the event, not by its number.
        if class.source.category == "registry_event" {
            class.source.category = match text("EventType") {
                "CreateKey" => "registry_add",
                "DeleteKey" | "DeleteValue" => "registry_delete",
                _ => "registry_event",
            };
        }
        return class;
    }
    // Forwarders may drop the channel; the provider of these writes to one alone.
    let channel = match text("Provider_Name") {
        "Microsoft-Windows-Sysmon" => "Microsoft-Windows-Sysmon/Operational",
        "Microsoft-Windows-Security-Auditing" => "Security",
        "Microsoft-Windows-PowerShell" => "Microsoft-Windows-PowerShell/Operational",
        "PowerShell" => "Windows PowerShell",
        _ => "",
    };
    class_from_parts(channel, id).unwrap_or(of("", "", SourceKind::Endpoint))
}

/// The class of an event of this channel and number; `None` for an unknown channel.
pub(super) fn class_from_parts(channel: &str, id: u32) -> Option<SourceClass> {
    let (_, service, kind) = CHANNELS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(channel))?;
    let (category, kind) = match *service {
        "sysmon" => SYSMON
            .iter()
            .find(|(known, ..)| *known == id)
            .map_or(("", *kind), |(_, category, kind)| (*category, *kind)),
        "security" => SECURITY
            .iter()
            .find(|(known, ..)| known.contains(&id))
            .map_or(("", *kind), |(_, category, kind)| (*category, *kind)),
        "powershell" => (powershell(id), *kind),
        "powershell-classic" => (powershell_classic(id), *kind),
        _ => ("", *kind),
    };
    Some(of(category, service, kind))
}

fn powershell(id: u32) -> &'static str {
    match id {
        4103 => "ps_module",
        4104 => "ps_script",
        _ => "",
    }
}

fn powershell_classic(id: u32) -> &'static str {
    match id {
        400 => "ps_classic_start",
        600 => "ps_classic_provider_start",
        800 => "ps_classic_script",
        _ => "",
    }
}

fn of(category: &'static str, service: &'static str, kind: SourceKind) -> SourceClass {
    SourceClass { format: Format::Json, kind, source: LogSource::new("windows", category, service) }
}
