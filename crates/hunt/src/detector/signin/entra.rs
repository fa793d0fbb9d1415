// SPDX-License-Identifier: Apache-2.0
//! Entra ID: Graph's `signIn` and `directoryAudit`, the same under `properties` as diagnostic settings export them,
//! and the unified audit log of Microsoft 365.

use serde_json::{Map, Value};

use super::{AccountChange, AccountEvent, Change, Outcome, Service, SignIn, Told, account, address, bare};
use crate::event::Event;

type Fields = Map<String, Value>;

/// What `clientAppUsed` calls clients that are asked for no second factor (Microsoft, "Legacy authentication").
const LEGACY: &[&str] = &[
    "authenticated smtp",
    "autodiscover",
    "exchange activesync",
    "exchange online powershell",
    "exchange web services",
    "imap",
    "mapi over http",
    "offline address book",
    "other clients",
    "outlook anywhere",
    "pop",
    "reporting web services",
    "smtp",
    "universal outlook",
];

/// Audit activities that change a second factor.
const METHODS: &[&str] = &[
    "user registered security info",
    "user registered all required security info",
    "user changed default security info",
    "user deleted security info",
    "user updated security info",
    "admin registered security info",
    "admin updated security info",
    "admin deleted security info",
    "enable strong authentication",
    "disable strong authentication",
    "register device authenticator",
];

pub(super) fn read(event: &Event) -> Option<AccountEvent> {
    let nested = event.fields.get("properties").and_then(Value::as_object);
    for fields in [Some(&event.fields), nested].into_iter().flatten() {
        if fields.contains_key("userPrincipalName") && fields.contains_key("status") {
            return sign_in(event, fields).map(AccountEvent::SignIn);
        }
        if fields.contains_key("activityDisplayName") {
            return audit(event, fields).map(AccountEvent::Change);
        }
    }
    match event.text("Operation")?.as_ref() {
        "UserLoggedIn" => unified(event, Outcome::Success).map(AccountEvent::SignIn),
        "UserLoginFailed" => {
            let code = event.text("ErrorNumber").and_then(|code| code.parse().ok()).unwrap_or(1);
            unified(event, outcome(code)).map(AccountEvent::SignIn)
        }
        _ => None,
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn sign_in(event: &Event, fields: &Fields) -> Option<SignIn> {
    let code = fields.get("status")?.get("errorCode");
    let code = code.and_then(|c| c.as_i64().or_else(|| c.as_str()?.parse().ok()))?;
    let mut sign_in = bare(event, text(fields, "userPrincipalName")?, outcome(code), Service::Entra)?;
    sign_in.address = text(fields, "ipAddress").and_then(address);
    let device = fields.get("deviceDetail").and_then(Value::as_object);
    sign_in.device = device.and_then(|device| text(device, "deviceId")).map(str::to_owned);
    let browser = || device.and_then(|device| text(device, "browser"));
    sign_in.agent = text(fields, "userAgent").or_else(browser).map(str::to_owned);
    sign_in.application = text(fields, "appDisplayName").or_else(|| text(fields, "appId")).map(str::to_owned);
    let client = text(fields, "clientAppUsed");
    let grant = text(fields, "authenticationProtocol").filter(|grant| *grant != "none");
    sign_in.protocol = grant.or(client).map(str::to_owned);
    sign_in.legacy = client.is_some_and(is_legacy) || grant.is_some_and(|g| g.eq_ignore_ascii_case("ropc"));
    let session = text(fields, "sessionId").or_else(|| text(fields, "correlationId"));
    sign_in.session = session.map(str::to_owned);
    sign_in.refresh = is_refresh(fields);
    sign_in.told = told(fields);
    Some(sign_in)
}

fn is_legacy(client: &str) -> bool {
    let client = client.to_lowercase();
    LEGACY.iter().any(|legacy| client.starts_with(legacy))
}

fn is_refresh(fields: &Fields) -> bool {
    let interactive = fields.get("isInteractive").and_then(Value::as_bool);
    let kinds = fields.get("signInEventTypes").and_then(Value::as_array);
    interactive == Some(false)
        || kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "nonInteractiveUser"))
        || text(fields, "incomingTokenType").is_some_and(|kind| kind.to_lowercase().contains("refreshtoken"))
}

