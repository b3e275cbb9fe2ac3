//! The line in front of moto: one call at a time.
//!
//! moto copies the whole table at each transaction, and puts the copy back where a condition fails, with
//! whatever others have written meanwhile undone. So a call is at moto from its first byte to the last one of the
//! answer, and no other beside it; not even where nobody waits for the answer any more, since moto works on when a
//! caller is killed or loses patience.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use tokio::sync::{mpsc, oneshot};

use crate::server;

/// A call to be handed on.
pub struct Errand {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What moto answered; 502 where it did not.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl From<reqwest::Error> for Reply {
    fn from(error: reqwest::Error) -> Reply {
        let body = error.to_string().into();
        Reply { status: StatusCode::BAD_GATEWAY, headers: HeaderMap::new(), body }
    }
}

/// Its end of the line; the last one that goes away ends it.
#[derive(Clone)]
pub struct Line(mpsc::UnboundedSender<(Errand, oneshot::Sender<Reply>)>);

impl Line {
    /// The line to the server at that address, in a thread of its own: it outlives every door.
    pub fn to(upstream: &str) -> Line {
        let (sender, mut waiting) = mpsc::unbounded_channel::<(Errand, oneshot::Sender<Reply>)>();
        let upstream = upstream.to_owned();
        let serve = async move {
            let client = server::client();
            while let Some((errand, answer)) = waiting.recv().await {
                // Who has left the line is gone, and moto has not seen the call.
                if !answer.is_closed() {
                    let reply = hand_over(&client, &upstream, errand).await.unwrap_or_else(Reply::from);
                    // Who has left since will not know; moto has done it all the same.
                    let _ = answer.send(reply);
                }
            }
        };
        let thread = std::thread::Builder::new().name("line".to_owned());
        thread.spawn(move || server::wait(serve)).expect("a thread starts");
        Line(sender)
    }

    /// Waits for its turn, then for the answer.
    pub async fn run(&self, errand: Errand) -> Reply {
        let (answer, reply) = oneshot::channel();
        let is_in_line = self.0.send((errand, answer)).is_ok();
        assert!(is_in_line, "the line is there as long as somebody holds it");
        reply.await.expect("the line answers everybody who waits")
    }
}

async fn hand_over(client: &reqwest::Client, upstream: &str, errand: Errand) -> reqwest::Result<Reply> {
    let request = client.request(errand.method, format!("{upstream}{}", errand.target));
    let reply = request.headers(errand.headers).body(errand.body).send().await?;
    let (status, headers) = (reply.status(), reply.headers().clone());
    Ok(Reply { status, headers, body: reply.bytes().await? })
}
