//! The load: prebuilt requests over keep-alive connections; every answer is looked at.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::wire;

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_patients","arguments":{"prefix":"asha"}}}"#;

/// The calls for one target: one request a tenant.
#[derive(Clone)]
pub struct Load {
    address: SocketAddr,
    requests: Arc<[String]>,
}

impl Load {
    /// `authorizations` are values of that header, one a tenant; their order names the tenants.
    pub fn new(address: SocketAddr, authorizations: impl Iterator<Item = String>) -> Self {
        let requests = authorizations
            .enumerate()
            .map(|(tenant, authorization)| request(address, tenant, &authorization))
            .collect();
        Self { address, requests }
    }

    /// The body of one tenant's answer, which has to be a successful one.
    pub async fn body(&self, tenant: usize) -> Result<Vec<u8>> {
        let mut stream = connect(self.address).await?;
        let mut buffer = Vec::with_capacity(8192);
        let request = &self.requests[tenant % self.requests.len()];
        let body = exchange(&mut stream, request, &mut buffer).await?;
        Ok(buffer[body..].to_vec())
    }

    /// Makes about `calls` calls over `connections` connections, whose answers are `length` bytes
    /// long each. Says how many there were, and how long they took.
    pub async fn run(
        &self,
        connections: usize,
        calls: usize,
        length: usize,
    ) -> Result<(usize, Duration)> {
        let each = calls.div_ceil(connections);
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            streams.push(connect(self.address).await?);
        }
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for (first, stream) in streams.into_iter().enumerate() {
            let requests = self.requests.clone();
            let tenants = (first..).step_by(connections).take(each);
            tasks.spawn(calls_of_one(stream, requests, tenants, length));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(Error::other)??;
        }
        Ok((each * connections, started.elapsed()))
    }
}

async fn calls_of_one(
    mut stream: TcpStream,
    requests: Arc<[String]>,
    tenants: impl Iterator<Item = usize>,
    length: usize,
) -> Result<()> {
    let mut buffer = Vec::with_capacity(8192);
    for tenant in tenants {
        let request = &requests[tenant % requests.len()];
        let body = exchange(&mut stream, request, &mut buffer).await?;
        if buffer.len() - body != length {
            return Err(Error::other("an answer has another length"));
        }
        buffer.clear();
    }
    Ok(())
}

/// Sends a request and reads its answer into the empty buffer; says where the body begins.
async fn exchange(stream: &mut TcpStream, request: &str, buffer: &mut Vec<u8>) -> Result<usize> {
    stream.write_all(request.as_bytes()).await?;
    let message = wire::read(stream, buffer).await?;
    let message = message.ok_or_else(|| Error::other("the connection was closed"))?;
    let succeeded = buffer.starts_with(b"HTTP/1.1 200 ")
        && buffer.ends_with(br#""isError":false}}"#)
        && buffer.len() == message.end;
    if succeeded {
        return Ok(message.body);
    }
    let shown = String::from_utf8_lossy(buffer).into_owned();
    Err(Error::other(format!("a call failed: {shown}")))
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What an SDK's client of revision 2025-11-25 sends, with the tenant in headers.
fn request(address: SocketAddr, tenant: usize, authorization: &str) -> String {
    let (slug, length) = (crate::gateway::slug(tenant), BODY.len());
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\n\
         accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         mcp-protocol-version: 2025-11-25\r\nx-tenant-id: {slug}\r\nx-tenant-env: prod\r\n\
         content-length: {length}\r\n\r\n{BODY}"
    )
}
