//! All workspaces. The registry's lock is held to find one; each workspace has a lock of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::Timestamp;

use super::lab::Lab;
use super::practice::Practice;
use super::records::Records;
use super::seed::Seed;

/// The data of one client id.
pub struct Workspace {
    pub client_id: String,
    /// Doctors, clinics and services: nothing changes them.
    pub practice: Practice,
    records: Mutex<Records>,
    lab: Mutex<Lab>,
}

impl Workspace {
    fn generate(client_id: &str, now: Timestamp, max_records: usize) -> Self {
        let mut seed = Seed::new(client_id);
        let practice = Practice::generate(client_id, &mut seed);
        let records = Records::generate(client_id, &mut seed, now, max_records);
        let lab = Lab::generate(&mut seed, now, max_records);
        Self {
            client_id: client_id.to_owned(),
            practice,
            records: Mutex::new(records),
            lab: Mutex::new(lab),
        }
    }

    /// Patients and appointments.
    pub fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Laboratory orders.
    pub fn lab(&self) -> MutexGuard<'_, Lab> {
        self.lab.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All workspaces, by client id.
pub struct Workspaces {
    by_client: RwLock<HashMap<String, Arc<Workspace>>>,
    max: usize,
    max_records: usize,
}

impl Workspaces {
    pub fn new(max: usize, max_records: usize) -> Self {
        Self {
            by_client: RwLock::default(),
            max,
            max_records,
        }
    }

    /// The workspace of a client id; `None` when it would be one too many.
    pub fn open(&self, client_id: &str, now: Timestamp) -> Option<Arc<Workspace>> {
        let known = self
            .by_client
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(workspace) = known.get(client_id) {
            return Some(Arc::clone(workspace));
        }
        if known.len() >= self.max {
            return None;
        }
        drop(known);
        // Two first requests may both generate; the data is the same and the first one counts.
        let fresh = Arc::new(Workspace::generate(client_id, now, self.max_records));
        let mut known = self
            .by_client
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(
            known.entry(client_id.to_owned()).or_insert(fresh),
        ))
    }

    pub fn clear(&self) {
        self.by_client
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
