// SPDX-License-Identifier: Apache-2.0
//! Lines that arrive while the program runs: files that grow, syslog over UDP and TCP.
//!
//! Threads read and hand on whole lines through one bounded queue. A TCP sender waits when it is full; UDP has no
//! way to wait, and the kernel drops what does not fit (RFC 5426 section 4.3 warns of it).

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use hunt::framing::{Framer, Lines};
use hunt::limits::SYSLOG_MESSAGE_BYTES_MAX;

use super::files::Access;
use super::tail::Tail;
use crate::failure::Failure;

/// How long a file that grows is left alone.
const POLL: Duration = Duration::from_millis(250);
/// Chunks that wait.
const QUEUE_CHUNKS_MAX: usize = 256;
/// Bytes read of a file at once.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// TCP senders at once.
const SENDERS_MAX: usize = 256;
/// A sender that says nothing for so long is let go.
const SENDER_IDLE: Duration = Duration::from_secs(600);
/// How long those that read are waited for when it is stopped.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// How long a listener takes in what had come when it was stopped: whoever sends all the time must not hold the end up.
const DRAIN: Duration = Duration::from_secs(1);
/// How long a connection is read then without anything coming: what its sender could not hand over yet may be on its way.
const LAST_READ: Duration = Duration::from_millis(20);
/// How long what a listener received may wait for more, and how long it waits for a datagram or a stream. Whoever sends
/// all the time must not hold back what others sent.
const QUIET: Duration = Duration::from_millis(200);

/// Whole lines of one source.
#[derive(Debug)]
pub struct Chunk {
    /// The file, or `syslog-udp:ADDRESS`.
    pub name: String,
    /// The lines.
    pub bytes: Vec<u8>,
    /// Place of the first byte in the file, or in what the listener received.
    pub offset: u64,
    /// Number of the first line, from 1.
    pub first_line: u64,
    /// Whether a listener received it; its place is then that of the connection.
    pub is_received: bool,
    /// How many files back it is of the name, of those that were handed on from their beginning: 0 for the one that has it
    /// now, `usize::MAX` for one of which nothing was handed on while it had it.
    pub back: usize,
    /// What must be told about it: a file was rotated, a message was too long.
    pub notice: Option<String>,
}

/// A syslog listener's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// RFC 6587.
    Tcp(SocketAddr),
    /// RFC 5426.
    Udp(SocketAddr),
}

impl Listen {
    /// `udp:127.0.0.1:5514` or `tcp:[::1]:5514`. Beyond loopback the lines would come unasked from anybody, and
    /// unread by anybody on the way only with TLS: such an address is refused.
    pub fn parse(text: &str) -> Result<Listen, String> {
        let (kind, address) = text.split_once(':').ok_or("write udp:ADDRESS:PORT or tcp:ADDRESS:PORT")?;
        let address: SocketAddr = address.parse().map_err(|e| format!("`{address}`: {e}"))?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{address} is not a loopback address; let the relay on this machine (rsyslog, syslog-ng) take in what \
                 comes from others, over TLS, and forward it to 127.0.0.1"
            ));
        }
        match kind {
            "tcp" => Ok(Listen::Tcp(address)),
            "udp" => Ok(Listen::Udp(address)),
            other => Err(format!("`{other}` is neither udp nor tcp")),
        }
    }
}

/// Everything that is read while it arrives.
pub struct Live {
    chunks: Receiver<Chunk>,
    stop: Arc<AtomicBool>,
    /// When the stop was first seen.
    stopped: Option<Instant>,
}

