// SPDX-License-Identifier: Apache-2.0
//! Okta's System Log (Okta, "System Log API", "Event types").

use serde_json::Value;

use super::{
    AccountChange, AccountEvent, Change, Outcome, Service, SignIn, Told, account, address, bare, owned,
};
use crate::event::Event;

pub(super) fn read(event: &Event) -> Option<AccountEvent> {
    let kind = event.text("eventType")?;
    let failed = event.text("outcome.result").is_some_and(|result| !matches!(&*result, "SUCCESS" | "ALLOW"));
    let outcome = match &*kind {
        "user.session.start"
        | "user.authentication.auth"
        | "user.authentication.auth_via_AD_agent"
        | "user.authentication.auth_via_LDAP_agent"
        | "user.authentication.auth_via_radius" => {
            if failed {
                refusal(event)
            } else {
                Outcome::Success
            }
        }
        "user.authentication.sso" if !failed => Outcome::Success,
        "user.authentication.auth_via_mfa" | "user.authentication.verify" if failed => Outcome::MfaDenied,
        "user.authentication.auth_via_mfa" => Outcome::MfaApproved,
        "user.mfa.okta_verify.deny_push" | "user.mfa.attempt_bypass" => Outcome::MfaDenied,
        "system.push.send_factor_verify_push" => Outcome::MfaRequired,
        "user.account.lock" => Outcome::Locked,
        "policy.evaluate_sign_on" if failed => match event.text("outcome.result").as_deref() {
            Some("CHALLENGE") => return None,
            _ => Outcome::BlockedByPolicy,
        },
        "user.mfa.factor.activate"
        | "user.mfa.factor.deactivate"
        | "user.mfa.factor.update"
        | "user.mfa.factor.reset_all"
        | "user.mfa.factor.suspend" => return change(event, Change::MfaMethod, &kind, failed),
        "user.account.update_password" => return change(event, Change::Password, &kind, failed),
        "user.account.reset_password" => return change(event, Change::PasswordReset, &kind, failed),
        _ => return None,
    };
    sign_in(event, outcome, &kind).map(AccountEvent::SignIn)
}

fn refusal(event: &Event) -> Outcome {
    match event.text("outcome.reason").as_deref() {
        Some("INVALID_CREDENTIALS" | "UNKNOWN") => {
            // Okta names no reason where the account is not there, but then the actor has no id.
            if event.text("actor.id").as_deref() == Some("unknown") {
                Outcome::NoSuchUser
            } else {
                Outcome::BadPassword
            }
        }
        Some("VERIFICATION_ERROR" | "USER_NOT_FOUND") => Outcome::NoSuchUser,
        Some("LOCKED_OUT") => Outcome::Locked,
        Some("PASSWORD_EXPIRED") => Outcome::Expired,
        Some("USER_STATUS_INVALID" | "NOT_ACTIVE" | "SUSPENDED" | "DEACTIVATED") => Outcome::Disabled,
        Some(reason) if reason.contains("POLICY") || reason.contains("ZONE") => Outcome::BlockedByPolicy,
        _ => Outcome::BadPassword,
    }
}

fn sign_in(event: &Event, outcome: Outcome, kind: &str) -> Option<SignIn> {
    let mut sign_in = bare(event, &event.text("actor.alternateId")?, outcome, Service::Okta)?;
    sign_in.address = event.text("client.ipAddress").and_then(|text| address(&text));
    sign_in.agent = owned(event, "client.userAgent.rawUserAgent");
    sign_in.device = owned(event, "device.id");
    let target = event.field("target").and_then(Value::as_array);
    let app = target.into_iter().flatten().find(|t| t.get("type").is_some_and(|kind| kind == "AppInstance"));
    sign_in.application = app.and_then(|app| app.get("displayName")?.as_str()).map(str::to_owned);
    sign_in.session = owned(event, "authenticationContext.externalSessionId");
    // Passing on to an application is no new sign-in of a person.
    sign_in.refresh = kind == "user.authentication.sso";
    let degrees = |name: &str| event.field(name).and_then(Value::as_f64);
    sign_in.told = Told {
        // Okta writes names of countries; only codes can be compared with what others say.
        country: owned(event, "client.geographicalContext.country").filter(|code| code.len() == 2),
        asn: event
            .field("securityContext.asNumber")
            .and_then(Value::as_u64)
            .and_then(|asn| u32::try_from(asn).ok()),
        at: degrees("client.geographicalContext.geolocation.lat")
            .zip(degrees("client.geographicalContext.geolocation.lon")),
    };
    Some(sign_in)
}

fn change(event: &Event, change: Change, kind: &str, failed: bool) -> Option<AccountEvent> {
    if failed {
        return None;
    }
    let actor = event.text("actor.alternateId").and_then(|name| account(&name)).unwrap_or_default();
    let target = event.field("target").and_then(Value::as_array);
    let user = target
        .into_iter()
        .flatten()
        .find(|t| t.get("type").is_some_and(|kind| kind == "User"))
        .and_then(|user| account(user.get("alternateId")?.as_str()?))
        .unwrap_or_else(|| actor.clone());
    let reason = owned(event, "outcome.reason").unwrap_or_default();
    Some(AccountEvent::Change(AccountChange {
        time: event.time?,
        user: Some(user).filter(|user| !user.is_empty())?,
        actor,
        address: event.text("client.ipAddress").and_then(|text| address(&text)),
        change,
        words: format!("{kind} {reason}").trim_end().to_owned(),
        service: Service::Okta,
    }))
}
