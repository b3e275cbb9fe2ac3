//! Receives the browser's answer on `http://localhost:PORT`, for `login strava`.
//!
//! Bound to loopback only, in both address families, since `localhost` may mean either. Whoever connects
//! has a few seconds to send a short request, and nobody can keep the others waiting; only `GET /` with an
//! answer in it counts. The browser's connection stays open until the caller knows how the login ended, so
//! that the page tells the truth.
//!
//! Not here: what an answer means (`fitferry_strava::oauth`), what the page says (`page`).

mod page;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fitferry_app::error::{CommandError, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use page::Page;

/// How long a person has to answer.
pub const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How long one connection has to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Browsers open a few connections ahead; more than this is noise.
const CONNECTIONS_MAX: usize = 32;

/// Waits for the browser.
#[derive(Debug)]
pub struct Listener {
    v4: Option<TcpListener>,
    v6: Option<TcpListener>,
}

/// An answer, and the browser that waits to hear what came of it.
#[derive(Debug)]
pub struct Answered {
    pub query: String,
    browser: TcpStream,
}

impl Answered {
    /// Shows how it ended. That the browser has gone is no matter.
    pub async fn show(mut self, page: &Page) {
        respond(&mut self.browser, page.status(), &page.html()).await;
    }
}

impl Listener {
    /// Port 0 is any that is free.
    pub async fn open(port: u16) -> Result<Listener, CommandError> {
        let v4 = bind(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await, port)?;
        let port = v4.as_ref().and_then(port_of).unwrap_or(port);
        let v6 = bind(TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await, port)?;
        if v4.is_none() && v6.is_none() {
            return Err(CommandError::new(
                Kind::File,
                "this machine has no loopback address to listen on",
                "Use `fitferry login strava --no-browser`",
            ));
        }
        Ok(Listener { v4, v6 })
    }

    /// The first answer; `None` where nobody answers in time.
    pub async fn answer(&self, patience: Duration) -> Option<Answered> {
        let (found, mut answers) = mpsc::channel(1);
        let mut connections = JoinSet::new();
        let end = tokio::time::sleep(patience);
        tokio::pin!(end);
        loop {
            tokio::select! {
                Some(answered) = answers.recv() => return Some(answered),
                () = &mut end => return None,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                stream = self.accept() => if let Some(stream) = stream && connections.len() < CONNECTIONS_MAX {
                    connections.spawn(receive(stream, found.clone()));
                },
            }
        }
    }