impl Live {
    /// Begins to read. Files are read from a place on; through links if they are `named`.
    pub fn start(
        files: &[(PathBuf, Place)],
        named: &[PathBuf],
        listen: &[Listen],
        stop: &Arc<AtomicBool>,
    ) -> Result<Live, Failure> {
        let (queue, chunks) = sync_channel(QUEUE_CHUNKS_MAX);
        for address in listen {
            match address {
                Listen::Tcp(address) => listen_tcp(*address, queue.clone(), Arc::clone(stop))?,
                Listen::Udp(address) => listen_udp(*address, queue.clone(), Arc::clone(stop))?,
            }
        }
        if !files.is_empty() {
            let tail = |(path, from): &(PathBuf, Place)| Tail::new(path, Access::of(path, named), *from);
            let mut tails: Vec<Tail> = files.iter().map(tail).collect();
            let stop = Arc::clone(stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut quiet = true;
                    for chunk in tails.iter_mut().filter_map(Tail::next) {
                        quiet = false;
                        if queue.send(chunk).is_err() {
                            return;
                        }
                    }
                    if quiet {
                        thread::sleep(POLL);
                    }
                }
                read_out(&mut tails, &queue);
            });
        }
        Ok(Live { chunks, stop: Arc::clone(stop), stopped: None })
    }

    /// What came, after at most `wait`; `None` if nothing did. The second says whether more can come: after a stop what
    /// was read already does.
    pub fn next(&mut self, wait: Duration) -> (Option<Chunk>, bool) {
        match self.chunks.recv_timeout(wait) {
            Ok(chunk) => (Some(chunk), true),
            Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::Relaxed) => {
                // A file system that hangs must not hold the end up.
                let stopped = *self.stopped.get_or_insert_with(Instant::now);
                (None, stopped.elapsed() < LAST_WAIT)
            }
            Err(RecvTimeoutError::Timeout) => (None, true),
            Err(RecvTimeoutError::Disconnected) => (None, false),
        }
    }
}

/// Reads what stands in the files when it is stopped: it was written before. Whoever writes on all the time must not
/// hold the end up; what is left then is told.
fn read_out(tails: &mut [Tail], queue: &SyncSender<Chunk>) {
    let stopped = Instant::now();
    // A file that was rotated gives nothing once, and then what the new one holds.
    let mut quiet = 0;
    while quiet < 2 {
        quiet += 1;
        let is_over = stopped.elapsed() >= LAST_WAIT;
        for tail in tails.iter_mut() {
            let Some(mut chunk) = tail.next() else { continue };
            quiet = 0;
            if is_over {
                let more = "there is more in it than could be read before following ended; hunt in it again";
                let notice = chunk.notice.map_or_else(String::new, |notice| format!("{notice}; "));
                chunk.notice = Some(format!("{notice}{}: {more}", chunk.name));
            }
            if queue.send(chunk).is_err() {
                return;
            }
        }
        if is_over {
            break;
        }
    }
    for tail in tails {
        while let Some(chunk) = tail.last_of_rests() {
            if queue.send(chunk).is_err() {
                return;
            }
        }
    }
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes.
    pub offset: u64,
    /// Lines.
    pub lines: u64,
}

/// Lines of a listener, counted through.
struct Received {
    name: String,
    at: Place,
    /// Since when lines wait.
    since: Option<Instant>,
    queue: SyncSender<Chunk>,
}

impl Received {
    fn new(name: String, queue: SyncSender<Chunk>) -> Received {
        Received { name, at: Place::default(), since: None, queue }
    }

    /// Hands on what came if it waits long enough or is enough; false when nobody takes it any more.
    fn hand_on_if_due(&mut self, lines: &mut Lines) -> bool {
        if lines.count == 0 {
            return true;
        }
        let waits = self.since.get_or_insert_with(Instant::now).elapsed();
        if waits < QUIET && lines.bytes.len() < CHUNK_BYTES {
            return true;
        }
        self.hand_on(lines)
    }

