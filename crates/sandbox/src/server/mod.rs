//! The world behind sockets: one port on loopback for each host.
//!
//! The server has a thread and a runtime of its own, so it starts from a test with or without a runtime, and a
//! hook that blocks holds up the server and not the program under test.
//!
//! Not here: what is answered (`world`), how bytes and broken connections travel (`line`).

mod line;
mod log;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::faults::{What, Wire};
use crate::message::{Framing, Reply, Request};
use crate::routes::{Route, Service};
use crate::world::World;
use line::{Answer, Door, Line};
pub use log::{Counts, Phase, RequestEvent, Seen};

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Called in the server's thread, with no lock held.
pub type Hook = Arc<dyn Fn(&RequestEvent) + Send + Sync>;

/// How a sandbox runs.
#[derive(Clone, Default)]
pub struct Options {
    pub clock: Clock,
    /// Told of every request, three times: see [`Phase`]. May kill the client.
    pub on_request: Option<Hook>,
}

/// The world's time: the machine's, shifted, or one that stands until it is shifted.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    standing_at: Option<Timestamp>,
    shift_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Stands at that moment.
    pub fn standing(at: Timestamp) -> Clock {
        Clock { standing_at: Some(at), ..Clock::default() }
    }

    #[expect(clippy::disallowed_methods, reason = "the skin is where the world's time comes from")]
    pub fn now(&self) -> Timestamp {
        let base = self.standing_at.unwrap_or_else(Timestamp::now);
        base + SignedDuration::from_millis(self.shift_ms.load(Ordering::SeqCst))
    }

    /// Moves it, for all that share it.
    pub fn shift(&self, by: SignedDuration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.shift_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

/// A running Garmin and Strava.
pub struct Sandbox {
    inner: Arc<Inner>,
    addresses: BTreeMap<Service, SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    world: Arc<Mutex<World>>,
    clock: Clock,
    hook: Option<Hook>,
    log: Mutex<Vec<Seen>>,
}

const SERVICES: [Service; 5] =
    [Service::GarminSso, Service::GarminAuth, Service::GarminApi, Service::GarminPersonal, Service::Strava];

impl Sandbox {
    /// Opens the ports and answers from then on.
    pub fn start(world: Arc<Mutex<World>>, options: Options) -> io::Result<Sandbox> {
        let inner =
            Arc::new(Inner { world, clock: options.clock, hook: options.on_request, log: Mutex::default() });
        let mut addresses = BTreeMap::new();
        let mut listeners = Vec::new();
        for service in SERVICES {
            let listener = TcpListener::bind(("127.0.0.1", 0))?;
            listener.set_nonblocking(true)?;
            addresses.insert(service, listener.local_addr()?);
            listeners.push((service, listener));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let shared = inner.clone();
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            runtime.block_on(async {
                for (service, listener) in listeners {
                    let door = Door::open(listener).expect("the listener was made a moment ago");
                    let app = Router::new()
                        .fallback(handle)
                        .with_state(Host { service, inner: shared.clone() })
                        .into_make_service_with_connect_info::<Line>();
                    tokio::spawn(async move { axum::serve(door, app).await });
                }
                // An error means that the sandbox is gone, which is as good a reason to end.
                let _ = stopped.await;
            });
            runtime.shutdown_background();
        })?;
        Ok(Sandbox { inner, addresses, stop: Some(stop), thread: Some(thread) })
    }

    /// The world, to change it or to ask about it. Requests wait while the guard lives.
    ///
    /// What is due by now has happened.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.inner.world();
        world.settle(self.inner.clock.now());
        world
    }

    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// `http://127.0.0.1:PORT` of a host.
    pub fn url(&self, service: Service) -> String {
        format!("http://{}", self.addresses[&service])
    }

    /// The environment that points fitferry here.
    pub fn env(&self) -> Vec<(String, String)> {
        let strava = self.url(Service::Strava);
        [
            ("GARMIN_SSO", self.url(Service::GarminSso)),
            ("GARMIN_AUTH", self.url(Service::GarminAuth)),
            ("GARMIN_API", self.url(Service::GarminApi)),
            ("GARMIN_PERSONAL", self.url(Service::GarminPersonal)),
            ("STRAVA_API", format!("{strava}/api/v3")),
            ("STRAVA_OAUTH", format!("{strava}/oauth")),
        ]
        .map(|(name, url)| (format!("FITFERRY_ENDPOINTS__{name}"), url))
        .to_vec()
    }

    /// The person allows the app these scopes: what the consent page ends with, as a code to exchange.
    ///
    /// # Panics
    /// If the app has no room for the athlete.
    pub fn consent(&self, app: u64, athlete: u64, scopes: &[&str]) -> String {
        let now = self.inner.clock.now();
        let World { strava, rng, .. } = &mut *self.world();
        strava.issue_code(app, athlete, scopes, now, rng).expect("the app has room for the athlete")
    }

    /// Every request so far, in the order of arrival.
    pub fn log(&self) -> Vec<Seen> {
        self.inner.log().clone()
    }

    /// How many requests of each sort there were.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.inner.log())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has failed the test that it served already.
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// A test that panicked with the guard in its hands has poisoned the lock; the world is still a world.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down; the answer's status is added when it is known.
    fn note(&self, service: Service, request: &Request, at: Timestamp) -> Seen {
        let mut log = self.log();
        let seen = Seen {
            seq: log.len() + 1,
            service,
            route: Route::of(service, &request.method, &request.path),
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            status: None,
            at,
        };
        log.push(seen.clone());
        seen
    }

    fn tell(&self, phase: Phase, seen: &Seen) {
        if let Some(hook) = &self.hook {
            hook(&RequestEvent { phase, request: seen.clone() });
        }
    }
}

