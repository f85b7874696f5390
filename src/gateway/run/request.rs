//! The requests of a step: one, or one for each item of a list.

use std::collections::{BTreeMap, HashSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Method, StatusCode};
use serde_json::Value as Json;

use super::super::call::{CallFailure, Refused};
use super::super::send::Errand;
use super::room::{NO_RESHAPE, Read, Unread};
use super::{Course, too_large};
use crate::domain::call::Arguments;
use crate::domain::jq::{Program, Reshape, RunError, Tape, Value};
use crate::domain::steps::{ITEM, OnError, StepRequest};
use crate::upstream::{Asked, UpstreamError, UpstreamReply};

/// Requests that a step makes at most.
const MAX_ITEMS: usize = 100;
/// Requests of a step that only reads, side by side. Those of one that writes come one by one.
const SIDE_BY_SIDE: usize = 10;

impl Course<'_> {
    /// One request for each distinct item: an object of what was answered, by item. After one that
    /// failed nothing more is sent.
    pub(super) async fn each(
        &self,
        errand: Errand<'_>,
        (name, request): (&str, &StepRequest),
        list: &Program,
    ) -> Result<Value, CallFailure> {
        let items = self.listed(name, list).await?;
        self.check_room(errand, name, &items)?;
        let width = match request.exchange.request.method == Method::GET {
            true => SIDE_BY_SIDE,
            false => 1,
        };
        let asking = items.iter().enumerate();
        let asking = asking.map(|(at, item)| async move {
            let answer = self.request(errand, (name, request), Some(item)).await;
            (at, answer)
        });
        let asking: Vec<_> = asking.collect();
        let mut asking = stream::iter(asking).buffer_unordered(width);
        let mut answers: Vec<Option<Value>> = items.iter().map(|_| None).collect();
        while let Some((at, answer)) = asking.next().await {
            if let (Some(place), Some(value)) = (answers.get_mut(at), answer?) {
                *place = Some(value);
            }
        }
        let values = items.iter().zip(answers).filter_map(|(item, answer)| {
            let value = match request.on_error {
                OnError::Skip => answer?,
                OnError::Fail | OnError::Null => answer.unwrap_or_else(Value::null),
            };
            Some((item.as_str(), value))
        });
        Ok(Value::object(values))
    }

    /// What to ask for.
    pub(in crate::gateway) async fn listed(
        &self,
        name: &str,
        list: &Program,
    ) -> Result<Vec<String>, CallFailure> {
        let list = self.eval(name, list).await?;
        let error = || RunError::Failed(format!("cannot use {list} as a list for `for_each`"));
        distinct(&list).ok_or_else(|| CallFailure::Program(name.to_owned(), error()))
    }

    /// Whether the limits leave as many requests: none is sent in vain.
    fn check_room(
        &self,
        errand: Errand<'_>,
        name: &str,
        items: &[String],
    ) -> Result<(), CallFailure> {
        let most = errand.permit.most().min(MAX_ITEMS);
        if items.len() > most {
            return Err(CallFailure::TooMany(name.to_owned(), most));
        }
        let now = self.gateway.clock.now();
        Ok(errand.permit.room_for(items.len(), now)?)
    }

    /// `None` where it failed and may fail.
    pub(super) async fn request(
        &self,
        errand: Errand<'_>,
        step: (&str, &StepRequest),
        item: Option<&String>,
    ) -> Result<Option<Value>, CallFailure> {
        match self.read(errand, step, item, NO_RESHAPE).await? {
            Some(Read::Value(value)) => Ok(Some(value)),
            Some(Read::Reshaped(_)) | None => Ok(None),
        }
    }

    /// What the output makes of a request's answer as it is read, or else the answer; `null` where it
    /// failed and may fail.
    pub(super) async fn reshaped(
        &self,
        errand: Errand<'_>,
        step: (&str, &StepRequest),
        reshape: &Reshape,
    ) -> Result<Read, CallFailure> {
        let reshape = |tape: &Tape<'_>| self.scene.reshape(reshape, tape);
        let read = self.read(errand, step, None, Some(reshape)).await?;
        Ok(read.unwrap_or_else(|| Read::Value(Value::null())))
    }

    async fn read(
        &self,
        errand: Errand<'_>,
        step: (&str, &StepRequest),
        item: Option<&String>,
        reshape: Option<impl FnOnce(&Tape<'_>) -> Option<String>>,
    ) -> Result<Option<Read>, CallFailure> {
        let Some(reply) = self.reply(errand, step, item).await? else {
            return Ok(None);
        };
        let (status, request) = (reply.status, step.1);
        let rule = &request.exchange.response;
        match self.room.read(rule, reply, reshape).await {
            Ok(read) => Ok(Some(read)),
            Err(Unread::TooLarge) => Err(CallFailure::TooLarge),
            Err(Unread::Malformed) if request.on_error != OnError::Fail => Ok(None),
            Err(Unread::Malformed) => Err(CallFailure::Malformed(status)),
        }
    }

    /// A successful answer; `None` where it is none and may be.
    async fn reply(
        &self,
        errand: Errand<'_>,
        (name, request): (&str, &StepRequest),
        item: Option<&String>,
    ) -> Result<Option<UpstreamReply>, CallFailure> {
        let own = self.own(name, request, item).await?;
        let asked = self.asked(request, &own).of_step(name);
        let may_fail = request.on_error != OnError::Fail;
        let (bearer, reply) = match self.gateway.exchange(errand, &asked).await {
            Ok(answered) => answered,
            Err(CallFailure::Upstream(_)) if may_fail => return Ok(None),
            Err(CallFailure::Upstream(UpstreamError::PathArgument(unfit)))
                if own.contains_key(&unfit) =>
            {
                return Err(CallFailure::Unaskable(name.to_owned()));
            }
            Err(failure) => return Err(failure),
        };
        let status = reply.status;
        if !status.is_success() {
            if may_fail && is_about_what_was_asked(&reply) {
                return Ok(None);
            }
            let hint = self.hint(request, status);
            return Err(CallFailure::Refused(Box::new(Refused {
                bearer,
                reply,
                hint,
            })));
        }
        Ok(Some(reply))
    }

    /// What a request asks, with the names of its own.
    pub(in crate::gateway) fn asked<'b>(
        &'b self,
        request: &'b StepRequest,
        own: &'b Arguments,
    ) -> Asked<'b> {
        Asked::new(&request.exchange.request, self.call.arguments()).with(own)
    }

    /// The names that only this request's template has.
    pub(in crate::gateway) async fn own(
        &self,
        name: &str,
        request: &StepRequest,
        item: Option<&String>,
    ) -> Result<Arguments, CallFailure> {
        let mut own = Arguments::new();
        for (key, program) in &request.with {
            let input = item.map_or_else(Value::null, |item| Value::from(item.as_str()));
            let value = self.scene.eval(name, program, input).await?.to_json();
            own.insert(key.clone(), value.map_err(|_| too_large(name))?);
        }
        if let Some(item) = item {
            own.insert(ITEM.to_owned(), Json::from(item.as_str()));
        }
        Ok(own)
    }

    /// What to say about a status: in the step's words, or in the tool's where the tool's argument
    /// is what the step asks for.
    fn hint(&self, request: &StepRequest, status: StatusCode) -> Option<String> {
        let tools = BTreeMap::new();
        let hints = match (&request.hints, &request.for_each) {
            (Some(own), _) => own,
            (None, None) => &self.call.tool().hints,
            (None, Some(_)) => &tools,
        };
        hints.get(&status.as_u16()).cloned()
    }
}

/// A refused token, and an upstream that asks to wait, say nothing about what was asked for.
fn is_about_what_was_asked(reply: &UpstreamReply) -> bool {
    let credentials = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
    !credentials.contains(&reply.status) && reply.asks_to_wait().is_none()
}

/// Texts and numbers of a list, each once, in their order; what is neither names nothing.
fn distinct(list: &Value) -> Option<Vec<String>> {
    let mut seen = HashSet::new();
    let names = list.items()?;
    let names = names.into_iter().filter_map(|item| item.name());
    let names = names.filter(|name| !name.is_empty() && seen.insert(name.clone()));
    // More are refused already.
    Some(names.take(MAX_ITEMS + 1).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_texts_and_numbers_each_once() {
        let list = json!(["b", "a", "", null, 7, "7", "b", [1], {"c": 1}, true]);
        let items = distinct(&Value::from(&list)).unwrap();
        assert_eq!(items, ["b", "a", "7"]);
        for no_list in [json!(null), json!("a"), json!({"a": 1})] {
            assert_eq!(distinct(&Value::from(&no_list)), None);
        }
        let many = Json::from_iter(0..1_000_000);
        assert_eq!(distinct(&Value::from(&many)).unwrap().len(), MAX_ITEMS + 1);
    }
}
