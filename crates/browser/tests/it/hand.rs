//! The person's hand: a DevTools client of its own, since a browser takes several.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How often something is looked at that has to come.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A hand that waits longer for a page tells what there is instead; tests that hang end later.
const PAGE_WITHIN: Duration = Duration::from_secs(90);

pub(crate) struct Hand {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    target: String,
    session: String,
}

/// What the browser ends with while a hand is at work; with it the hand's work ends, done or not.
pub(crate) async fn with_hand<T>(watching: impl Future<Output = T>, hand: impl Future<Output = ()>) -> T {
    let at_work = async {
        hand.await;
        std::future::pending::<T>().await
    };
    tokio::select! {
        outcome = watching => outcome,
        outcome = at_work => outcome,
    }
}

/// Waits for something; a wait for nothing ends with the browser ([`with_hand`]).
pub(crate) async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The profile of the browser that the wrapper was told to start with.
pub(crate) async fn profile(arguments: &Path) -> PathBuf {
    wait_for(|| {
        let text = fs::read_to_string(arguments).ok()?;
        // The last argument shows that all of it is written.
        let is_whole = text.ends_with("about:blank\n");
        let profile = text.lines().find_map(|line| line.strip_prefix("--user-data-dir="))?;
        is_whole.then(|| PathBuf::from(profile))
    })
    .await
}

impl Hand {
    /// Takes hold of the page whose address has that in it.
    pub(crate) async fn on_page(arguments: &Path, part: &str) -> Hand {
        let port_file = profile(arguments).await.join("DevToolsActivePort");
        let (port, path) = wait_for(|| {
            let text = fs::read_to_string(&port_file).ok()?;
            let (port, path) = text.split_once('\n')?;
            path.starts_with('/').then(|| (port.to_owned(), path.trim().to_owned()))
        })
        .await;
        let host = format!("127.0.0.1:{port}");
        let stream = TcpStream::connect(&host).await.unwrap();
        let (socket, _) = client_async(format!("ws://{host}{path}"), stream).await.unwrap();
        let mut hand = Hand { socket, last_id: 0, target: String::new(), session: String::new() };
        let began = Instant::now();
        hand.target = loop {
            let targets = hand.ask("Target.getTargets", json!({})).await;
            let page = targets["targetInfos"].as_array().into_iter().flatten().find(|info| {
                info["type"] == "page" && info["url"].as_str().is_some_and(|url| url.contains(part))
            });
            if let Some(page) = page {
                break page["targetId"].as_str().unwrap().to_owned();
            }
            assert!(began.elapsed() < PAGE_WITHIN, "no page at {part}: {targets}");
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        let params = json!({"targetId": hand.target, "flatten": true});
        let attached = hand.ask("Target.attachToTarget", params).await;
        hand.session = attached["sessionId"].as_str().unwrap().to_owned();
        hand
    }

    /// Fills in a field as soon as it can be seen.
    pub(crate) async fn write(&mut self, field: &str, text: &str) {
        self.until(&format!(
            "(() => {{ const field = document.querySelector('{field}'); \
             if (!field || !field.offsetParent) return false; field.value = {}; return true; }})()",
            Value::from(text)
        ))
        .await;
    }

    /// Presses a button as soon as it can be seen.
    pub(crate) async fn press(&mut self, button: &str) {
        self.until(&format!(
            "(() => {{ const button = document.querySelector('{button}'); \
             if (!button || !button.offsetParent) return false; button.click(); return true; }})()"
        ))
        .await;
    }

    /// Waits until a script says `true`. A page that is being left answers nothing, and is asked again.
    pub(crate) async fn until(&mut self, script: &str) {
        loop {
            let session = self.session.clone();
            let params = json!({"expression": script, "returnByValue": true});
            let answer = self.ask_in(&session, "Runtime.evaluate", params).await;
            if answer["result"]["value"] == true {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(crate) async fn value(&mut self, script: &str) -> Value {
        let session = self.session.clone();
        let params = json!({"expression": script, "returnByValue": true});
        self.ask_in(&session, "Runtime.evaluate", params).await["result"]["value"].clone()
    }

    /// Closes the window. Chromium says yes and forgets it where the page is just changing its process, so it is told
    /// until the window is gone; with the last window the browser's end ends this as well.
    pub(crate) async fn close_window(&mut self) {
        loop {
            let params = json!({"targetId": self.target});
            self.ask("Target.closeTarget", params).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let targets = self.ask("Target.getTargets", json!({})).await;
            let mut targets = targets["targetInfos"].as_array().into_iter().flatten();
            if !targets.any(|info| info["targetId"] == *self.target) {
                return;
            }
        }
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.ask_in("", method, params).await
    }

    /// `Null` where it is refused, or nobody answers any more.
    pub(crate) async fn ask_in(&mut self, session: &str, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        // An error shows when the answer is waited for.
        let _ = self.socket.send(Message::text(message.to_string())).await;
        while let Some(Ok(message)) = self.socket.next().await {
            let Message::Text(text) = message else { continue };
            let answer: Value = serde_json::from_str(text.as_str()).unwrap();
            if answer["id"] == self.last_id {
                return answer["result"].clone();
            }
        }
        Value::Null
    }

    pub(crate) fn session(&self) -> String {
        self.session.clone()
    }
}