fn told(fields: &Fields) -> Told {
    let location = fields.get("location").and_then(Value::as_object);
    let degrees = |name| location?.get("geoCoordinates")?.get(name)?.as_f64();
    Told {
        country: location.and_then(|l| text(l, "countryOrRegion")).map(str::to_owned),
        asn: fields
            .get("autonomousSystemNumber")
            .and_then(Value::as_u64)
            .and_then(|asn| u32::try_from(asn).ok()),
        at: degrees("latitude").zip(degrees("longitude")),
    }
}

/// Microsoft, "Microsoft Entra authentication and authorization error codes".
fn outcome(code: i64) -> Outcome {
    match code {
        0 => Outcome::Success,
        50126 | 50056 | 80014 => Outcome::BadPassword,
        50053 => Outcome::Locked,
        50057 => Outcome::Disabled,
        50055 | 50144 => Outcome::Expired,
        50034 | 50059 => Outcome::NoSuchUser,
        50072 | 50074 | 50076 | 50079 | 50158 => Outcome::MfaRequired,
        500_121 => Outcome::MfaDenied,
        53000..=53004 | 530_031..=530_035 | 50105 | 53011 => Outcome::BlockedByPolicy,
        _ => Outcome::Other,
    }
}

fn audit(event: &Event, fields: &Fields) -> Option<AccountChange> {
    let words = text(fields, "activityDisplayName")?;
    let lower = words.to_lowercase();
    let change = if METHODS.iter().any(|method| lower.starts_with(method)) {
        Change::MfaMethod
    } else if lower.starts_with("reset password") || lower.starts_with("reset user password") {
        if lower.contains("self-service") { Change::Password } else { Change::PasswordReset }
    } else if lower.starts_with("change password") || lower.starts_with("change user password") {
        Change::Password
    } else {
        return None;
    };
    if text(fields, "result").is_some_and(|result| result.eq_ignore_ascii_case("failure")) {
        return None;
    }
    let by = fields.get("initiatedBy").and_then(|by| by.get("user")).and_then(Value::as_object);
    let actor = by.and_then(|by| text(by, "userPrincipalName")).and_then(account);
    let targets = fields.get("targetResources").and_then(Value::as_array);
    let target =
        targets.into_iter().flatten().find_map(|target| text(target.as_object()?, "userPrincipalName"));
    Some(AccountChange {
        time: event.time?,
        user: target.and_then(account).or_else(|| actor.clone())?,
        actor: actor.unwrap_or_default(),
        address: by.and_then(|by| text(by, "ipAddress")).and_then(address),
        change,
        words: words.to_owned(),
        service: Service::Entra,
    })
}

/// Office 365 Management Activity API, `AzureActiveDirectoryStsLogon`.
fn unified(event: &Event, outcome: Outcome) -> Option<SignIn> {
    let mut sign_in = bare(event, &event.text("UserId")?, outcome, Service::Entra)?;
    sign_in.address = event
        .text("ActorIpAddress")
        .or_else(|| event.text("ClientIP"))
        .or_else(|| event.text("ClientIPAddress"))
        .and_then(|text| address(&text));
    sign_in.agent = extended_agent(event);
    sign_in.application = super::owned(event, "ApplicationId");
    sign_in.session = super::owned(event, "InterSystemsId");
    Some(sign_in)
}

/// Its properties are a list of names and values.
fn extended_agent(event: &Event) -> Option<String> {
    let properties = event.field("ExtendedProperties")?.as_array()?;
    let found =
        properties.iter().find(|property| property.get("Name").is_some_and(|name| name == "UserAgent"))?;
    found.get("Value")?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
