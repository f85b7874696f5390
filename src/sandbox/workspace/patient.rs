//! A patient's record and the rules for changing it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::sandbox::query::parse_date;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::request::optional_text;

const GENDERS: [&str; 3] = ["M", "F", "O"];
pub const BLOOD_GROUPS: [&str; 8] = ["A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"];
const NATIONAL_DIGITS: usize = 10;
const MAX_EXTRA_KEY: usize = 16;

/// A patient as `GET /profiles/v1/patient/{oid}` shows it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Patient {
    pub oid: String,
    pub wid: String,
    pub ps: &'static str,
    pub c_ate: i64,
    pub u_ate: i64,
    #[serde(rename = "gen")]
    pub gender: String,
    pub dob: String,
    pub is_age: bool,
    #[serde(rename = "fn")]
    pub first_name: String,
    #[serde(rename = "mn", skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    #[serde(rename = "ln", skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    #[serde(rename = "fln")]
    pub full_name: String,
    #[serde(rename = "bg", skip_serializing_if = "Option::is_none")]
    pub blood_group: Option<String>,
    /// Without the country code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    #[serde(rename = "ccd", skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub salutation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abha: Option<String>,
    #[serde(rename = "arc", skip_serializing_if = "is_false")]
    pub archived: bool,
    pub extras: Map<String, Value>,
}

impl Patient {
    /// The named fields that have a value, in the given order.
    pub fn view<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
        let full = serde_json::to_value(self).unwrap_or_default();
        let pick = |name: &str| Some((name.to_owned(), full.get(name)?.clone()));
        fields.into_iter().filter_map(pick).collect()
    }

    /// Whether the mobile number, with its country code, is this one.
    pub fn has_mobile(&self, full_number: &str) -> bool {
        match (&self.country_code, &self.mobile) {
            (Some(code), Some(number)) => full_number.strip_prefix(code.as_str()) == Some(number),
            _ => false,
        }
    }

    /// Whether user name, mobile number or full name starts so; case does not matter.
    pub fn matches(&self, prefix: &str) -> bool {
        let starts = |text: &str| {
            text.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let mobile = self.mobile.as_deref();
        let names = [
            self.username.as_deref(),
            mobile,
            Some(self.full_name.as_str()),
        ];
        names.into_iter().flatten().any(starts)
            || prefix.starts_with('+') && mobile.is_some_and(|_| self.starts_number(prefix))
    }

    fn starts_number(&self, prefix: &str) -> bool {
        let parts = [&self.country_code, &self.mobile];
        let number: String = parts.into_iter().flatten().map(String::as_str).collect();
        number.starts_with(prefix)
    }

    /// Takes over the fields of a create or update body; unknown ones are ignored.
    pub fn apply(&mut self, body: &Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
        self.apply_name(body)?;
        if let Some(dob) = optional_text(body, "dob")? {
            parse_date(dob).ok_or_else(|| Refusal::field("dob", "must be YYYY-MM-DD"))?;
            dob.clone_into(&mut self.dob);
        }
        if let Some(gender) = one_of(body, "gen", &GENDERS)? {
            self.gender = gender;
        }
        if let Some(group) = one_of(body, "bloodgroup", &BLOOD_GROUPS)? {
            self.blood_group = Some(group);
        }
        if let Some(mobile) = optional_text(body, "mobile")? {
            self.set_mobile(mobile)?;
        }
        let lower = |name| Ok(optional_text(body, name)?.map(str::to_lowercase));
        self.email = lower("email")?.or_else(|| self.email.take());
        let kept = |name| Ok(optional_text(body, name)?.map(str::to_owned));
        self.salutation = kept("s")?.or_else(|| self.salutation.take());
        self.abha = kept("abha")?.or_else(|| self.abha.take());
        self.username = kept("username")?.or_else(|| self.username.take());
        self.apply_extras(body.get("extras"))?;
        self.u_ate = now.as_second();
        Ok(())
    }

    /// Names are stored in lower case; a full name is split, parts are joined.
    fn apply_name(&mut self, body: &Map<String, Value>) -> Result<(), Refusal> {
        let part = |name| Ok(optional_text(body, name)?.map(str::to_lowercase));
        let (first, middle, last) = (part("fn")?, part("mn")?, part("ln")?);
        let full = match (part("fln")?, &first) {
            (Some(full), _) => full,
            (None, Some(first)) => {
                let parts = [Some(first), middle.as_ref(), last.as_ref()];
                parts
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            (None, None) if middle.is_some() || last.is_some() => {
                return Err(Refusal::field("fn", "or fln is required to change a name"));
            }
            (None, None) => return Ok(()),
        };
        let mut words = full.splitn(2, ' ').map(str::to_owned);
        let (head, tail) = (words.next().unwrap_or_default(), words.next());
        self.middle_name = middle;
        self.last_name = if first.is_some() { last } else { tail };
        self.first_name = first.unwrap_or(head);
        self.full_name = full;
        Ok(())
    }

    /// Splits `+<country code><ten digits>`.
    pub fn set_mobile(&mut self, full_number: &str) -> Result<(), Refusal> {
        let digits = full_number.strip_prefix('+').filter(|digits| {
            digits.len() > NATIONAL_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        if digits.is_none() {
            return Err(Refusal::field("mobile", "must be +<country code><number>"));
        }
        let (code, number) = full_number.split_at(full_number.len() - NATIONAL_DIGITS);
        self.country_code = Some(code.to_owned());
        self.mobile = Some(number.to_owned());
        Ok(())
    }

    /// Keys with a leading underscore are ignored, as documented; `workspace` is the simulator's.
    fn apply_extras(&mut self, extras: Option<&Value>) -> Result<(), Refusal> {
        let extras = match extras {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(extras)) => extras,
            Some(_) => return Err(Refusal::field("extras", "must be an object")),
        };
        for (key, value) in extras.iter().filter(|(key, _)| !key.starts_with('_')) {
            if key.chars().count() > MAX_EXTRA_KEY {
                return Err(Refusal::field(
                    "extras",
                    "has a key of more than 16 characters",
                ));
            }
            if is_too_deep(value) {
                return Err(Refusal::field(
                    "extras",
                    "may nest one level, and no list in a list",
                ));
            }
            if key != "workspace" {
                self.extras.insert(key.clone(), value.clone());
            }
        }
        Ok(())
    }
}

fn is_too_deep(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(Value::is_object),
        Value::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        _ => false,
    }
}

fn one_of(
    body: &Map<String, Value>,
    name: &str,
    choices: &[&str],
) -> Result<Option<String>, Refusal> {
    match optional_text(body, name)? {
        Some(choice) if !choices.contains(&choice) => Err(Refusal::Invalid(format!(
            "{name} must be one of {}",
            choices.join(", ")
        ))),
        choice => Ok(choice.map(str::to_owned)),
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}
