//! The room that the answers to a call's steps may take: they are all kept until the call ends.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::data::{empty, written};
use crate::domain::jq::{Tape, TapeRecorder, Value};
use crate::domain::json::{self, Parts, Unsound};
use crate::domain::tool::{ResponseKind, ResponseRule};
use crate::upstream::UpstreamReply;

/// Bytes of all answers of a call.
const MAX_BYTES: usize = 16 << 20;
/// Values in them, members' names included: each takes some hundred bytes, however short it is.
const MAX_VALUES: usize = 500_000;
/// A longer answer is read beside the threads that serve calls.
const BRIEF: usize = 256 << 10;

/// What a call may be answered still.
pub(super) struct Room {
    bytes: AtomicUsize,
    values: AtomicUsize,
}

/// Nothing is made of an answer while it is read.
pub(super) const NO_RESHAPE: Option<fn(&Tape<'_>) -> Option<String>> = None;

/// What an answer is read as.
pub(super) enum Read {
    Value(Value),
    /// What a program made of it.
    Reshaped(String),
}

/// Why an answer is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not what the profile says.
    Malformed,
    /// With it, the answers take too much room.
    TooLarge,
}

impl Room {
    pub(super) fn of_call() -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(MAX_BYTES),
            values: AtomicUsize::new(MAX_VALUES),
        })
    }

    /// What is made of a brief answer while it is read, or else the answer as a value.
    pub(super) async fn read(
        self: &Arc<Self>,
        rule: &ResponseRule,
        reply: UpstreamReply,
        reshape: Option<impl FnOnce(&Tape<'_>) -> Option<String>>,
    ) -> Result<Read, Unread> {
        take(&self.bytes, reply.body.len())?;
        if let Some(empty) = empty(rule, &reply) {
            return Ok(Read::Value(Value::from(empty)));
        }
        let kind = rule.kind;
        if reply.body.len() <= BRIEF {
            let Some(reshape) = reshape else {
                return self.value(kind, &reply).map(Read::Value);
            };
            let document = document(kind, &reply)?;
            let mut recorder = TapeRecorder::new(document.len());
            let text = self.sound(&document, &mut recorder)?;
            return match recorder.tape().and_then(|tape| reshape(&tape)) {
                Some(made) => Ok(Read::Reshaped(made)),
                None => value_of(text).map(Read::Value),
            };
        }
        let room = self.clone();
        let parse = move || room.value(kind, &reply);
        let parsed = tokio::task::spawn_blocking(parse).await;
        parsed.unwrap_or(Err(Unread::Malformed)).map(Read::Value)
    }

    fn value(&self, kind: ResponseKind, reply: &UpstreamReply) -> Result<Value, Unread> {
        value_of(self.sound(&document(kind, reply)?, &mut ())?)
    }

    /// A document's text, counted before a value is built of it.
    fn sound<'d>(&self, document: &'d [u8], parts: &mut impl Parts<'d>) -> Result<&'d str, Unread> {
        let left = self.values.load(Ordering::Relaxed);
        let (text, values) =
            json::read(document, left, parts).map_err(|unsound| match unsound {
                Unsound::Malformed => Unread::Malformed,
                Unsound::TooMany => Unread::TooLarge,
            })?;
        // Others may have taken what was left.
        take(&self.values, values)?;
        Ok(text)
    }
}

/// An answer as JSON, if it is any.
fn document(kind: ResponseKind, reply: &UpstreamReply) -> Result<Cow<'_, [u8]>, Unread> {
    if kind == ResponseKind::Json {
        return Ok(Cow::Borrowed(&reply.body));
    }
    let written = written(kind, reply).ok_or(Unread::Malformed)?;
    Ok(Cow::Owned(written.into_owned().into_bytes()))
}

fn value_of(sound: &str) -> Result<Value, Unread> {
    Value::parse(sound).ok_or(Unread::Malformed)
}

fn take(left: &AtomicUsize, much: usize) -> Result<(), Unread> {
    let rest = |left: usize| left.checked_sub(much);
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
    taken.map(drop).map_err(|_| Unread::TooLarge)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::domain::jq::{Program, Work};

    const RULE: ResponseRule = ResponseRule {
        kind: ResponseKind::Json,
        empty: None,
    };

    fn reply(body: String) -> UpstreamReply {
        UpstreamReply {
            status: StatusCode::OK,
            retry_after: None,
            content_type: None,
            body: Bytes::from(body),
        }
    }

    async fn read(room: &Arc<Room>, body: String) -> Result<Value, Unread> {
        match room.read(&RULE, reply(body), NO_RESHAPE).await? {
            Read::Value(value) => Ok(value),
            Read::Reshaped(_) => panic!("nothing makes anything of it"),
        }
    }

    #[tokio::test]
    async fn all_answers_of_a_call_share_its_values() {
        let room = Room::of_call();
        let half = format!("[{}0]", "0,".repeat(MAX_VALUES / 2 - 2));
        assert!(read(&room, half.clone()).await.is_ok());
        let more = format!("[0,{}0]", "0,".repeat(MAX_VALUES / 2 - 2));
        assert_eq!(read(&room, more).await.err(), Some(Unread::TooLarge));
        assert!(read(&room, half).await.is_ok(), "exactly what is left");
        assert_eq!(
            read(&room, "0".to_owned()).await.err(),
            Some(Unread::TooLarge)
        );
    }

    #[tokio::test]
    async fn all_answers_of_a_call_share_its_bytes() {
        let room = Room::of_call();
        let half = format!("\"{}\"", "x".repeat(MAX_BYTES / 2 - 2));
        assert!(read(&room, half.clone()).await.is_ok());
        assert!(read(&room, half).await.is_ok());
        assert!(read(&room, String::new()).await.is_ok(), "nothing is null");
        assert_eq!(
            read(&room, "0".to_owned()).await.err(),
            Some(Unread::TooLarge)
        );
    }

    #[tokio::test]
    async fn what_is_no_json_is_read_and_counted_as_what_it_becomes() {
        for (kind, length, values) in [(ResponseKind::Text, 11, 1), (ResponseKind::Bytes, 2, 5)] {
            let room = Room::of_call();
            let rule = ResponseRule { kind, empty: None };
            let (_, reshape) = Program::parse_reshape("length").unwrap();
            let reshape = reshape.unwrap();
            let made = |tape: &Tape<'_>| reshape.run(tape, || unreachable!(), &Work::of_call());
            let body = "say \"yes\"\n\u{1}".to_owned();
            match room.read(&rule, reply(body), Some(made)).await {
                Ok(Read::Reshaped(made)) => assert_eq!(made, length.to_string()),
                _ => panic!("a short program makes it"),
            }
            let left = room.values.load(Ordering::Relaxed);
            assert_eq!(left, MAX_VALUES - values);
        }
    }

    #[tokio::test]
    async fn what_is_no_json_is_malformed_whatever_its_length() {
        let room = Room::of_call();
        for body in ["[1,".to_owned(), format!("[1,{}", " ".repeat(BRIEF))] {
            let read = read(&room, body).await;
            assert_eq!(read.err(), Some(Unread::Malformed));
        }
    }
}
