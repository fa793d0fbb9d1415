// SPDX-License-Identifier: Apache-2.0
//! Identity providers and clouds: Entra ID, Microsoft 365, Okta, AWS CloudTrail.

use serde_json::{Map, Value};

use crate::time::Clock;

use super::json::{object, of_product, time_at};
use super::{Event, SourceClass, SourceKind};

type Fields = Map<String, Value>;

/// An event of one of them, or the fields as they were.
pub(super) fn read(fields: Fields, clock: &Clock) -> Result<Event, Fields> {
    let has = |name: &str| fields.contains_key(name);
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    // The diagnostic form of Azure Monitor: what the service says lies in `properties`.
    if let (Some(category), true) = (text("category"), fields.get("properties").is_some_and(Value::is_object))
    {
        let class = azure_class(category);
        return Ok(diagnostic(fields, class, clock));
    }
    let class_and_time = if has("createdDateTime") && (has("userPrincipalName") || has("appId")) {
        // Graph, `signIn`.
        Some((of_product("azure", "signinlogs", SourceKind::Authentication), "createdDateTime"))
    } else if has("activityDateTime") && has("activityDisplayName") {
        // Graph, `directoryAudit`.
        Some((of_product("azure", "auditlogs", SourceKind::Audit), "activityDateTime"))
    } else if let (Some(table), true) = (text("Type"), has("TimeGenerated")) {
        // A row of Log Analytics.
        Some((azure_class(table), "TimeGenerated"))
    } else if has("Operation") && (has("Workload") || has("RecordType")) {
        Some((m365_class(&fields), "CreationTime"))
    } else if has("eventType") && has("published") && has("actor") {
        Some((okta_class(text("eventType").unwrap_or_default()), "published"))
    } else if has("eventVersion") && has("eventSource") && has("eventName") {
        Some((cloudtrail_class(text("eventName").unwrap_or_default()), "eventTime"))
    } else {
        None
    };
    let Some((class, time)) = class_and_time else { return Err(fields) };
    // Microsoft 365 writes UTC without saying so, whatever the zone of other logs.
    let utc = Clock::default();
    let clock = if class.source.product == "m365" { &utc } else { clock };
    Ok(Event { time: time_at(&fields, time, clock), class, fields, ..Event::default() })
}

/// Categories of Azure Monitor and tables of Log Analytics, as Sigma names them.
fn azure_class(category: &str) -> SourceClass {
    let (service, kind) = match category {
        "SignInLogs"
        | "SigninLogs"
        | "NonInteractiveUserSignInLogs"
        | "AADNonInteractiveUserSignInLogs"
        | "ServicePrincipalSignInLogs"
        | "AADServicePrincipalSignInLogs"
        | "ManagedIdentitySignInLogs"
        | "AADManagedIdentitySignInLogs"
        | "ADFSSignInLogs"
        | "ADFSSignInLogs_CL" => ("signinlogs", SourceKind::Authentication),
        "AuditLogs" | "ProvisioningLogs" => ("auditlogs", SourceKind::Audit),
        "RiskyUsers" | "UserRiskEvents" | "AADUserRiskEvents" | "AADRiskyUsers" => {
            ("riskdetection", SourceKind::Ids)
        }
        "Administrative" | "Security" | "Policy" | "ServiceHealth" | "Alert" | "Autoscale"
        | "Recommendation" | "AzureActivity" => ("activitylogs", SourceKind::Audit),
        _ => ("", SourceKind::Unknown),
    };
    of_product("azure", service, kind)
}

fn diagnostic(mut fields: Fields, class: SourceClass, clock: &Clock) -> Event {
    let time = time_at(&fields, "time", clock)
        .or_else(|| time_at(&fields, "timestamp", clock))
        .or_else(|| fields.get("properties").and_then(|p| time_at(p.as_object()?, "createdDateTime", clock)));
    // Each property is also offered at top level, where Graph has it.
    if let Some(properties) = fields.get("properties").and_then(Value::as_object).cloned() {
        for (name, value) in properties {
            fields.entry(name).or_insert(value);
        }
    }
    Event { time, class, fields, ..Event::default() }
}

/// The unified audit log (Office 365 Management Activity API schema).
fn m365_class(fields: &Fields) -> SourceClass {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let kind = match (text("Operation"), text("Workload")) {
        ("UserLoggedIn" | "UserLoginFailed" | "MailboxLogin", _) => SourceKind::Authentication,
        ("FileAccessed" | "FileDownloaded" | "FileUploaded" | "FileSyncDownloadedFull", _) => {
            SourceKind::File
        }
        ("TIMailData", _) => SourceKind::Email,
        (_, "SecurityComplianceCenter" | "ThreatIntelligence") => SourceKind::Ids,
        _ => SourceKind::Audit,
    };
    let service = match text("Workload") {
        "Exchange" => "exchange",
        "SecurityComplianceCenter" => "threat_management",
        "ThreatIntelligence" => "threat_detection",
        _ => "audit",
    };
    of_product("m365", service, kind)
}

