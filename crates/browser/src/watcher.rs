//! What to say to the browser, and what to make of its words. Pure: text in, text out.
//!
//! Every page and frame that opens is told which requests to hold up before its first one leaves. A request that
//! is held up is looked at and goes on its way, or is stopped if it shows what is waited for. Whatever else
//! happens to it, none is forgotten: the page would hang.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// When a request is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it leaves.
    Request,
    /// When its answer is there, before the page has it.
    Answer,
}

/// Which requests are held up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The whole address, where `*` stands for any text and `?` for any character.
    pub pattern: String,
    pub moment: Moment,
}

/// A request that is held up.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    pub url: &'a str,
    /// Where its answer sends the browser on to.
    pub sent_on_to: Option<&'a str>,
    /// The answer's body; `None` while there is none.
    pub body: Option<&'a str>,
}

/// How watching has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End<T> {
    Caught(T),
    /// The last window is closed.
    Closed,
    /// The browser refused what nothing goes without.
    Refused(&'static str),
}

/// What one message led to.
#[derive(Debug)]
pub(crate) struct Turn<T> {
    pub(crate) say: Vec<String>,
    pub(crate) end: Option<End<T>>,
}

pub(crate) struct Watcher<F> {
    page: String,
    patterns: Value,
    accept: F,
    last_id: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Open windows and tabs.
    targets: BTreeSet<String>,
    has_opened: bool,
    say: Vec<String>,
}

