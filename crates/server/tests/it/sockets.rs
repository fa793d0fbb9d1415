// SPDX-License-Identifier: Apache-2.0
//! The listener over real sockets.

use std::time::Duration;

use server::limits::{
    CONNECTIONS_PER_ADDRESS_MAX, CONTENT_BYTES_MAX, FIRST_HEAD_SECONDS_MAX, HEAD_BYTES_MAX, HEADERS_MAX,
};
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

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let face = Face::new();
    let token = face.token(1, None);
    let running = run(&face).await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_PER_ADDRESS_MAX {
        open.push(TcpStream::connect(running.address).await.unwrap());
    }
    // The last that has a place is answered; then one more is not.
    let last = open.last_mut().unwrap();
    last.write_all(get("/taxii2/", &token, "").as_bytes()).await.unwrap();
    assert!(read_until(last, "}").await.starts_with("HTTP/1.1 200 "));
    let mut over = TcpStream::connect(running.address).await.unwrap();
    let _ = over.write_all(get("/taxii2/", &token, "").as_bytes()).await;
    let ended = timeout(Duration::from_secs(5), over.read(&mut [0; 10])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "closed at once");
    open.clear();
    let mut answered = false;
    for _ in 0..100 {
        let mut again = TcpStream::connect(running.address).await.unwrap();
        let _ = again.write_all(get("/taxii2/", &token, "").as_bytes()).await;
        let mut start = [0; 12];
        if timeout(Duration::from_secs(5), again.read_exact(&mut start)).await.unwrap().is_ok() {
            answered = start.as_slice() == b"HTTP/1.1 200";
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered, "places are given back");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_early() {
    let face = Face::new();
    let token = face.token(1, None);
    let running = run(&face).await;
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let mut speaking = TcpStream::connect(running.address).await.unwrap();
    speaking.write_all(get("/taxii2/", &token, "").as_bytes()).await.unwrap();
    read_until(&mut speaking, "}").await;
    silent.write_all(b"GET /taxii2/ HTTP/1.1\r\nHost: ").await.unwrap();
    let patience = Duration::from_secs(FIRST_HEAD_SECONDS_MAX + 5);
    let ended = timeout(patience, silent.read(&mut [0; 10])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)));
    speaking.write_all(get("/taxii2/", &token, "").as_bytes()).await.unwrap();
    assert!(read_until(&mut speaking, "}").await.starts_with("HTTP/1.1 200 "), "known ones may pause");
}

#[tokio::test]
async fn a_refused_body_does_not_lose_the_answer() {
    let face = Face::new();
    let running = run(&face).await;
    for (token, wanted) in [(face.writing(2), "413"), (face.token(2, None), "403")] {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let length = CONTENT_BYTES_MAX + 1;
        let head = get(
            &format!("{}objects/", makers()),
            &token,
            &format!("Content-Type: {TAXII}\r\nContent-Length: {length}\r\n"),
        );
        stream.write_all(head.replacen("GET", "POST", 1).as_bytes()).await.unwrap();
        let piece = vec![b' '; 1 << 20];
        let mut left = length;
        while left > 0 {
            let bytes = left.min(piece.len());
            timeout(Duration::from_secs(10), stream.write_all(&piece[..bytes])).await.unwrap().unwrap();
            left -= bytes;
        }
        let answer = read_until(&mut stream, "}").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted} ")), "{answer}");
    }
}
