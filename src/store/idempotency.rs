//! First answers to requests that are to have their effect once.

use jiff::{SignedDuration, Timestamp};

use super::rows::{get, get_hash};
use super::{Store, StoreError, Write};

/// For how long a repetition is told from a new request.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What the first of equal requests was answered.
pub struct FirstAnswer {
    /// A hash of the request.
    pub request: [u8; 32],
    pub answer: String,
}

impl Store {
    pub async fn first_answer(
        &self,
        actor: &str,
        key: &str,
    ) -> Result<Option<FirstAnswer>, StoreError> {
        sqlx::query("SELECT request, answer FROM idempotency_keys WHERE actor = ? AND key = ?")
            .bind(actor)
            .bind(key)
            .fetch_optional(&self.readers)
            .await?
            .map(|row| {
                Ok(FirstAnswer {
                    request: get_hash(&row, "request")?,
                    answer: get(&row, "answer")?,
                })
            })
            .transpose()
    }
}

impl Write {
    /// Keeps the answer to a request, and forgets those that are old.
    pub async fn keep_first_answer(
        &mut self,
        actor: &str,
        key: &str,
        first: &FirstAnswer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let oldest = now.saturating_sub(KEPT).unwrap_or(now);
        sqlx::query("DELETE FROM idempotency_keys WHERE created_at < ?")
            .bind(oldest.as_millisecond())
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query(
            "INSERT INTO idempotency_keys (actor, key, request, answer, created_at)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(actor)
        .bind(key)
        .bind(first.request.as_slice())
        .bind(&first.answer)
        .bind(now.as_millisecond())
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "a request with this Idempotency-Key"))?;
        Ok(())
    }
}
