//! What a listener shows to a network: its TLS files, and the refusal to serve secrets in clear
//! text by accident.

use std::net::SocketAddr;

use super::{Config, ConfigError, Loaded, TlsSection};

const SERVER_REMEDIES: &str = "set server.tls = { certificate, key }, or name the TLS proxy in \
     server.trusted_proxies, or listen on 127.0.0.1";
const ADMIN_REMEDIES: &str = "set admin.tls = { certificate, key }, or listen on 127.0.0.1";

impl Loaded {
    /// The TLS files of the MCP listener.
    pub fn server_tls(&self) -> Option<TlsSection> {
        self.resolved(self.config.server.tls.as_ref())
    }

    /// The TLS files of the admin listener.
    pub fn admin_tls(&self) -> Option<TlsSection> {
        self.resolved(self.config.admin.tls.as_ref())
    }

    fn resolved(&self, section: Option<&TlsSection>) -> Option<TlsSection> {
        section.map(|section| TlsSection {
            certificate: self.folder.join(&section.certificate),
            key: self.folder.join(&section.key),
            mounted_secret: section.mounted_secret,
        })
    }

    /// Plain HTTP on an address that others reach has to be meant. Answers the listeners for which
    /// it is.
    pub fn check_exposure(&self) -> Result<Vec<(&'static str, SocketAddr)>, ConfigError> {
        let (server, admin) = (&self.config.server, &self.config.admin);
        let server_safe = server.tls.is_some() || !server.trusted_proxies.is_empty();
        let listeners = [
            ("server", server.listen, server_safe, server.allow_plaintext),
            (
                "admin",
                admin.listen,
                admin.tls.is_some(),
                admin.allow_plaintext,
            ),
        ];
        let mut accepted = Vec::new();
        for (section, address, safe, allowed) in listeners {
            if safe || address.ip().to_canonical().is_loopback() {
                continue;
            }
            if !allowed {
                let remedies = match section {
                    "server" => SERVER_REMEDIES,
                    _ => ADMIN_REMEDIES,
                };
                return Err(ConfigError::Exposed {
                    section,
                    address,
                    remedies,
                });
            }
            accepted.push((section, address));
        }
        Ok(accepted)
    }
}

/// Variables come one by one, so that halves are met only when all are there.
pub(super) fn check_complete(config: &Config) -> Result<(), ConfigError> {
    let sections = [("server", &config.server.tls), ("admin", &config.admin.tls)];
    for (section, tls) in sections {
        let half = |tls: &TlsSection| {
            tls.certificate.as_os_str().is_empty() || tls.key.as_os_str().is_empty()
        };
        if tls.as_ref().is_some_and(half) {
            return Err(ConfigError::IncompleteTls(section));
        }
    }
    Ok(())
}
