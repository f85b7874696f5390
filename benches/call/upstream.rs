//! The upstream: every GET gets the same list of patients (about 1 KB), every POST a token. By
//! hand on a socket, because its CPU is not what is measured.

use std::fmt::Write;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::{Failure, wire};

const LOGIN: &str = r#"{"access_token":"synthetic-access-token","expires_in":3600,"refresh_token":"synthetic-refresh-token","refresh_expires_in":86400}"#;

struct Answers {
    get: String,
    post: String,
}

/// Serves on a free port, whose address is printed first.
pub async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let answers = Arc::new(Answers {
        get: response(&patients()),
        post: response(LOGIN),
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
        let answer = match buffer.starts_with(b"GET ") {
            true => &answers.get,
            false => &answers.post,
        };
        stream.write_all(answer.as_bytes()).await?;
        buffer.drain(..message.end);
    }
    Ok(())
}

fn response(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Short profiles as the search of the directory answers them; nobody of these exists.
fn patients() -> String {
    let mut list = String::from("[");
    for number in 1..=9 {
        let separator = if number == 1 { "" } else { "," };
        let _ = write!(
            list,
            r#"{separator}{{"oid":"17500000000000{number:02}","username":"UH-{number:04}","mobile":"+9190000000{number:02}","fln":"Asha Example {number}","gen":"F"}}"#
        );
    }
    list.push(']');
    list
}
