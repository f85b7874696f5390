//! Locum: a multi-tenant, config-driven MCP gateway.
//!
//! A clinic group runs several organizations; each has credentials of its own at the APIs it uses,
//! for dev and for prod. Locum holds them sealed, keeps their access tokens fresh, and sends every
//! MCP request to the right upstream as the right organization. Providers and their tools are TOML
//! files, not code.
//!
//! # A request, step by step
//!
//! ```text
//!  MCP client ── POST /mcp, X-Tenant-Id ──▶ http::server      TLS, deadlines, places for connections
//!                                           http::router      CORS, an id for the request, a net under panics
//!   1  http::mcp            Host and Origin lists; headers that may occur once
//!   2  gateway::authenticate  PresentedKey               → Arrival: whose key it is (else http::floods counts)
//!   3  gateway::visit       selection + grants           → Visit: that principal at one tenant
//!   4  http::mcp            body → envelope → revision   → method
//!   5  gateway::call        name in the tenant's list    → Entry; arguments against its schema
//!   6  domain::call         AuthorizedCall::authorize    → AuthorizedCall
//!      gateway::kept        an equal call's answer, where the profile says so: the rest is not done
//!   7  gateway::admit       the tenant's limits, a slot  → Permit
//!      gateway::run         8 and 9 for the tool's one request, or for each of its steps
//!   8  token                cached, or one login         → Bearer
//!   9  upstream             request (formed before 8) + bearer → UpstreamReply (asserts the tenant)
//!  10  gateway::outcome     what the client is told; one record, one log line, one count
//!  11  http::mcp            the answer, written once into one buffer
//!      http::mcp::listen    beside it: streams that tell who listens that their tool lists changed
//! ```
//!
//! [`domain::call::AuthorizedCall`] is the only key to a bearer and to the upstream, and its only
//! constructor checks the principal's grants: the compiler keeps the order of steps 6 to 9. A call
//! with a cached token takes no lock that tenants share, reads no database and opens no secret; and
//! of a tenant among thousands it asks for memory before it needs it ([`domain::ahead`]). What
//! profiles and limits say can change while the gateway serves: the directory that a request arrives at
//! is of one edition of them, and the request keeps it to its end.
//!
//! # The house
//!
//! In reading order; `tests/it/architecture.rs` has the table of allowed imports and fails on
//! anything else.
//!
//! - [`domain`]: the words as types, and the programs of profiles ([`domain::jq`]). No I/O, no
//!   protocol.
//! - Leaves, each knowing the domain only: [`catalog`] (profiles → providers and tools), [`vault`]
//!   (envelope encryption; bytes in, bytes out), [`store`] (SQLite), [`net`] (the only constructor
//!   of HTTP clients), [`token`] (login flows and the token cache), [`upstream`] (REST requests),
//!   [`notify`] (mail and webhooks), [`traces`] (spans to an OTLP collector), [`secret_file`] (who may
//!   read a file with a secret), [`file_stamp`] (whether a file was changed).
//! - [`credentials`]: seal and save, load and open, the lives of versions, and what is sealed brought
//!   under another master key; with [`audit`] (the log: a chain of records) the only meeting point of
//!   store and vault.
//! - Use cases, knowing no HTTP: [`gateway`] (the request path), [`admin`] (organizations,
//!   credentials, keys, tokens, reminders, status, the audit log, the master key, backups; each by an
//!   actor with rights, each change with its record).
//! - [`http`]: the edge: MCP front door for both protocol generations, admin API, health, metrics.
//! - Process: [`config`], [`app`] (the composition root), [`cli`], [`sandbox`] (an Eka-shaped
//!   upstream and a laboratory to develop against; knows nothing of the gateway).
//!
//! Calls have the process's threads. Logins, the admin API and what goes on by itself (what was used and how
//! calls ended is written down, the database and files are looked at, reminders, retention) have two of
//! their own: `app`'s housekeeping.
//!
//! A file `fuzzing.rs` is a door into its part for the targets of `fuzz/`; no other build has it.
//!
//! # Deliberately absent
//!
//! - A default tenant, and a mode without authentication.
//! - Redirects, system proxies and cookies towards upstreams; client headers on upstream requests.
//! - Rust code for a tool: what a profile cannot say, the profile format has to learn.
//! - Repository traits and mocks: tests run the real root on a real SQLite file and real HTTP.
//! - A way to read a secret back: it goes in, and from then on only login requests carry it.

pub mod admin;
pub mod app;
pub mod audit;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod domain;
pub mod file_stamp;
pub mod gateway;
pub mod http;
pub mod net;
pub mod notify;
pub mod sandbox;
pub mod secret_file;
pub mod store;
pub mod token;
pub mod traces;
pub mod upstream;
pub mod vault;