    /// Hands on what came; false when nobody takes it any more.
    fn hand_on(&mut self, lines: &mut Lines) -> bool {
        self.since = None;
        let Lines { bytes, count, cut, uncounted } = std::mem::take(lines);
        if count + uncounted == 0 {
            return true;
        }
        let mut notices = Vec::new();
        if cut > 0 {
            let name = &self.name;
            notices.push(format!(
                "{name}: {cut} messages were longer than {SYSLOG_MESSAGE_BYTES_MAX} bytes and were cut"
            ));
        }
        if uncounted > 0 {
            notices.push(format!(
                "{}: a sender that put lengths before its messages ceased to; until it connects again a message ends with \
                 its line",
                self.name
            ));
        }
        let chunk = Chunk {
            name: self.name.clone(),
            offset: self.at.offset,
            first_line: self.at.lines + 1,
            notice: (!notices.is_empty()).then(|| notices.join("; ")),
            is_received: true,
            back: 0,
            bytes,
        };
        self.at.offset += chunk.bytes.len() as u64;
        self.at.lines += count;
        self.queue.send(chunk).is_ok()
    }
}

fn listen_udp(address: SocketAddr, queue: SyncSender<Chunk>, stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let cannot = |e| Failure::machine(format!("cannot listen on udp:{address}: {e}; choose another port"));
    let socket = UdpSocket::bind(address).map_err(cannot)?;
    socket.set_read_timeout(Some(QUIET)).map_err(cannot)?;
    let bound = socket.local_addr().map_err(cannot)?;
    eprintln!("syslog over UDP on {bound}");
    let received = Received::new(format!("syslog-udp:{bound}"), queue);
    thread::spawn(move || receive_datagrams(&socket, received, &stop));
    Ok(())
}

/// Takes datagrams in until it is stopped, and then those that wait.
fn receive_datagrams(socket: &UdpSocket, mut received: Received, stop: &AtomicBool) {
    let mut datagram = vec![0; SYSLOG_MESSAGE_BYTES_MAX];
    let mut lines = Lines::default();
    let mut stopped: Option<Instant> = None;
    loop {
        if stopped.is_none() && stop.load(Ordering::Relaxed) {
            stopped = Some(Instant::now());
            if let Err(error) = socket.set_nonblocking(true) {
                eprintln!("polder: {}: {error}; what came last is not taken in", received.name);
                break;
            }
        }
        if stopped.is_some_and(|since| since.elapsed() >= DRAIN) {
            eprintln!("polder: {}: more came than could be taken in before it ended", received.name);
            break;
        }
        match socket.recv(&mut datagram) {
            Ok(length) => lines.datagram(datagram.get(..length).unwrap_or_default()),
            Err(error) if is_quiet(&error) && stopped.is_some() => break,
            Err(error) if is_quiet(&error) => {}
            Err(error) => {
                eprintln!("polder: {}: {error}; it is listened to no more", received.name);
                break;
            }
        }
        if !received.hand_on_if_due(&mut lines) {
            return;
        }
    }
    received.hand_on(&mut lines);
}

