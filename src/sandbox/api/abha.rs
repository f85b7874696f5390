//! The health id (ABHA): a login by one-time password, and the card.
//!
//! Nothing is sent to anybody: every OTP is right but `000000`. How a login goes on depends on the
//! last digit of the mobile number, which the transaction id repeats.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::Call;
use crate::sandbox::answer;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::request::text;

const WRONG_OTP: &str = "000000";
/// The patient whose health id every number leads to.
const OID: &str = "1700000000001";
/// The beginning of a PNG file (its specification, section 5.2), and no picture.
const CARD: &[u8] = b"\x89PNG\r\n\x1a\nsynthetic";

pub fn send_otp(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    if text(body, "method")? != "mobile" {
        return Err(Refusal::field("method", "must be mobile here"));
    }
    let number = text(body, "identifier")?;
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let Some(last) = digits.chars().last().filter(|_| digits.len() >= 10) else {
        return Err(Refusal::field("identifier", "is no mobile number"));
    };
    Ok(answer::ok(&json!({
        "txn_id": format!("T-{last}"),
        "hint": format!("The number ends in {}.", &digits[digits.len() - 4..]),
    })))
}

pub fn verify_otp(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    if text(body, "otp")? == WRONG_OTP {
        return Err(Refusal::field("otp", "is wrong"));
    }
    Ok(answer::ok(&match text(body, "txn_id")? {
        "T-2" => json!({
            "skip_state": "abha_select",
            "txn_id": "T-2",
            "abha_profiles": [
                {"abha_address": "asha@abdm", "name": "Asha Example", "kyc_verified": "true"},
                {"abha_address": "ravi@abdm", "name": "Ravi Example"},
            ],
        }),
        "T-3" => json!({"skip_state": "abha_create", "txn_id": "T-3"}),
        "T-4" => {
            json!({"skip_state": "abha_end", "txn_id": "T-4", "profile": profile("asha@abdm")})
        }
        "T-5" => json!({"skip_state": "abha_later", "txn_id": "T-5"}),
        id if id.starts_with("T-") => ended(id, "asha@abdm"),
        _ => return Err(Refusal::field("txn_id", "is unknown")),
    }))
}

pub fn select(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    let (address, id) = (text(body, "phr_address")?, text(body, "txn_id")?);
    if !address.ends_with("@abdm") {
        return Err(Refusal::field("phr_address", "is unknown"));
    }
    Ok(answer::ok(&ended(id, address)))
}

/// A picture, for the patient that both header and query name.
pub fn card(call: &Call<'_>) -> Result<Response, Refusal> {
    let oid = call.incoming.query.required("oid")?;
    if call.incoming.header("x-pt-id") != Some(oid) {
        return Err(Refusal::field("X-Pt-Id", "is another patient"));
    }
    if !call.workspace.records().patients.contains_key(oid) {
        return Err(Refusal::NotFound("Patient not found"));
    }
    Ok(([(CONTENT_TYPE, "image/png")], CARD).into_response())
}

fn ended(id: &str, address: &str) -> Value {
    json!({
        "skip_state": "abha_end",
        "txn_id": id,
        "eka": {"oid": OID, "uuid": null, "min_token": ""},
        "profile": profile(address),
    })
}

fn profile(address: &str) -> Value {
    json!({
        "abha_address": address,
        "abha_number": "00-0000-0000-0001",
        "full_name": "Asha Example",
        "gender": "F",
        "kyc_verified": true,
        "year_of_birth": 1980,
    })
}
