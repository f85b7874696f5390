//! Typed reading of a query string; a malformed value is refused by name.

use jiff::civil::Date;
use url::form_urlencoded;

use super::refusal::Refusal;

/// The parameters of a query string.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(raw: Option<&str>) -> Self {
        let raw = raw.unwrap_or_default();
        Self(
            form_urlencoded::parse(raw.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::field(name, "is required"))
    }

    /// A whole number within `range`.
    pub fn integer(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value.parse::<i64>() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            Ok(_) => Err(Refusal::Invalid(format!(
                "{name} must be from {} to {}",
                range.start(),
                range.end()
            ))),
            Err(_) => Err(Refusal::field(name, "must be an integer")),
        }
    }

    /// `true` or `false`; absent is `false`.
    pub fn boolean(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Refusal::field(name, "must be true or false")),
        }
    }

    /// A day as `YYYY-MM-DD`.
    pub fn date(&self, name: &str) -> Result<Option<Date>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        parse_date(value)
            .map(Some)
            .ok_or_else(|| Refusal::field(name, "must be YYYY-MM-DD"))
    }
}

/// `YYYY-MM-DD` and nothing else; jiff alone would accept more.
pub fn parse_date(value: &str) -> Option<Date> {
    value
        .parse()
        .ok()
        .filter(|_| value.len() == 10 && value.is_ascii())
}
