//! A web server that answers as its script says, one connection after the other, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One answer. `Default` is a whole file of no bytes.
#[derive(Clone, Default)]
pub struct Reply {
    /// Status line and nothing else, instead of a file.
    pub status: Option<&'static str>,
    /// Where to ask instead.
    pub location: Option<&'static str>,
    pub content: Vec<u8>,
    /// The header that names the version, such as `ETag: "1"`.
    pub version: &'static str,
    /// Whether a part is given where one is asked for.
    pub ranges: bool,
    /// The part begins so many bytes too late.
    pub late: usize,
    /// Whether the length is left open.
    pub chunked: bool,
    /// So many bytes of the body are sent, then the connection ends.
    pub cut: Option<usize>,
    /// It doesn't end, but nothing comes any more.
    pub hangs: bool,
}

pub struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers as many requests as there are replies.
    pub fn start(script: Vec<Reply>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = asked.clone();
        thread::spawn(move || {
            for reply in script {
                let (connection, _) = listener.accept().unwrap();
                let request = read(&connection);
                remembered.lock().unwrap().push(request.clone());
                // The other side may be gone: that is what some tests are about.
                let _ = answer(connection, &request, &reply);
            }
        });
        Server { port, asked }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/archive.tar.gz", self.port)
    }

    /// The value of a header in each request so far.
    pub fn asked(&self, header: &str) -> Vec<Option<String>> {
        self.asked.lock().unwrap().iter().map(|request| value(request, header)).collect()
    }
}

/// An address where nobody listens.
pub fn closed() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}/archive.tar.gz")
}

/// The head of a request.
fn read(connection: &TcpStream) -> String {
    let lines = BufReader::new(connection).lines().map(|line| line.unwrap_or_default());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn value(head: &str, header: &str) -> Option<String> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case(header)).map(|(_, value)| value.to_string())
}

fn answer(mut connection: TcpStream, request: &str, reply: &Reply) -> std::io::Result<()> {
    if let Some(status) = reply.status {
        let location = reply.location.map_or(String::new(), |to| format!("Location: {to}\r\n"));
        let head = format!("HTTP/1.1 {status}\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n");
        return connection.write_all(head.as_bytes());
    }
    let total = reply.content.len();
    let same = value(request, "If-Range").is_none_or(|version| reply.version.ends_with(&version));
    let range = value(request, "Range").filter(|_| reply.ranges && same);
    let from = range.map(|range| range["bytes=".len()..].trim_end_matches('-').parse::<usize>().unwrap() + reply.late);
    let body = &reply.content[from.unwrap_or(0)..];
    let mut head = match from {
        Some(from) => format!("HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{}/{total}\r\n", total - 1),
        None => "HTTP/1.1 200 OK\r\n".to_string(),
    };
    if !reply.version.is_empty() {
        head += &format!("{}\r\n", reply.version);
    }
    head += &match reply.chunked {
        true => format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len()),
        false => format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()),
    };
    connection.write_all(head.as_bytes())?;
    connection.write_all(&body[..reply.cut.unwrap_or(body.len())])?;
    if reply.hangs {
        read(&connection);
    }
    if reply.chunked && reply.cut.is_none() {
        connection.write_all(b"\r\n0\r\n\r\n")?;
    }
    Ok(())
}