/// A message whose answer matters.
enum Waiting {
    /// Without it nothing can be watched.
    Needed(&'static str),
    Body {
        session: String,
        request: String,
        url: String,
    },
}

impl<T, F: FnMut(&Sighting<'_>) -> Option<T>> Watcher<F> {
    pub(crate) fn new(page: &str, watches: &[Watch], accept: F) -> Watcher<F> {
        let pattern = |watch: &Watch| {
            let stage = match watch.moment {
                Moment::Request => "Request",
                Moment::Answer => "Response",
            };
            json!({"urlPattern": watch.pattern, "requestStage": stage})
        };
        Watcher {
            page: page.to_owned(),
            patterns: watches.iter().map(pattern).collect(),
            accept,
            last_id: 0,
            waiting: BTreeMap::new(),
            targets: BTreeSet::new(),
            has_opened: false,
            say: Vec::new(),
        }
    }

    /// The first words.
    pub(crate) fn begin(&mut self) -> Vec<String> {
        let id = self.attach(None);
        self.waiting.insert(id, Waiting::Needed("Target.setAutoAttach"));
        self.tell(None, "Target.setDiscoverTargets", &json!({"discover": true}));
        std::mem::take(&mut self.say)
    }

    /// Takes a message of the browser's; one that is not understood is passed over.
    pub(crate) fn on(&mut self, message: &str) -> Turn<T> {
        let message: Value = serde_json::from_str(message).unwrap_or_default();
        let end = match (message["id"].as_u64(), message["method"].as_str()) {
            (Some(id), _) => self.answered(id, &message),
            (None, Some(event)) => self.happened(event, &message),
            (None, None) => None,
        };
        Turn { say: std::mem::take(&mut self.say), end }
    }

    fn happened(&mut self, event: &str, message: &Value) -> Option<End<T>> {
        let params = &message["params"];
        match event {
            "Target.attachedToTarget" => {
                self.attached(params);
                None
            }
            "Target.detachedFromTarget" | "Target.targetDestroyed" => {
                self.targets.remove(params["targetId"].as_str()?);
                (self.has_opened && self.targets.is_empty()).then_some(End::Closed)
            }
            "Fetch.requestPaused" => self.paused(message["sessionId"].as_str()?, params),
            _ => None,
        }
    }

    /// Something that can make requests has opened, and waits.
    fn attached(&mut self, params: &Value) {
        let Some(session) = params["sessionId"].as_str() else { return };
        let target = &params["targetInfo"];
        let kind = target["type"].as_str().unwrap_or_default();
        if matches!(kind, "page" | "iframe") {
            let id = self.tell(Some(session), "Fetch.enable", &json!({"patterns": self.patterns}));
            self.waiting.insert(id, Waiting::Needed("Fetch.enable"));
            self.attach(Some(session));
        }
        self.tell(Some(session), "Runtime.runIfWaitingForDebugger", &json!({}));
        if kind == "page" {
            self.targets.insert(target["targetId"].as_str().unwrap_or_default().to_owned());
            if !self.has_opened {
                self.has_opened = true;
                let id = self.tell(Some(session), "Page.navigate", &json!({"url": self.page}));
                self.waiting.insert(id, Waiting::Needed("Page.navigate"));
            }
        }
    }

    /// What opens from here on is attached to, and waits until it is told to go on.
    fn attach(&mut self, session: Option<&str>) -> u64 {
        let params = json!({"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true});
        self.tell(session, "Target.setAutoAttach", &params)
    }

    fn paused(&mut self, session: &str, params: &Value) -> Option<End<T>> {
        let request = params["requestId"].as_str()?;
        let url = params["request"]["url"].as_str().unwrap_or_default();
        let status = params["responseStatusCode"].as_u64();
        let headers = params["responseHeaders"].as_array();
        let location = headers.into_iter().flatten().find_map(|header| {
            let is_location = header["name"].as_str()?.eq_ignore_ascii_case("location");
            is_location.then(|| header["value"].as_str()).flatten()
        });
        let sighting = Sighting { url, sent_on_to: location, body: None };
        if let Some(found) = (self.accept)(&sighting) {
            self.stop(session, request);
            return Some(End::Caught(found));
        }
        match status {
            // What is sent on has no body that could be asked for.
            Some(status) if !(300..400).contains(&status) => {
                let id = self.tell(Some(session), "Fetch.getResponseBody", &json!({"requestId": request}));
                let body = Waiting::Body {
                    session: session.to_owned(),
                    request: request.to_owned(),
                    url: url.to_owned(),
                };
                self.waiting.insert(id, body);
            }
            _ => self.go_on(session, request),
        }
        None
    }

    fn answered(&mut self, id: u64, message: &Value) -> Option<End<T>> {
        match self.waiting.remove(&id)? {
            // A target that is gone again is no reason to give up.
            Waiting::Needed(method) => {
                let code = message["error"]["code"].as_i64();
                (code == Some(METHOD_NOT_FOUND)).then_some(End::Refused(method))
            }
            Waiting::Body { session, request, url } => {
                let body = message["result"]["body"].as_str().map(|body| {
                    if message["result"]["base64Encoded"] == true { decoded(body) } else { body.to_owned() }
                });
                let sighting = Sighting { url: &url, sent_on_to: None, body: body.as_deref() };
                let found = body.is_some().then(|| (self.accept)(&sighting)).flatten();
                match found {
                    Some(found) => {
                        self.stop(&session, &request);
                        Some(End::Caught(found))
                    }
                    None => {
                        self.go_on(&session, &request);
                        None
                    }
                }
            }
        }
    }

    fn stop(&mut self, session: &str, request: &str) {
        let params = json!({"requestId": request, "errorReason": "Aborted"});
        self.tell(Some(session), "Fetch.failRequest", &params);
    }

    fn go_on(&mut self, session: &str, request: &str) {
        self.tell(Some(session), "Fetch.continueRequest", &json!({"requestId": request}));
    }

    fn tell(&mut self, session: Option<&str>, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.say.push(message.to_string());
        self.last_id
    }
}

/// JSON-RPC's word for it.
const METHOD_NOT_FOUND: i64 = -32601;

fn decoded(body: &str) -> String {
    String::from_utf8_lossy(&STANDARD.decode(body).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for `ST-` anywhere.
    fn accept(seen: &Sighting<'_>) -> Option<String> {
        let texts = [Some(seen.url), seen.sent_on_to, seen.body];
        texts.into_iter().flatten().find(|text| text.contains("ST-")).map(str::to_owned)
    }

    fn opened() -> Watcher<fn(&Sighting<'_>) -> Option<String>> {
        let watch = Watch { pattern: "https://x.test/*".to_owned(), moment: Moment::Answer };
        let mut watcher: Watcher<fn(&Sighting<'_>) -> Option<String>> =
            Watcher::new("https://x.test/", &[watch], accept);
        assert_eq!(methods(&watcher.begin()), ["Target.setAutoAttach", "Target.setDiscoverTargets"]);
        let turn = watcher.on(&attached("S1", "T1", "page"));
        let expected =
            ["Fetch.enable", "Target.setAutoAttach", "Runtime.runIfWaitingForDebugger", "Page.navigate"];
        assert_eq!(methods(&turn.say), expected);
        let enable: Value = serde_json::from_str(&turn.say[0]).unwrap();
        let patterns = json!([{"urlPattern": "https://x.test/*", "requestStage": "Response"}]);
        assert_eq!((&enable["params"]["patterns"], &enable["sessionId"]), (&patterns, &json!("S1")));
        watcher
    }

    #[test]
    fn every_page_and_frame_is_watched_before_it_goes_on_and_only_the_first_is_sent_anywhere() {
        let mut watcher = opened();
        for kind in ["page", "iframe"] {
            let turn = watcher.on(&attached("S2", "T2", kind));
            assert_eq!(
                methods(&turn.say),
                ["Fetch.enable", "Target.setAutoAttach", "Runtime.runIfWaitingForDebugger"]
            );
        }
        assert_eq!(
            methods(&watcher.on(&attached("S3", "T3", "worker")).say),
            ["Runtime.runIfWaitingForDebugger"]
        );
    }

    #[test]
    fn a_request_that_shows_it_is_stopped_before_it_leaves() {
        let mut watcher = opened();
        let turn = watcher.on(&paused("https://x.test/?ticket=ST-1", &json!({})));
        assert_eq!(methods(&turn.say), ["Fetch.failRequest"]);
        assert_eq!(turn.end, Some(End::Caught("https://x.test/?ticket=ST-1".to_owned())));
    }

    #[test]
    fn an_answer_that_sends_the_browser_on_to_it_is_stopped() {
        let mut watcher = opened();
        let headers =
            json!([{"name": "Date", "value": "x"}, {"name": "location", "value": "/embed?ticket=ST-1"}]);
        let answer = json!({"responseStatusCode": 302, "responseHeaders": headers});
        let turn = watcher.on(&paused("https://x.test/", &answer));
        assert_eq!(turn.end, Some(End::Caught("/embed?ticket=ST-1".to_owned())));
    }

    #[test]
    fn every_other_request_goes_on_whatever_becomes_of_its_body() {
        let mut watcher = opened();
        let turn = watcher.on(&paused("https://x.test/", &json!({})));
        assert_eq!((methods(&turn.say), turn.end), (vec!["Fetch.continueRequest".to_owned()], None));
        let moved =
            json!({"responseStatusCode": 302, "responseHeaders": [{"name": "location", "value": "/"}]});
        assert_eq!(methods(&watcher.on(&paused("https://x.test/", &moved)).say), ["Fetch.continueRequest"]);
        let failed = json!({"responseErrorReason": "Failed"});
        assert_eq!(methods(&watcher.on(&paused("https://x.test/", &failed)).say), ["Fetch.continueRequest"]);
        for result in [
            json!({"result": {"body": "nothing", "base64Encoded": false}}),
            json!({"result": {"body": "not base64!", "base64Encoded": true}}),
            json!({"error": {"code": -32000, "message": "gone"}}),
        ] {
            let turn = answer_with(&mut watcher, &result);
            assert_eq!((methods(&turn.say), turn.end), (vec!["Fetch.continueRequest".to_owned()], None));
        }
    }

    #[test]
    fn a_body_that_shows_it_never_reaches_the_page() {
        for (body, is_encoded) in [("<ST-1>", false), ("PFNULTE+", true)] {
            let mut watcher = opened();
            let turn =
                answer_with(&mut watcher, &json!({"result": {"body": body, "base64Encoded": is_encoded}}));
            assert_eq!(methods(&turn.say), ["Fetch.failRequest"]);
            assert_eq!(turn.end, Some(End::Caught("<ST-1>".to_owned())));
        }
    }

    #[test]
    fn it_is_closed_with_the_last_window_and_not_before() {
        let mut watcher = opened();
        watcher.on(&attached("S2", "T2", "page"));
        watcher.on(&attached("S3", "T3", "iframe"));
        let gone = |target: &str| {
            json!({"method": "Target.targetDestroyed", "params": {"targetId": target}}).to_string()
        };
        assert_eq!(watcher.on(&gone("T1")).end, None);
        assert_eq!(watcher.on(&gone("T3")).end, None);
        assert_eq!(watcher.on(&gone("T2")).end, Some(End::Closed));
    }

    #[test]
    fn a_browser_without_the_protocol_is_told_and_noise_is_not() {
        let mut watcher = opened();
        assert_eq!(watcher.on(r#"{"id":1,"error":{"code":-32000,"message":"gone"}}"#).end, None);
        for noise in
            ["", "[]", "{", r#"{"id":99}"#, r#"{"method":"X.y"}"#, r#"{"method":"Fetch.requestPaused"}"#]
        {
            let turn = watcher.on(noise);
            assert!(turn.say.is_empty() && turn.end.is_none(), "{noise}");
        }
        let turn = watcher.on(r#"{"id":3,"error":{"code":-32601,"message":"'Fetch.enable' wasn't found"}}"#);
        assert_eq!(turn.end, Some(End::Refused("Fetch.enable")));
    }

    fn methods(said: &[String]) -> Vec<String> {
        let method = |text: &String| {
            serde_json::from_str::<Value>(text).unwrap()["method"].as_str().unwrap().to_owned()
        };
        said.iter().map(method).collect()
    }

    fn attached(session: &str, target: &str, kind: &str) -> String {
        let info = json!({"targetId": target, "type": kind, "url": "about:blank"});
        let params = json!({"sessionId": session, "targetInfo": info, "waitingForDebugger": true});
        json!({"method": "Target.attachedToTarget", "params": params}).to_string()
    }

    fn paused(url: &str, more: &Value) -> String {
        let mut params = more.clone();
        params["requestId"] = json!("R1");
        params["request"] = json!({"url": url, "method": "GET"});
        json!({"method": "Fetch.requestPaused", "sessionId": "S1", "params": params}).to_string()
    }

    /// Lets a request be answered, and its body be read with that result.
    fn answer_with(
        watcher: &mut Watcher<fn(&Sighting<'_>) -> Option<String>>,
        result: &Value,
    ) -> Turn<String> {
        let turn = watcher.on(&paused("https://x.test/", &json!({"responseStatusCode": 200})));
        assert_eq!(methods(&turn.say), ["Fetch.getResponseBody"]);
        let asked: Value = serde_json::from_str(&turn.say[0]).unwrap();
        let mut answer = result.clone();
        answer["id"] = asked["id"].clone();
        watcher.on(&answer.to_string())
    }
}
