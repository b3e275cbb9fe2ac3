//! Stands in front of moto, hands everything on byte for byte, and writes down what was asked for.
//!
//! Every process gets a door of its own, so that a story counts its own calls and nobody else's. Who came in by
//! which sort of door is kept for the whole suite: what the bootstraps asked for is what the role must allow.
//!
//! Not here: what a call needs of a role (`policy`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::line::{Errand, Line, Reply};
use crate::server::Server;

/// A sort of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Bootstrap,
    /// The command on a person's machine.
    Desk,
    Terraform,
}

/// A call of one of AWS's services.
#[derive(Clone, Debug)]
pub struct Call {
    /// 1 for the first at its door.
    pub seq: usize,
    /// As in the credential's scope, which is also the prefix in policies: `dynamodb`.
    pub service: String,
    /// `GetItem`; for services that speak REST the method and the path.
    pub action: String,
    /// Null where it is no JSON.
    pub body: Value,
    /// `None` until it is answered.
    pub status: Option<u16>,
}

impl Call {
    /// `dynamodb:GetItem`
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }

    pub fn is_write(&self) -> bool {
        const READS: [&str; 8] = [
            "GetItem",
            "BatchGetItem",
            "TransactGetItems",
            "Query",
            "Scan",
            "DescribeTable",
            "GetSecretValue",
            "DescribeSecret",
        ];
        !READS.contains(&self.action.as_str())
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Read completely; moto knows nothing of it.
    Before,
    /// It took effect; no byte of the answer has left.
    After,
}

/// What becomes of a call before it reaches moto.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// DynamoDB's word for "too fast". No effect.
    Throttle,
    /// Nobody is there any more who asked. No effect.
    Drop,
}

/// Asked about each call, in the door's thread, so one that waits holds up this door and nothing else.
type Hook = Box<dyn Fn(&Call, Phase) -> Verdict + Send + Sync>;

/// All doors of the suite.
#[derive(Clone)]
pub struct Recorder {
    line: Line,
    calls: Arc<Mutex<Vec<(Who, Call)>>>,
}

impl Recorder {
    pub fn new(upstream: &str) -> Recorder {
        Recorder { line: Line::to(upstream), calls: Arc::default() }
    }

    pub fn door(&self, who: Who) -> Door {
        self.guarded_door(who, |_, _| Verdict::Pass)
    }

    /// A door at which `hook` has a say.
    pub fn guarded_door(
        &self,
        who: Who,
        hook: impl Fn(&Call, Phase) -> Verdict + Send + Sync + 'static,
    ) -> Door {
        let inner = Arc::new(Inner {
            who,
            line: self.line.clone(),
            all: self.calls.clone(),
            calls: Mutex::default(),
            hook: Box::new(hook),
        });
        let app = Router::new().fallback(hand_on).with_state(inner.clone());
        Door { server: Server::start("recorder", app), inner }
    }

    /// Every call of that sort of caller so far.
    pub fn calls_of(&self, who: Who) -> Vec<Call> {
        let calls = lock(&self.calls);
        calls.iter().filter(|(caller, _)| *caller == who).map(|(_, call)| call.clone()).collect()
    }
}

/// Where one caller reaches AWS.
pub struct Door {
    server: Server,
    inner: Arc<Inner>,
}

struct Inner {
    who: Who,
    line: Line,
    all: Arc<Mutex<Vec<(Who, Call)>>>,
    calls: Mutex<Vec<Call>>,
    hook: Hook,
}

impl Door {
    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn calls(&self) -> Vec<Call> {
        lock(&self.inner.calls).clone()
    }
}

/// A hook that panicked has failed its story; the list is still a list.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn note(&self, mut call: Call) -> Call {
        let mut calls = lock(&self.calls);
        call.seq = calls.len() + 1;
        calls.push(call.clone());
        lock(&self.all).push((self.who, call.clone()));
        call
    }

    fn answered(&self, call: &mut Call, status: u16) {
        call.status = Some(status);
        lock(&self.calls)[call.seq - 1].status = Some(status);
    }
}

async fn hand_on(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        // The caller left in the middle of its own request.
        return answer(StatusCode::BAD_REQUEST, HeaderMap::new(), Bytes::new());
    };
    let mut call = inner.note(read(&parts, &body));
    match (inner.hook)(&call, Phase::Before) {
        Verdict::Pass => {}
        Verdict::Throttle => {
            inner.answered(&mut call, 400);
            return throttled();
        }
        Verdict::Drop => return answer(StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new(), Bytes::new()),
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut headers = parts.headers;
    for name in hop_by_hop() {
        headers.remove(name);
    }
    let errand = Errand { method: parts.method, target: target.to_owned(), headers, body };
    let Reply { status, mut headers, body } = inner.line.run(errand).await;
    for name in hop_by_hop() {
        headers.remove(name);
    }
    inner.answered(&mut call, status.as_u16());
    (inner.hook)(&call, Phase::After);
    answer(status, headers, body)
}

/// What belongs to one connection and is said anew on the next.
fn hop_by_hop() -> [HeaderName; 4] {
    use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
    [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, HeaderName::from_static("keep-alive")]
}

fn answer(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn throttled() -> Response {
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "The level of configured provisioned throughput for the table was exceeded.",
    });
    let mut headers = HeaderMap::new();
    let kind = "application/x-amz-json-1.0".parse().expect("a header's value");
    headers.insert(axum::http::header::CONTENT_TYPE, kind);
    answer(StatusCode::BAD_REQUEST, headers, body.to_string().into())
}

fn read(parts: &Parts, body: &[u8]) -> Call {
    let header =
        |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // `Credential=KEY/DAY/REGION/SERVICE/aws4_request`
    let scope = header("authorization").split("Credential=").nth(1).unwrap_or_default();
    let service = scope.split('/').nth(3).unwrap_or("unsigned").to_owned();
    let target = header("x-amz-target").rsplit('.').next().filter(|action| !action.is_empty());
    let form = || {
        let mut fields = url::form_urlencoded::parse(body);
        fields.find(|(name, _)| name == "Action").map(|(_, action)| action.into_owned())
    };
    let action = target
        .map(str::to_owned)
        .or_else(form)
        .unwrap_or_else(|| format!("{} {}", parts.method, parts.uri.path()));
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    Call { seq: 0, service, action, body, status: None }
}
