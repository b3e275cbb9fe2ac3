//! The Lambda Runtime API, as AWS documents it: hands out events, takes answers.
//!
//! One of these for each process: an execution environment works at one event at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Notify;

use crate::server::Server;

const VERSION: &str = "/2018-06-01/runtime";

/// What a process made of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A document.
    Answered(Value),
    /// The invocation failed, with Lambda's error document.
    Failed(Value),
    /// The process could not even start to work.
    Unfit(Value),
}

pub struct Runtime {
    server: Server,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<Progress>,
    changed: Condvar,
    event_came: Notify,
}

#[derive(Default)]
struct Progress {
    /// The event that nobody has taken yet.
    event: Option<Event>,
    /// The id of the one that is being worked at.
    current: Option<String>,
    outcome: Option<Outcome>,
    /// The process asks for the next event.
    waits: bool,
    /// When it first did.
    ready_at: Option<Instant>,
    count: usize,
}

struct Event {
    body: Value,
    deadline: Timestamp,
}

impl Runtime {
    pub fn start() -> Runtime {
        let inner = Arc::new(Inner::default());
        let app = Router::new().fallback(handle).with_state(inner.clone());
        Runtime { server: Server::start("runtime", app), inner }
    }

    /// For `AWS_LAMBDA_RUNTIME_API`.
    pub fn authority(&self) -> String {
        self.server.authority()
    }

    /// Gives the process an event to work at until `deadline`.
    pub fn put(&self, body: Value, deadline: Timestamp) {
        let mut progress = self.inner.lock();
        assert!(
            progress.event.is_none() && progress.current.is_none(),
            "an environment works at one event at a time"
        );
        progress.event = Some(Event { body, deadline });
        progress.outcome = None;
        drop(progress);
        self.inner.event_came.notify_one();
    }

    /// The outcome of the event that was put, once the process has told it and asks for the next one. `None` if
    /// it has not by then.
    pub fn outcome(&self, within: Duration) -> Option<Outcome> {
        self.wait_for(within, |progress| match &progress.outcome {
            Some(Outcome::Unfit(_)) => true,
            outcome => outcome.is_some() && progress.waits,
        });
        let mut progress = self.inner.lock();
        if progress.waits || matches!(progress.outcome, Some(Outcome::Unfit(_))) {
            progress.outcome.take()
        } else {
            None
        }
    }

    /// Whether the process asks for an event, by then.
    pub fn is_ready(&self, within: Duration) -> bool {
        self.wait_for(within, |progress| progress.waits)
    }

    /// When the process asked for its first event.
    pub fn ready_at(&self) -> Option<Instant> {
        self.inner.lock().ready_at
    }

    fn wait_for(&self, within: Duration, met: impl Fn(&Progress) -> bool) -> bool {
        let progress = self.inner.lock();
        let waited = self.inner.changed.wait_timeout_while(progress, within, |progress| !met(progress));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

async fn handle(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(path) = parts.uri.path().strip_prefix(VERSION).map(str::to_owned) else {
        return reply(StatusCode::NOT_FOUND);
    };
    if (&parts.method, path.as_str()) == (&Method::GET, "/invocation/next") {
        return next(&inner).await;
    }
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return reply(StatusCode::BAD_REQUEST);
    };
    if parts.method != Method::POST {
        return reply(StatusCode::METHOD_NOT_ALLOWED);
    }
    if path == "/init/error" {
        inner.take(|progress| progress.outcome = Some(Outcome::Unfit(json(&body))));
        return reply(StatusCode::ACCEPTED);
    }
    let mut words = path.trim_start_matches("/invocation/").split('/');
    let (id, what) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
    let outcome = match what {
        "response" => Outcome::Answered(json(&body)),
        "error" => Outcome::Failed(json(&body)),
        _ => return reply(StatusCode::NOT_FOUND),
    };
    if inner.lock().current.as_deref() != Some(&id) {
        // As AWS answers for an id that it does not know.
        return reply(StatusCode::BAD_REQUEST);
    }
    inner.take(|progress| {
        progress.current = None;
        progress.outcome = Some(outcome);
    });
    reply(StatusCode::ACCEPTED)
}

/// Holds the line until there is an event. A process that goes away drops this future.
async fn next(inner: &Inner) -> Response {
    let event = loop {
        let came = inner.event_came.notified();
        if let Some(event) = inner.lock().event.take() {
            break event;
        }
        inner.take(|progress| {
            progress.waits = true;
            progress.ready_at.get_or_insert_with(Instant::now);
        });
        came.await;
    };
    let mut id = String::new();
    inner.take(|progress| {
        progress.waits = false;
        progress.ready_at.get_or_insert_with(Instant::now);
        progress.count += 1;
        id = format!("8476a536-e9f4-11e8-9739-{:012}", progress.count);
        progress.current = Some(id.clone());
    });
    Response::builder()
        .header("Content-Type", "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", id)
        .header("Lambda-Runtime-Deadline-Ms", event.deadline.as_millisecond())
        .header(
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:fitferry",
        )
        .header(
            "Lambda-Runtime-Trace-Id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        )
        .body(Body::from(event.body.to_string()))
        .expect("the headers are well formed")
}

fn reply(status: StatusCode) -> Response {
    let mut response = Response::new(Body::from(r#"{"status":"OK"}"#));
    *response.status_mut() = status;
    response
}

fn json(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("no JSON ({error}): {body:?}"))
}
