// SPDX-License-Identifier: Apache-2.0
//! The listener over real sockets.

use std::time::Duration;

use server::limits::{HEAD_BYTES_MAX, HEADERS_MAX};
use server::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::face::{Face, TAXII, makers};

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

async fn run(face: &Face) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(serve(listener, face.router.clone(), async {
        let _ = stopped.await;
    }));
    Running { address, stop, ended }
}

fn get(path: &str, token: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {TAXII}\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
    )
}

/// Reads until `end` stands in what came.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(end) {
        let n = timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(n, 0, "closed after: {text}");
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    text
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_until_the_end() {
    let face = Face::new();
    let token = face.token(1, None);
    let running = run(&face).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(get(&format!("{}objects/", makers()), &token, "").as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "]}").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(length.parse(), Ok(body.len()));
    }
    running.stop.send(()).unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, b"", "an idle connection is closed");
    timeout(Duration::from_secs(5), running.ended).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn heads_are_bounded() {
    let face = Face::new();
    let token = face.token(1, None);
    let running = run(&face).await;
    let large = format!("X-Filler: {}\r\n", "y".repeat(HEAD_BYTES_MAX));
    let many = "X-A: b\r\n".repeat(HEADERS_MAX);
    for more in [large, many] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        // The server may answer and close before all is sent.
        let _ = stream.write_all(get("/taxii2/", &token, &more).as_bytes()).await;
        let answer = read_until(&mut stream, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let fits = "X-A: b\r\n".repeat(HEADERS_MAX - 3);
    stream.write_all(get("/taxii2/", &token, &fits).as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "}").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn head_has_no_body() {
    let face = Face::new();
    let token = face.token(1, None);
    let running = run(&face).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = get("/taxii2/", &token, "Connection: close\r\n").replacen("GET", "HEAD", 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}
