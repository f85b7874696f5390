//! Additional authenticated data: the place that a ciphertext is bound to.

use uuid::Uuid;

/// Parts in order, each with its length before it, so that no two lists of parts look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aad(Vec<u8>);

impl Aad {
    /// Starts with the purpose and format of the ciphertext.
    pub fn new(purpose: &str) -> Self {
        Self(Vec::with_capacity(256)).bytes(purpose.as_bytes())
    }

    pub fn text(self, part: &str) -> Self {
        self.bytes(part.as_bytes())
    }

    pub fn uuid(self, part: Uuid) -> Self {
        self.bytes(part.as_bytes())
    }

    pub(super) fn bytes(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
        self
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}
