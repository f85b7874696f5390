//! HTTP by hand: the bytes of a request as no client would send them, and the bytes of its answer.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);

/// A request that is put together line by line.
#[derive(Clone)]
pub struct Draft {
    start: Vec<u8>,
    lines: Vec<Vec<u8>>,
    body: Vec<u8>,
}

impl Draft {
    /// A `POST` of JSON with nothing but `Host`, `Content-Type` and `Content-Length`.
    pub fn post(target: &str, body: &str) -> Self {
        Self::request("POST", target, body)
    }

    pub fn request(method: &str, target: &str, body: &str) -> Self {
        Self {
            start: format!("{method} {target} HTTP/1.1").into_bytes(),
            lines: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
        .with("Host: 127.0.0.1")
        .with("Content-Type: application/json")
        .with(format!("Content-Length: {}", body.len()))
    }

    /// One more header line, sent as it is.
    pub fn with(mut self, line: impl Into<Vec<u8>>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The same request without the lines that begin with `name`.
    pub fn without(mut self, name: &str) -> Self {
        self.lines
            .retain(|line| !line.starts_with(format!("{name}:").as_bytes()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.start.clone();
        for line in &self.lines {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(line);
        }
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Header lines, in order.
    pub head: Vec<String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Head and body without what differs between equal answers: time and request id.
    pub fn comparable(&self) -> (u16, Vec<String>, String) {
        let varies = |line: &str| line.starts_with("date:") || line.starts_with("x-request-id:");
        let head = self.head.iter().filter(|line| !varies(line)).cloned();
        let body = String::from_utf8_lossy(&self.body).into_owned();
        let body = match self.header("x-request-id") {
            Some(id) => body.replace(id, "<request id>"),
            None => body,
        };
        (self.status, head.collect(), body)
    }
}

/// A connection that stays open.
pub struct Wire<S = TcpStream>(BufReader<S>);

impl Wire {
    /// Connects to `http://ADDRESS`.
    pub async fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://");
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Connects from an address of this machine.
    pub async fn connect_from(source: &str, url: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        let source: std::net::IpAddr = source.parse().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let address = url.trim_start_matches("http://").parse().unwrap();
        Self::over(socket.connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends bytes that may be a part of a request.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// Whether the other end closes within this time; what it sends until then is thrown away.
    pub async fn closes_within(&mut self, time: Duration) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let end = async { while !matches!(self.0.read(&mut buffer).await, Ok(0) | Err(_)) {} };
        timeout(time, end).await.is_ok()
    }

    /// The answer, or nothing where the connection ends before it is whole.
    pub async fn try_exchange(&mut self, request: &[u8]) -> Option<Answer> {
        self.0.get_mut().write_all(request).await.ok()?;
        timeout(LIMIT, self.try_answer()).await.ok()?.ok()
    }

    /// The answer to what was sent.
    pub async fn receive(&mut self) -> Answer {
        timeout(LIMIT, self.answer())
            .await
            .expect("an answer within ten seconds")
    }

    pub async fn exchange(&mut self, request: &[u8]) -> Answer {
        // A server that refuses the head may close before it has read everything.
        let _ = self.0.get_mut().write_all(request).await;
        self.receive().await
    }

    async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap()
    }

    async fn try_answer(&mut self) -> std::io::Result<Answer> {
        let status = self.line().await?;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut answer = Answer {
            status: status.ok_or(std::io::ErrorKind::UnexpectedEof)?,
            head: Vec::new(),
            body: Vec::new(),
        };
        loop {
            match self.line().await? {
                line if line.is_empty() => break,
                line => answer.head.push(line),
            }
        }
        let length = answer.header("content-length").unwrap_or("0");
        answer.body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut answer.body).await?;
        Ok(answer)
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).await?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// Sends one request on a connection of its own.
pub async fn exchange(url: &str, request: &[u8]) -> Answer {
    Wire::connect(url).await.exchange(request).await
}
