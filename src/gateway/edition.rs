//! What profiles and limits say at one time. A reload makes another one; calls under way finish with
//! the one that they began with.

use std::sync::Arc;

use super::meters::GatewayMeters;
use crate::catalog::Catalog;
use crate::domain::meter::Meters;

/// A catalog, and the meters of what it names.
pub(super) struct Edition {
    /// Tells its tool lists from those of other editions.
    pub number: u64,
    pub catalog: Arc<Catalog>,
    pub meters: GatewayMeters,
}

impl Edition {
    pub(super) fn first(catalog: Arc<Catalog>, meters: &Meters) -> Self {
        Self::numbered(0, catalog, meters)
    }

    pub(super) fn next(&self, catalog: Arc<Catalog>, meters: &Meters) -> Self {
        Self::numbered(self.number + 1, catalog, meters)
    }

    fn numbered(number: u64, catalog: Arc<Catalog>, meters: &Meters) -> Self {
        Self {
            number,
            meters: GatewayMeters::new(meters, &catalog),
            catalog,
        }
    }
}