    async fn accept(&self) -> Option<TcpStream> {
        let accepted = tokio::select! {
            accepted = accept(self.v4.as_ref()) => accepted,
            accepted = accept(self.v6.as_ref()) => accepted,
        };
        match accepted {
            Ok(stream) => Some(stream),
            Err(error) => {
                // Too many open files, say: the next moment may be better, and a tight loop would not be.
                tracing::debug!(%error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                None
            }
        }
    }
}

fn port_of(listener: &TcpListener) -> Option<u16> {
    listener.local_addr().ok().map(|address| address.port())
}

/// Where Strava sends the browser to.
pub fn redirect_uri(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// Another program has the port.
pub fn port_in_use(port: u16) -> CommandError {
    let who = if cfg!(target_os = "linux") {
        format!("ss -ltnp sport = :{port}")
    } else {
        format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
    };
    CommandError::new(
        Kind::PortInUse,
        format!("port {port} of this machine is in use, so Strava's answer cannot be received there"),
        format!(
            "See who uses it with `{who}`; choose another with `[strava] redirect_port` or \
             `FITFERRY_STRAVA__REDIRECT_PORT`, or use `fitferry login strava --no-browser`"
        ),
    )
}

/// `Ok(None)`: this machine has no such addresses.
fn bind(bound: io::Result<TcpListener>, port: u16) -> Result<Option<TcpListener>, CommandError> {
    match bound {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(port_in_use(port)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(CommandError::new(
            Kind::PortInUse,
            format!("port {port} may not be used by you"),
            "Choose one above 1023 with `[strava] redirect_port` or `FITFERRY_STRAVA__REDIRECT_PORT`",
        )),
        Err(error) => {
            tracing::debug!(%error, port, "one address family is missing");
            Ok(None)
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

/// Hears one connection out; an answer goes on, everything else is told off.
async fn receive(mut stream: TcpStream, found: mpsc::Sender<Answered>) {
    let Ok(Some(head)) = tokio::time::timeout(REQUEST_TIMEOUT, read_head(&mut stream)).await else {
        return;
    };
    match Request::parse(&head) {
        Request::Answer(query) => {
            // Only the first is waited for.
            let _ = found.send(Answered { query, browser: stream }).await;
        }
        Request::Early => {
            let page = Page::waiting();
            respond(&mut stream, page.status(), &page.html()).await;
        }
        Request::Other => respond(&mut stream, "404 Not Found", "").await,
        Request::Nonsense => respond(&mut stream, "400 Bad Request", "").await,
    }
}

/// Up to the empty line; `None` where it does not come.
async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut part = [0; 2048];
    loop {
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        head.extend_from_slice(&part[..count]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n") {
            return Some(head);
        }
        if head.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
}

/// What a browser, or somebody else, asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Answer(String),
    /// The page without an answer in it.
    Early,
    Other,
    Nonsense,
}

impl Request {
    fn parse(head: &[u8]) -> Request {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let Ok(line) = str::from_utf8(line) else { return Request::Nonsense };
        let words: Vec<&str> = line.trim_end_matches('\r').split(' ').collect();
        let (method, target) = match words[..] {
            [method, target, version] if version.starts_with("HTTP/1.") => (method, target),
            _ => return Request::Nonsense,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if method != "GET" || path != "/" {
            return Request::Other;
        }
        let names: Vec<&str> =
            query.split('&').map(|field| field.split('=').next().unwrap_or_default()).collect();
        if ["code", "error", "state"].iter().any(|name| names.contains(name)) {
            Request::Answer(query.to_owned())
        } else {
            Request::Early
        }
    }
}

async fn respond(stream: &mut TcpStream, status: &str, html: &str) {
    let response = format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Cache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\
         Connection: close\r\n\r\n{html}",
        html.len()
    );
    let write = async {
        stream.write_all(response.as_bytes()).await?;
        stream.shutdown().await
    };
    // The page is a courtesy; a browser that has gone, or does not read, misses it.
    let _ = tokio::time::timeout(REQUEST_TIMEOUT, write).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn an_answer_arrives_over_both_address_families_and_sees_its_page() {
        let listener = Listener::open(0).await.unwrap();
        let sockets = [&listener.v4, &listener.v6].into_iter().flatten();
        let addresses: Vec<String> = sockets.map(|socket| socket.local_addr().unwrap().to_string()).collect();
        for address in addresses {
            let browser =
                ask(&address, "GET /?state=s&code=c&scope=read HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let login = async {
                let answered = listener.answer(MINUTE).await.unwrap();
                let query = answered.query.clone();
                answered.show(&Page::signed_in("Anna (7)", None)).await;
                query
            };
            let (seen, query) = tokio::join!(browser, login);
            assert_eq!(query, "state=s&code=c&scope=read");
            assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
            assert!(seen.contains("Anna (7)"), "{seen}");
        }
    }

    #[tokio::test]
    async fn garbage_silence_and_other_paths_block_nobody() {
        let listener = Listener::open(0).await.unwrap();
        let address = listener.v4.as_ref().unwrap().local_addr().unwrap().to_string();
        let silent = TcpStream::connect(&address).await.unwrap();
        let story = async {
            let icon = ask(&address, "GET /favicon.ico HTTP/1.1\r\n\r\n").await;
            let post = ask(&address, "POST /?code=c&state=s HTTP/1.1\r\n\r\n").await;
            let early = ask(&address, "GET / HTTP/1.1\r\n\r\n").await;
            let garbage = ask(&address, "\x16\x03\x01 hello\r\n\r\n").await;
            let huge = ask(&address, &"x".repeat(REQUEST_BYTES_MAX * 3)).await;
            let answer = ask(&address, "GET /?error=access_denied&state=s HTTP/1.1\r\n\r\n").await;
            (icon, post, early, garbage, huge, answer)
        };
        let login = async {
            let answered = listener.answer(MINUTE).await.unwrap();
            assert_eq!(answered.query, "error=access_denied&state=s");
            answered.show(&Page::failed("Denied", "<b>", "Try again")).await;
        };
        let ((icon, post, early, garbage, huge, answer), ()) = tokio::join!(story, login);
        assert!(icon.starts_with("HTTP/1.1 404"), "{icon}");
        assert!(post.starts_with("HTTP/1.1 404"), "{post}");
        assert!(early.contains("Waiting"), "{early}");
        assert!(garbage.starts_with("HTTP/1.1 400"), "{garbage}");
        assert_eq!(huge, "");
        assert!(answer.contains("&lt;b&gt;"), "what comes from outside is escaped: {answer}");
        drop(silent);
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_with_its_cure() {
        for family in ["127.0.0.1:0", "[::1]:0"] {
            // A machine without IPv6 has half of this story.
            let Ok(other) = std::net::TcpListener::bind(family) else { continue };
            let port = other.local_addr().unwrap().port();
            let error = Listener::open(port).await.unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&port.to_string()), "{error}");
            assert!(error.help().contains("`[strava] redirect_port`"), "{}", error.help());
        }
    }

    #[tokio::test]
    async fn nobody_answers_and_the_wait_ends() {
        let listener = Listener::open(0).await.unwrap();
        assert!(listener.answer(Duration::ZERO).await.is_none());
    }

    #[test]
    fn only_the_page_itself_with_an_answer_in_it_counts() {
        let parse = |line: &str| Request::parse(format!("{line}\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!(parse("GET /?code=1&state=2 HTTP/1.1"), Request::Answer("code=1&state=2".to_owned()));
        assert_eq!(parse("GET /?state=2 HTTP/1.0"), Request::Answer("state=2".to_owned()));
        assert_eq!(parse("GET /?utm=1 HTTP/1.1"), Request::Early);
        assert_eq!(parse("GET //?code=1 HTTP/1.1"), Request::Other);
        assert_eq!(parse("GET /x?code=1&state=2 HTTP/1.1"), Request::Other);
        assert_eq!(parse("HEAD /?code=1 HTTP/1.1"), Request::Other);
        assert_eq!(parse("GET / HTTP/2"), Request::Nonsense);
        assert_eq!(parse(""), Request::Nonsense);
    }

    /// Sends a request and reads until the other side ends.
    async fn ask(address: &str, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may have heard enough before the end.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}
