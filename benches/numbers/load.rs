//! The load: calls over keep-alive connections; every answer is looked at.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::wire;

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_patients","arguments":{"prefix":"asha"}}}"#;

/// The calls for one target, of one tenant or of many in turn.
#[derive(Clone)]
pub struct Load {
    address: SocketAddr,
    /// The `Authorization` of each tenant. Requests are put together when they are sent: thousands
    /// of finished ones would take the processor's caches, which load and target share.
    authorizations: Arc<[String]>,
    body: Arc<str>,
    /// Whose turn it is: a run goes on where the one before it ended, so that all tenants
    /// are called, and each connection has the next one when it is free.
    turn: Arc<AtomicUsize>,
}

/// What a round came to.
pub struct Run {
    pub took: Duration,
    /// How long each call waited for its answer.
    pub waits: Vec<Duration>,
}

/// Connections that calls are made over.
pub struct Lines {
    load: Load,
    lines: Vec<Line>,
}

/// Connections that have served a call and ask for nothing.
pub struct Idle {
    load: Load,
    streams: Vec<std::net::TcpStream>,
}

impl Load {
    /// `authorizations` are values of that header, one a tenant; their order names the tenants.
    pub fn new(address: SocketAddr, authorizations: impl IntoIterator<Item = String>) -> Self {
        Self {
            address,
            authorizations: authorizations.into_iter().collect(),
            body: BODY.into(),
            turn: Arc::default(),
        }
    }

    /// The same with another call.
    pub fn asking(mut self, body: &str) -> Self {
        self.body = body.into();
        self
    }

    pub fn tenants(&self) -> usize {
        self.authorizations.len()
    }

    /// The body of one tenant's answer, which has to be a successful one.
    pub async fn body(&self, tenant: usize) -> Result<Vec<u8>> {
        let mut line = Line::new(self, self.connect().await?);
        let body = line.exchange(tenant).await?;
        Ok(line.answer[body..].to_vec())
    }

    /// Opens connections for calls to come.
    pub async fn open(&self, connections: usize) -> Result<Lines> {
        let mut lines = Vec::with_capacity(connections);
        for _ in 0..connections {
            lines.push(Line::new(self, self.connect().await?));
        }
        let load = self.clone();
        Ok(Lines { load, lines })
    }

    /// Makes so many calls over `connections` connections of their own.
    pub async fn run(&self, connections: usize, calls: usize, length: usize) -> Result<Run> {
        self.open(connections).await?.run(calls, length).await
    }

    /// Opens connections and makes a call on each.
    pub async fn connections(&self, count: usize, length: usize) -> Result<Idle> {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..count {
            let mut line = Line::new(self, self.connect().await?);
            line.call(0, length).await?;
            // Nobody waits for anything on them, so the runtime need not know of them.
            streams.push(line.stream.into_std()?);
        }
        let load = self.clone();
        Ok(Idle { load, streams })
    }

    async fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Lines {
    /// Makes so many calls, whose answers are `length` bytes long each.
    pub async fn run(&mut self, calls: usize, length: usize) -> Result<Run> {
        let turn = &self.load.turn;
        let end = turn.load(Ordering::Relaxed) + calls;
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for line in self.lines.drain(..) {
            tasks.spawn(line.calls(end, length));
        }
        let mut waits = Vec::with_capacity(calls);
        while let Some(ended) = tasks.join_next().await {
            let (line, own) = ended.map_err(Error::other)??;
            self.lines.push(line);
            waits.extend(own);
        }
        // Each connection has looked for one more.
        turn.store(end, Ordering::Relaxed);
        Ok(Run {
            took: started.elapsed(),
            waits,
        })
    }
}

impl Idle {
    /// Makes one more call on each connection.
    pub async fn call_each(&mut self, length: usize) -> Result<()> {
        for stream in self.streams.drain(..) {
            let mut line = Line::new(&self.load, TcpStream::from_std(stream)?);
            line.call(0, length).await?;
        }
        Ok(())
    }
}

/// One connection.
struct Line {
    load: Load,
    stream: TcpStream,
    request: String,
    answer: Vec<u8>,
}

impl Line {
    fn new(load: &Load, stream: TcpStream) -> Self {
        Self {
            load: load.clone(),
            stream,
            request: String::with_capacity(512),
            answer: Vec::with_capacity(8192),
        }
    }

    /// Calls until it would be the turn of `end`.
    async fn calls(mut self, end: usize, length: usize) -> Result<(Self, Vec<Duration>)> {
        let mut waits = Vec::new();
        loop {
            let tenant = self.load.turn.fetch_add(1, Ordering::Relaxed);
            if tenant >= end {
                return Ok((self, waits));
            }
            waits.push(self.call(tenant, length).await?);
        }
    }

    async fn call(&mut self, tenant: usize, length: usize) -> Result<Duration> {
        let sent = Instant::now();
        let body = self.exchange(tenant).await?;
        let wait = sent.elapsed();
        match self.answer.len() - body == length {
            true => Ok(wait),
            false => Err(Error::other("an answer has another length")),
        }
    }

    /// Sends a request and reads its answer; says where the body begins.
    async fn exchange(&mut self, tenant: usize) -> Result<usize> {
        self.write_request(tenant % self.load.tenants());
        self.stream.write_all(self.request.as_bytes()).await?;
        self.answer.clear();
        let message = wire::read(&mut self.stream, &mut self.answer).await?;
        let message = message.ok_or_else(|| Error::other("the connection was closed"))?;
        let succeeded = self.answer.starts_with(b"HTTP/1.1 200 ")
            && self.answer.ends_with(br#""isError":false}}"#)
            && self.answer.len() == message.end;
        if succeeded {
            return Ok(message.body);
        }
        let shown = String::from_utf8_lossy(&self.answer);
        Err(Error::other(format!("a call failed: {shown}")))
    }

    /// What an SDK's client of revision 2025-11-25 sends, with the tenant in headers.
    fn write_request(&mut self, tenant: usize) {
        use std::fmt::Write;
        let Load {
            address,
            authorizations,
            body,
            ..
        } = &self.load;
        let (authorization, length) = (&authorizations[tenant], body.len());
        let slug = crate::gateway::slug(tenant);
        self.request.clear();
        let _ = write!(
            self.request,
            "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\n\
             accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
             mcp-protocol-version: 2025-11-25\r\nx-tenant-id: {slug}\r\nx-tenant-env: prod\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
    }
}