fn listen_tcp(address: SocketAddr, queue: SyncSender<Chunk>, stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let cannot = |e| Failure::machine(format!("cannot listen on tcp:{address}: {e}; choose another port"));
    let listener = TcpListener::bind(address).map_err(cannot)?;
    listener.set_nonblocking(true).map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    eprintln!("syslog over TCP on {bound}");
    let senders = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if !is_quiet(&error) {
                        eprintln!("polder: syslog-tcp:{bound}: a sender could not connect: {error}");
                    }
                    thread::sleep(POLL);
                    continue;
                }
            };
            if senders.fetch_add(1, Ordering::Relaxed) >= SENDERS_MAX {
                senders.fetch_sub(1, Ordering::Relaxed);
                eprintln!("polder: syslog-tcp:{bound}: more than {SENDERS_MAX} senders; one was turned away");
                continue;
            }
            let received = Received::new(format!("syslog-tcp:{bound}"), queue.clone());
            let (stop, senders) = (Arc::clone(&stop), Arc::clone(&senders));
            thread::spawn(move || {
                receive(stream, received, &stop);
                senders.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Ok(())
}

/// Reads one connection to its end, or until it is stopped and nothing waits.
fn receive(mut stream: TcpStream, mut received: Received, stop: &AtomicBool) {
    let ready = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(QUIET)));
    if let Err(error) = ready {
        eprintln!("polder: {}: {error}", received.name);
        return;
    }
    let (mut framer, mut lines) = (Framer::default(), Lines::default());
    let mut buffer = vec![0; 64 * 1024];
    let mut idle = Duration::ZERO;
    let mut stopped: Option<Instant> = None;
    while idle < SENDER_IDLE {
        if stopped.is_none() && stop.load(Ordering::Relaxed) {
            stopped = Some(Instant::now());
            if let Err(error) = stream.set_read_timeout(Some(LAST_READ)) {
                eprintln!("polder: {}: {error}; what came last is not taken in", received.name);
                break;
            }
        }
        if stopped.is_some_and(|since| since.elapsed() >= DRAIN) {
            eprintln!("polder: {}: more came than could be taken in before it ended", received.name);
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                idle = Duration::ZERO;
                framer.feed(buffer.get(..length).unwrap_or_default(), &mut lines);
            }
            Err(error) if is_quiet(&error) && stopped.is_some() => break,
            Err(error) if is_quiet(&error) => idle += QUIET,
            Err(error) => {
                eprintln!("polder: {}: a sender's connection ended: {error}", received.name);
                break;
            }
        }
        if !received.hand_on_if_due(&mut lines) {
            return;
        }
    }
    framer.end(&mut lines);
    received.hand_on(&mut lines);
}