/// Okta's System Log.
fn okta_class(event_type: &str) -> SourceClass {
    let sign_in = ["user.session.", "user.authentication.", "user.mfa.attempt", "policy.evaluate_sign_on"];
    let kind = match sign_in.iter().any(|prefix| event_type.starts_with(prefix)) {
        true => SourceKind::Authentication,
        false if event_type.starts_with("security.") => SourceKind::Ids,
        false => SourceKind::Audit,
    };
    of_product("okta", "okta", kind)
}

fn cloudtrail_class(event_name: &str) -> SourceClass {
    let sign_in = matches!(event_name, "ConsoleLogin" | "GetSessionToken" | "AssumeRoleWithSAML");
    let kind = if sign_in { SourceKind::Authentication } else { SourceKind::Audit };
    of_product("aws", "cloudtrail", kind)
}

// --- exports as tables ---

/// Columns of the Entra portal's export of sign-ins, and the names that Graph gives them.
const ENTRA_COLUMNS: &[(&str, &str)] = &[
    ("Date (UTC)", "createdDateTime"),
    ("Request ID", "id"),
    ("User agent", "userAgent"),
    ("Correlation ID", "correlationId"),
    ("User ID", "userId"),
    ("User", "userDisplayName"),
    ("Username", "userPrincipalName"),
    ("Application", "appDisplayName"),
    ("Application ID", "appId"),
    ("Resource", "resourceDisplayName"),
    ("Client app", "clientAppUsed"),
    ("IP address", "ipAddress"),
    ("Location", "location"),
    ("Conditional Access", "conditionalAccessStatus"),
];

/// Columns of the same export that Graph keeps below `status` and `deviceDetail`.
const ENTRA_NESTED: &[(&str, &str, &str)] = &[
    ("Sign-in error code", "status", "errorCode"),
    ("Failure reason", "status", "failureReason"),
    ("Device ID", "deviceDetail", "deviceId"),
    ("Browser", "deviceDetail", "browser"),
    ("Operating System", "deviceDetail", "operatingSystem"),
];

/// Whether a table with these columns is the Entra portal's export of sign-ins.
pub(super) fn is_entra_export(names: &[String]) -> bool {
    ["Date (UTC)", "Username", "IP address"].iter().all(|wanted| names.iter().any(|name| name == wanted))
}

/// A row of it, with the names that Graph gives beside the portal's.
pub(super) fn entra_row(mut fields: Fields) -> Event {
    for (column, name) in ENTRA_COLUMNS {
        if let Some(value) = fields.get(*column).filter(|value| value.as_str() != Some("")).cloned() {
            fields.entry(*name).or_insert(value);
        }
    }
    for (column, outer, inner) in ENTRA_NESTED {
        let Some(value) = fields.get(*column).filter(|value| value.as_str() != Some("")).cloned() else {
            continue;
        };
        let value = match (*inner, value.as_str().and_then(|text| text.parse::<i64>().ok())) {
            ("errorCode", Some(code)) => Value::from(code),
            _ => value,
        };
        if let Value::Object(nested) = fields.entry(*outer).or_insert_with(|| Value::Object(Map::new())) {
            nested.insert((*inner).to_owned(), value);
        }
    }
    // A success has no code in some versions of the export.
    if fields.get("Status").and_then(Value::as_str) == Some("Success") {
        let status = fields.entry("status").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(status) = status {
            status.entry("errorCode").or_insert(Value::from(0));
        }
    }
    let class = of_product("azure", "signinlogs", SourceKind::Authentication);
    let time = time_at(&fields, "createdDateTime", &Clock::default());
    Event { time, class, fields, ..Event::default() }
}

/// Whether a table with these columns is an export of the unified audit log.
pub(super) fn is_purview_export(names: &[String]) -> bool {
    names.iter().any(|name| name == "AuditData")
}

/// A row of it: what `AuditData` holds is lifted, the columns stay where it has no such name.
pub(super) fn purview_row(mut fields: Fields) -> Event {
    let data = fields.get("AuditData").and_then(Value::as_str).and_then(|text| object(text.as_bytes()).ok());
    if let Some(data) = data {
        fields.remove("AuditData");
        fields.extend(data);
    }
    let class = m365_class(&fields);
    let utc = Clock::default();
    let time = ["CreationTime", "CreationDate"].iter().find_map(|name| time_at(&fields, name, &utc));
    Event { time, class, fields, ..Event::default() }
}
