//! An upstream on bare sockets: it reads requests like a server and answers whatever bytes a test
//! wants, to one client id's logins, to its API requests, or to both.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the upstream does with a request, after it has read it.
#[derive(Clone)]
pub enum Play {
    /// These bytes; the connection stays open.
    Say(Vec<u8>),
    /// These bytes, then the end of the connection.
    SayAndClose(Vec<u8>),
    /// These bytes, then a reset.
    SayAndReset(Vec<u8>),
    /// The first bytes, then the second ones again and again until the client hangs up.
    Endless(Vec<u8>, Vec<u8>),
    /// The bytes one by one, with this pause before each.
    Drip(Vec<u8>, Duration),
    /// Nothing, for as long as the client waits.
    Nothing,
}

/// Which requests a play is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Login,
    Api,
}

#[derive(Default)]
struct State {
    plays: Mutex<HashMap<(String, Kind), Play>>,
    requests: Mutex<HashMap<(String, Kind), u64>>,
    well: AtomicBool,
    connections: AtomicU64,
    sent: AtomicU64,
}

impl State {
    /// Counts a request and says what to do with it.
    fn next_play(&self, client_id: &str, kind: Kind) -> Play {
        let place = (client_id.to_owned(), kind);
        let mut requests = self.requests.lock().unwrap();
        *requests.entry(place.clone()).or_insert(0) += 1;
        let plays = self.plays.lock().unwrap();
        let play = plays.get(&place).cloned();
        play.filter(|_| !self.well.load(Ordering::Relaxed))
            .unwrap_or_else(|| Play::Say(usual(client_id, kind)))
    }
}

/// A running upstream; where no play is set, logins and reads succeed.
#[derive(Clone)]
pub struct RawUpstream {
    pub url: String,
    state: Arc<State>,
}

impl RawUpstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let upstream = Self {
            url,
            state: state.clone(),
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(socket, state.clone()));
            }
        });
        upstream
    }

    pub fn play(&self, client_id: &str, kind: Kind, play: Play) {
        let mut plays = self.state.plays.lock().unwrap();
        plays.insert((client_id.to_owned(), kind), play);
    }

    /// From now on everything succeeds.
    pub fn recover(&self) {
        self.state.well.store(true, Ordering::Relaxed);
    }

    /// Requests of one client id so far.
    pub fn requests(&self, client_id: &str, kind: Kind) -> u64 {
        let requests = self.state.requests.lock().unwrap();
        let seen = requests.get(&(client_id.to_owned(), kind));
        seen.copied().unwrap_or(0)
    }

    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Bytes that endless answers could get rid of.
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::Relaxed)
    }
}

/// An answer in one piece.
pub fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A 200 with a JSON body.
pub fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK\r\ncontent-type: application/json", body)
}

async fn serve(socket: TcpStream, state: Arc<State>) {
    let mut socket = BufReader::new(socket);
    while let Some((client_id, kind)) = request(&mut socket).await {
        let play = state.next_play(&client_id, kind);
        if perform(play, socket.get_mut(), &state).await.is_err() {
            return;
        }
    }
}

/// The token is the client id, so that API requests tell whose they are.
fn usual(client_id: &str, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Login => {
            let body = serde_json::json!({"access_token": client_id, "expires_in": 1800});
            ok(body.to_string().as_bytes())
        }
        Kind::Api => ok(b"{\"well\": true}"),
    }
}

/// Reads a request to its end: whose it is, and what for.
async fn request(socket: &mut BufReader<TcpStream>) -> Option<(String, Kind)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read = socket.read_until(b'\n', &mut head).await.ok()?;
        if read == 0 {
            return None;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let value = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let length = value("content-length:").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    if head.contains("/connect-auth/") {
        let sent: Value = serde_json::from_slice(&body).unwrap();
        return Some((sent["client_id"].as_str()?.to_owned(), Kind::Login));
    }
    let bearer = value("authorization:")?;
    Some((bearer.strip_prefix("Bearer ")?.to_owned(), Kind::Api))
}

/// `Err` where the connection is over.
async fn perform(play: Play, socket: &mut TcpStream, state: &State) -> std::io::Result<()> {
    let over = || std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
    match play {
        Play::Say(bytes) => socket.write_all(&bytes).await,
        Play::SayAndClose(bytes) => {
            socket.write_all(&bytes).await?;
            socket.shutdown().await?;
            Err(over())
        }
        Play::SayAndReset(bytes) => {
            socket.write_all(&bytes).await?;
            // What was written has to arrive before the reset.
            tokio::time::sleep(Duration::from_millis(50)).await;
            socket.set_zero_linger()?;
            Err(over())
        }
        Play::Endless(first, again) => {
            socket.write_all(&first).await?;
            loop {
                let sent = socket.write(&again).await?;
                state.sent.fetch_add(sent as u64, Ordering::Relaxed);
            }
        }
        Play::Drip(bytes, pause) => {
            for byte in bytes {
                tokio::time::sleep(pause).await;
                socket.write_all(&[byte]).await?;
            }
            Ok(())
        }
        Play::Nothing => {
            let _ = socket.read(&mut [0; 64]).await;
            Err(over())
        }
    }
}