fn is_quiet(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn all(live: &mut Live, lines: u64) -> Vec<Chunk> {
        let (mut chunks, mut seen) = (Vec::new(), 0);
        for _ in 0..100 {
            if let (Some(chunk), _) = live.next(Duration::from_millis(100)) {
                seen += memchr::memchr_iter(b'\n', &chunk.bytes).count() as u64;
                chunks.push(chunk);
            }
            if seen >= lines {
                break;
            }
        }
        chunks
    }

    fn text(chunks: &[Chunk]) -> String {
        chunks.iter().map(|c| String::from_utf8_lossy(&c.bytes).into_owned()).collect()
    }

    /// Of what was written and not yet read when it was stopped, only the first MiB of each file was told.
    #[test]
    fn a_backlog_is_read_to_its_end_when_it_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let (long, rotated) = (dir.path().join("a.log"), dir.path().join("b.log"));
        std::fs::write(&long, "a line of some length\n".repeat(3 * CHUNK_BYTES / 22)).unwrap();
        std::fs::write(&rotated, "old\n").unwrap();
        let tail = |path: &PathBuf| Tail::new(path, Access::FOUND, Place::default());
        let mut tails: Vec<Tail> = [&long, &rotated].into_iter().map(tail).collect();
        assert_eq!(tails[1].next().unwrap().bytes, b"old\n");
        std::fs::rename(&rotated, dir.path().join("b.log.1")).unwrap();
        std::fs::write(dir.path().join("b.log.1"), "old\nlast").unwrap();
        std::fs::write(&rotated, "new\n").unwrap();
        let (queue, chunks) = sync_channel(QUEUE_CHUNKS_MAX);
        // One after the other: the one would give the other time.
        tails.iter_mut().for_each(|tail| read_out(std::slice::from_mut(tail), &queue));
        drop(queue);
        let chunks: Vec<Chunk> = chunks.iter().collect();
        let bytes = |path: &PathBuf| -> usize {
            let of = chunks.iter().filter(|chunk| path.as_os_str() == chunk.name.as_str());
            of.map(|chunk| chunk.bytes.len()).sum()
        };
        assert_eq!((bytes(&long), bytes(&rotated)), (3 * CHUNK_BYTES / 22 * 22, 8));
        assert!(
            !chunks.iter().any(|chunk| chunk.notice.as_ref().is_some_and(|n| n.contains("there is more")))
        );
    }

    /// What a listener had received was held back as long as anything came, 200 ms of silence apart.
    #[test]
    fn chatter_holds_nothing_back() {
        let stop = Arc::new(AtomicBool::new(false));
        let free = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (udp, tcp) = (free(), free());
        let mut live = Live::start(&[], &[], &[Listen::Udp(udp), Listen::Tcp(tcp)], &stop).unwrap();
        let mut stream = TcpStream::connect(tcp).unwrap();
        let (ended, over) = (Arc::clone(&stop), Duration::from_secs(20));
        let chatter = thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let begun = Instant::now();
            while begun.elapsed() < over && !ended.load(Ordering::Relaxed) {
                socket.send_to(b"<13>by udp", udp).unwrap();
                // The other side may have ended.
                let _ = stream.write_all(b"<13>by tcp\n");
                thread::sleep(QUIET / 8);
            }
        });
        let begun = Instant::now();
        let mut names = std::collections::BTreeSet::new();
        while names.len() < 2 && begun.elapsed() < over {
            names.extend(live.next(Duration::from_millis(100)).0.map(|chunk| chunk.name));
        }
        assert!(begun.elapsed() < over / 2, "{:?}", begun.elapsed());
        stop.store(true, Ordering::Relaxed);
        chatter.join().unwrap();
    }

    #[test]
    fn syslog_by_udp_and_tcp() {
        let stop = Arc::new(AtomicBool::new(false));
        let free = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (udp, tcp) = (free(), free());
        let mut live = Live::start(&[], &[], &[Listen::Udp(udp), Listen::Tcp(tcp)], &stop).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"<13>by udp", udp).unwrap();
        assert_eq!(text(&all(&mut live, 1)), "<13>by udp\n");
        let mut sender = TcpStream::connect(tcp).unwrap();
        sender.write_all(b"10 <13>by tcp<13>and the rest").unwrap();
        drop(sender);
        let chunks = all(&mut live, 2);
        assert_eq!(text(&chunks), "<13>by tcp\n<13>and the rest\n");
        assert_eq!(chunks[0].name, format!("syslog-tcp:{tcp}"));
        stop.store(true, Ordering::Relaxed);
    }

    /// What lay in the socket when following was stopped was lost, and nobody was told.
    #[test]
    fn what_had_come_when_it_was_stopped_is_taken_in() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(QUIET)).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for nth in 0..100 {
            let message = format!("<13>number {nth}");
            sender.send_to(message.as_bytes(), socket.local_addr().unwrap()).unwrap();
        }
        let (queue, chunks) = sync_channel(QUEUE_CHUNKS_MAX);
        let received = Received::new("syslog-udp:here".to_owned(), queue);
        receive_datagrams(&socket, received, &AtomicBool::new(true));
        let chunks: Vec<Chunk> = chunks.iter().collect();
        assert_eq!(text(&chunks).lines().count(), 100);
        assert!(text(&chunks).ends_with("<13>number 99\n"));
        // By TCP, with the connection open.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sender.write_all("<13>a line\n".repeat(4_000).as_bytes()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let (queue, chunks) = sync_channel(QUEUE_CHUNKS_MAX);
        receive(stream, Received::new("syslog-tcp:here".to_owned(), queue), &AtomicBool::new(true));
        assert_eq!(text(&chunks.iter().collect::<Vec<_>>()).lines().count(), 4_000);
    }

    #[test]
    fn listeners_are_for_loopback() {
        assert_eq!(Listen::parse("udp:127.0.0.1:5514"), Ok(Listen::Udp("127.0.0.1:5514".parse().unwrap())));
        assert_eq!(Listen::parse("tcp:[::1]:1"), Ok(Listen::Tcp("[::1]:1".parse().unwrap())));
        for wrong in ["udp:0.0.0.0:514", "udp:192.0.2.1:514", "127.0.0.1:514", "sctp:127.0.0.1:1", "udp:x"] {
            assert!(Listen::parse(wrong).is_err(), "{wrong}");
        }
    }
}
