//! The patient directory, `/profiles/v1/patient/*`.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Call;
use crate::sandbox::answer;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::workspace::{Patient, Records};

const MISSING: Refusal = Refusal::NotFound("Not found");
/// What a list always shows, and the workspace.
const LISTED: [&str; 5] = ["mobile", "oid", "username", "fln", "wid"];
const FOUND: [&str; 4] = ["username", "mobile", "oid", "fln"];
const SELECTABLE: [&str; 6] = ["abha", "c_ate", "dob", "gen", "u_ate", "is_age"];
const BY_MOBILE: [&str; 9] = [
    "mobile", "fln", "dob", "gen", "oid", "username", "abha", "ccd", "ps",
];

/// 201 with the new patient's identifier.
pub fn create(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    let mut patient = Patient::default();
    patient.apply(body, call.now)?;
    let required = [
        ("fn", &patient.first_name),
        ("dob", &patient.dob),
        ("gen", &patient.gender),
    ];
    if let Some((name, _)) = required.into_iter().find(|(_, value)| value.is_empty()) {
        return Err(Refusal::field(name, "is required"));
    }
    let mut records = call.workspace.records();
    check_username(&records, &patient)?;
    let oid = records.add_patient(patient, call.now)?;
    Ok(answer::json(StatusCode::CREATED, &json!({"oid": oid})))
}

/// One page, oldest patients first; pages count from 1, and the last one's `nextPage` is -1.
pub fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let query = &call.incoming.query;
    query.required("pageNo")?;
    let page = query.integer("pageNo", 1..=i64::MAX)?.unwrap_or(1);
    let size = query
        .integer("pageSize", 1..=i64::MAX)?
        .unwrap_or(500)
        .min(2000);
    let from = query.integer("from", 0..=i64::MAX)?.unwrap_or(i64::MIN);
    let with_archived = query.boolean("arc")?;
    let mut fields = selected(&LISTED, query.get("select"))?;
    if with_archived {
        fields.push("arc");
    }
    let records = call.workspace.records();
    let listed = |patient: &&Patient| patient.c_ate > from && (with_archived || !patient.archived);
    let offset = usize::try_from((page - 1).saturating_mul(size)).unwrap_or(usize::MAX);
    let mut rest = records.patients.values().filter(listed).skip(offset);
    let length = usize::try_from(size).unwrap_or_default();
    let view = |patient: &Patient| patient.view(fields.iter().copied());
    let profiles: Vec<Map<String, Value>> = rest.by_ref().take(length).map(view).collect();
    let next = if rest.next().is_some() {
        page.saturating_add(1)
    } else {
        -1
    };
    Ok(answer::ok(&json!({
        "profiles": profiles,
        "currPageMeta": {"currPageNo": page, "pageSize": size, "nextPage": next},
    })))
}

/// A bare list of the patients whose user name, mobile number or full name starts so.
pub fn search(call: &Call<'_>) -> Result<Response, Refusal> {
    let query = &call.incoming.query;
    let prefix = query.required("prefix")?;
    let limit = query.integer("limit", 1..=i64::MAX)?.unwrap_or(50).min(50);
    let fields = selected(&FOUND, query.get("select"))?;
    let records = call.workspace.records();
    let found: Vec<Map<String, Value>> = records
        .patients
        .values()
        .filter(|patient| !patient.archived && patient.matches(prefix))
        .take(usize::try_from(limit).unwrap_or_default())
        .map(|patient| patient.view(fields.iter().copied()))
        .collect();
    Ok(answer::ok(&found))
}

/// One profile as an object; a list where a family shares the number.
pub fn by_mobile(call: &Call<'_>) -> Result<Response, Refusal> {
    let query = &call.incoming.query;
    let number = query.required("mob")?;
    if !number.starts_with('+') {
        return Err(Refusal::field("mob", "must be +<country code><number>"));
    }
    let full = query.boolean("full_profile")?;
    let records = call.workspace.records();
    let found: Vec<Value> = records
        .patients
        .values()
        .filter(|patient| !patient.archived && patient.has_mobile(number))
        .map(|patient| {
            if full {
                json!(patient)
            } else {
                json!(patient.view(BY_MOBILE))
            }
        })
        .collect();
    match found.as_slice() {
        [] => Err(MISSING),
        [one] => Ok(answer::ok(one)),
        several => Ok(answer::ok(&several)),
    }
}

/// An archived patient is found with `arc=true` only.
pub fn get(call: &Call<'_>) -> Result<Response, Refusal> {
    let with_archived = call.incoming.query.boolean("arc")?;
    let records = call.workspace.records();
    let patient = records.patients.get(call.id()).ok_or(MISSING)?;
    if patient.archived && !with_archived {
        return Err(MISSING);
    }
    Ok(answer::ok(patient))
}

pub fn update(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    let mut records = call.workspace.records();
    let patient = records
        .patients
        .get(call.id())
        .filter(|patient| !patient.archived);
    let mut changed = patient.ok_or(MISSING)?.clone();
    changed.apply(body, call.now)?;
    check_username(&records, &changed)?;
    records.patients.insert(changed.oid.clone(), changed);
    Ok(answer::ok(
        &json!({"message": "Profile updated successfully"}),
    ))
}

pub fn archive(call: &Call<'_>) -> Result<Response, Refusal> {
    let mut records = call.workspace.records();
    let patient = records.patients.get_mut(call.id()).ok_or(MISSING)?;
    patient.archived = true;
    patient.u_ate = call.now.as_second();
    Ok(answer::ok(
        &json!({"message": "Profile archived successfully"}),
    ))
}

/// A user name is unique within its workspace.
fn check_username(records: &Records, patient: &Patient) -> Result<(), Refusal> {
    let taken = patient.username.is_some()
        && records
            .patients
            .values()
            .any(|other| other.username == patient.username && other.oid != patient.oid);
    if taken {
        Err(Refusal::field("username", "is already in use"))
    } else {
        Ok(())
    }
}

/// The fields that are always there and those of `select`, which may name both.
fn selected<'a>(always: &[&'a str], select: Option<&'a str>) -> Result<Vec<&'a str>, Refusal> {
    let mut fields = always.to_vec();
    let names = select.unwrap_or_default().split(',').map(str::trim);
    for name in names.filter(|name| !name.is_empty()) {
        if !SELECTABLE.contains(&name) && !always.contains(&name) {
            return Err(Refusal::Invalid(format!(
                "select names an unknown field: {name}"
            )));
        }
        if !fields.contains(&name) {
            fields.push(name);
        }
    }
    Ok(fields)
}