#[derive(Clone)]
struct Host {
    service: Service,
    inner: Arc<Inner>,
}

async fn handle(
    State(host): State<Host>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: axum::extract::Request,
) -> Response {
    let Some(request) = read(request).await else {
        // The client left in the middle of its own request: nobody has seen it.
        return cut(&line);
    };
    let inner = host.inner;
    let now = inner.clock.now();
    let mut seen = inner.note(host.service, &request, now);
    inner.tell(Phase::Before, &seen);
    let outcome = inner.world().answer(host.service, &request, now);
    match outcome.fault {
        Some(What::DropBefore) => return cut(&line),
        Some(What::Wire(Wire::ResetBefore)) => return reset(&line),
        Some(What::Wire(Wire::SilenceBefore)) => return silence().await,
        _ => {}
    }
    seen.status = Some(outcome.reply.status);
    if let Some(entry) = inner.log().get_mut(seen.seq - 1) {
        entry.status = seen.status;
    }
    inner.tell(Phase::After, &seen);
    match outcome.fault {
        Some(What::DropAfter) => return cut(&line),
        Some(What::Wire(Wire::ResetAfter)) => return reset(&line),
        Some(What::Wire(Wire::SilenceAfter)) => return silence().await,
        Some(What::Wire(Wire::Garbage)) => line.say_instead(GARBAGE.to_vec()),
        Some(What::Wire(Wire::Length(by))) => line.say_instead(raw(&outcome.reply, by)),
        _ => {}
    }
    let teller = inner.clone();
    line.when_answered(move || teller.tell(Phase::Answered, &seen));
    response(outcome.reply, outcome.fault.as_ref(), line)
}

fn cut(line: &Line) -> Response {
    line.cut();
    Response::new(Body::empty())
}

fn reset(line: &Line) -> Response {
    line.reset();
    Response::new(Body::empty())
}

/// Ends when the client leaves.
async fn silence() -> Response {
    std::future::pending().await
}

const GARBAGE: &[u8] = b"\x16\x03\x01 this is no HTTP\0\r\n\r\n";

/// An answer as it goes over the wire, with a `Content-Length` that is wrong by so much.
fn raw(reply: &Reply, wrong_by: i64) -> Vec<u8> {
    let length = i64::try_from(reply.body.len()).unwrap_or(i64::MAX).saturating_add(wrong_by).max(0);
    let mut raw = format!("HTTP/1.1 {} X\r\nContent-Length: {length}\r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        raw.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    raw.extend(b"\r\n");
    raw.extend(&reply.body);
    raw
}

/// The whole request; `None` if it ends early.
async fn read(request: axum::extract::Request) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.ok()?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Some(Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
    })
}

/// Blanks, packed as gzip.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; 1 << 16];
    for _ in 0..bytes.div_ceil(blanks.len()) {
        packed.write_all(&blanks).expect("memory takes everything");
    }
    packed.finish().expect("memory takes everything")
}

fn response(reply: Reply, fault: Option<&What>, line: Line) -> Response {
    let Reply { status, mut headers, mut body, mut framing } = reply;
    if let Some(What::Wire(Wire::Bomb(bytes))) = fault {
        body = bomb(*bytes);
        framing = Framing::Chunked;
        headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    }
    let answer = Answer::new(body, framing, fault, line);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response = response.header(name, value);
        }
    }
    response.body(Body::new(answer)).expect("statuses and headers of the world are well formed")
}
