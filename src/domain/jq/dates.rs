//! Dates and times for programs. Days are texts such as `2026-11-26`; the time zone is the
//! provider's.

use jaq_core::native::{Filter, Fun, bome, run, unary, v};
use jaq_core::{Error, RunPtr, ValR};
use jaq_std::ValT as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::Value;
use super::compile::Language;

/// A longer text is no time.
const MAX_TIME: usize = 40;

pub(super) fn all() -> impl Iterator<Item = Fun<Language>> {
    let functions: [Filter<RunPtr<Language>>; 5] = [
        ("is_date", v(0), |cv| {
            bome(Ok(Value::from(date(&cv.1).is_some())))
        }),
        ("add_days", v(1), |cv| unary(cv, add_days)),
        ("days_since", v(1), |cv| unary(cv, days_since)),
        ("to_epoch", v(0), |cv| {
            let instant = instant(&cv.1, cv.0.data().zone);
            let second = instant.map(|instant| Value::from(instant.as_second() as isize));
            bome(second.ok_or_else(|| Error::typ(cv.1, "a time")))
        }),
        ("to_local", v(0), |cv| {
            let local = instant(&cv.1, cv.0.data().zone).map(|instant| {
                let local = cv.0.data().zone.to_datetime(instant);
                Value::from(local.strftime("%Y-%m-%dT%H:%M:%S").to_string())
            });
            bome(local.ok_or_else(|| Error::typ(cv.1, "a time")))
        }),
    ];
    functions.into_iter().map(run::<Language>)
}

/// Exactly `YYYY-MM-DD`.
fn date(value: &Value) -> Option<Date> {
    let text = value.as_short_str(10).filter(|text| text.len() == 10)?;
    text.parse().ok()
}

fn add_days(value: Value, days: Value) -> ValR<Value> {
    let moved = date(&value).and_then(|date| {
        let days = i64::try_from(days.as_isize()?).ok()?;
        date.checked_add(Span::new().try_days(days).ok()?).ok()
    });
    match moved {
        Some(date) => Ok(Value::from(date.to_string())),
        None => Err(Error::typ(value, "a day to count from")),
    }
}

fn days_since(value: Value, earlier: Value) -> ValR<Value> {
    let days = date(&value).and_then(|later| {
        let span = later.since((jiff::Unit::Day, date(&earlier)?)).ok()?;
        Some(span.get_days() as isize)
    });
    days.map(Value::from)
        .ok_or_else(|| Error::typ(value, "a day to count to"))
}

/// Seconds since 1970; a time with an offset; or a time on the provider's clocks.
fn instant(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    if let Some(seconds) = value.as_f64() {
        return Timestamp::from_second(seconds as i64).ok();
    }
    let text = value.as_short_str(MAX_TIME)?;
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let local: DateTime = text.parse().ok()?;
    // A time that the clocks skip or show twice is as RFC 5545 (section 3.3.5) takes it.
    zone.to_ambiguous_timestamp(local).compatible().ok()
}
