//! What was asked of the simulator: a bounded ring of requests and the counters.
//!
//! A request is noted when it arrives and completed when it is answered, so a test sees the
//! requests that are still waiting, too. Header values are never kept, but for the request id, nor
//! are secrets in bodies.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::endpoint::Endpoint;

/// One request as the upstream saw it.
#[derive(Debug, Clone, Serialize)]
pub struct SeenRequest {
    pub at: Timestamp,
    pub method: String,
    /// Path and query exactly as they were sent.
    pub path: String,
    pub endpoint: Endpoint,
    /// The owner of the token; without a known token, what the request claims.
    pub client_id: Option<String>,
    /// The names of its headers, in lower case.
    pub headers: Vec<String>,
    /// The value of `X-Request-Id`: what a caller calls its own request.
    pub request_id: Option<String>,
    /// Absent when there was none, when it was not JSON, or when it exceeded 16 KiB.
    pub body: Option<Value>,
    /// Absent while the request is waiting, and for ever after a hang.
    pub status: Option<u16>,
}

/// Counters since the start or the last reset.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Logins that were granted, in all flows.
    pub logins: u64,
    pub refused_logins: u64,
    /// Refreshes that were granted.
    pub refreshes: u64,
    /// Requests to API endpoints.
    pub requests: u64,
    /// 401 answers, of logins as well.
    pub unauthorized: u64,
    pub clients: BTreeMap<String, ClientStats>,
}

/// Counters of one client id.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClientStats {
    pub logins: u64,
    pub refused_logins: u64,
    pub refreshes: u64,
    pub requests: u64,
    pub unauthorized: u64,
    pub endpoints: BTreeMap<Endpoint, u64>,
}

#[derive(Default)]
struct Book {
    ring: VecDeque<SeenRequest>,
    /// The number of the request at the front of the ring.
    first: u64,
    stats: Stats,
}

/// The requests and the counters.
pub struct Journal {
    book: Mutex<Book>,
    length: usize,
    max_clients: usize,
}

impl Journal {
    pub fn new(length: usize, max_clients: usize) -> Self {
        Self {
            book: Mutex::default(),
            length,
            max_clients,
        }
    }

    /// Notes a request; the number completes it.
    pub fn arrived(&self, request: SeenRequest) -> u64 {
        let mut book = self.book();
        let number = book.first + book.ring.len() as u64;
        book.stats.count_arrival(
            request.endpoint,
            request.client_id.as_deref(),
            self.max_clients,
        );
        book.ring.push_back(request);
        while book.ring.len() > self.length {
            book.ring.pop_front();
            book.first += 1;
        }
        number
    }

    /// Completes a request that has been answered.
    pub fn answered(&self, number: u64, endpoint: Endpoint, client_id: Option<&str>, status: u16) {
        let mut book = self.book();
        book.stats.count_answer(endpoint, client_id, status);
        let place = number
            .checked_sub(book.first)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(request) = place.and_then(|place| book.ring.get_mut(place)) {
            request.status = Some(status);
        }
    }

    pub fn requests(&self) -> Vec<SeenRequest> {
        self.book().ring.iter().cloned().collect()
    }

    pub fn stats(&self) -> Stats {
        self.book().stats.clone()
    }

    /// Forgets the requests; the counters go on.
    pub fn clear_requests(&self) {
        let mut book = self.book();
        book.first += book.ring.len() as u64;
        book.ring.clear();
    }

    pub fn clear(&self) {
        self.clear_requests();
        self.book().stats = Stats::default();
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stats {
    fn count_arrival(&mut self, endpoint: Endpoint, client_id: Option<&str>, max: usize) {
        let request = u64::from(!endpoint.is_login());
        self.requests += request;
        let Some(client_id) = client_id else { return };
        if !self.clients.contains_key(client_id) {
            if self.clients.len() >= max {
                return;
            }
            self.clients
                .insert(client_id.to_owned(), ClientStats::default());
        }
        if let Some(client) = self.clients.get_mut(client_id) {
            client.requests += request;
            *client.endpoints.entry(endpoint).or_default() += 1;
        }
    }

    fn count_answer(&mut self, endpoint: Endpoint, client_id: Option<&str>, status: u16) {
        let granted = status == 200;
        let login = endpoint.is_login() && endpoint != Endpoint::Refresh;
        let logins = u64::from(login && granted);
        let refused = u64::from(login && !granted);
        let refreshes = u64::from(endpoint == Endpoint::Refresh && granted);
        let unauthorized = u64::from(status == 401);
        self.logins += logins;
        self.refused_logins += refused;
        self.refreshes += refreshes;
        self.unauthorized += unauthorized;
        if let Some(client) = client_id.and_then(|id| self.clients.get_mut(id)) {
            client.logins += logins;
            client.refused_logins += refused;
            client.refreshes += refreshes;
            client.unauthorized += unauthorized;
        }
    }
}
