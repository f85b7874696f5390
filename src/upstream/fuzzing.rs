//! The request that a call becomes, for `fuzz/`: exists with `--cfg fuzzing` only.

use url::Url;

use super::FormedRequest;

impl FormedRequest {
    pub fn url(&self) -> &Url {
        self.0.url()
    }

    pub fn body(&self) -> Option<&[u8]> {
        self.0.body()?.as_bytes()
    }
}
