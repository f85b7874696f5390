//! The upstream: every GET gets the same list of patients (about 1 KB; of `/large` about 10), every POST a token, and
//! a COUNT how many of them that were. By hand on a socket, because its CPU is not what is measured.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::{Failure, wire};

struct Answers {
    get: String,
    large: String,
    post: String,
    logins: AtomicU64,
}

/// Serves on a free port, whose address is printed first.
pub async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let answers = Arc::new(Answers {
        get: response(&patients(9)),
        large: response(&patients(88)),
        post: response(&login()),
        logins: AtomicU64::new(0),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(answer(stream, answers.clone()));
    }
}

async fn answer(mut stream: TcpStream, answers: Arc<Answers>) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(4096);
    while let Some(message) = wire::read(&mut stream, &mut buffer).await? {
        let counted;
        let answer = match buffer.first() {
            Some(b'G') if buffer.starts_with(b"GET /large") => &answers.large,
            Some(b'G') => &answers.get,
            Some(b'P') => {
                answers.logins.fetch_add(1, Ordering::Relaxed);
                &answers.post
            }
            _ => {
                counted = response(&answers.logins.load(Ordering::Relaxed).to_string());
                &counted
            }
        };
        stream.write_all(answer.as_bytes()).await?;
        buffer.drain(..message.end);
    }
    Ok(())
}

/// A token as long as a signed one (RFC 7519) with a handful of claims.
pub fn token(kind: &str) -> String {
    format!("synthetic-{kind}-{}", "0123456789abcdef".repeat(30))
}

fn login() -> String {
    let (access, refresh) = (token("access"), token("refresh"));
    format!(
        r#"{{"access_token":"{access}","expires_in":3600,"refresh_token":"{refresh}","refresh_expires_in":86400}}"#
    )
}

/// How many logins an upstream has answered.
pub async fn logins(address: SocketAddr) -> Result<u64, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"COUNT / HTTP/1.1\r\n\r\n").await?;
    let mut answer = Vec::new();
    let message = wire::read(&mut stream, &mut answer).await?;
    let message = message.ok_or("the upstream closed")?;
    Ok(std::str::from_utf8(&answer[message.body..message.end])?.parse()?)
}

fn response(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Short profiles as the search of the directory answers them; nobody of these exists.
fn patients(count: usize) -> String {
    let mut list = String::from("[");
    for number in 1..=count {
        let separator = if number == 1 { "" } else { "," };
        let _ = write!(
            list,
            r#"{separator}{{"oid":"17500000000000{number:02}","username":"UH-{number:04}","mobile":"+9190000000{number:02}","fln":"Asha Example {number}","gen":"F"}}"#
        );
    }
    list.push(']');
    list
}
