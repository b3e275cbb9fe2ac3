//! What the tests of both AWS stores share: a configuration for the AWS on loopback, a wire that counts the
//! requests and can answer in AWS's place, and a clock that only tests move.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use fitferry_core::ports::Clock;
use fitferry_store::aws::{self, Aws};
use jiff::{SignedDuration, Timestamp};

use crate::contract::noon;
use crate::moto;

/// Time that only tests move, and whoever waits.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<(Timestamp, Duration)>, Mutex<Option<Duration>>);

impl TestClock {
    pub(crate) fn new() -> Arc<TestClock> {
        Arc::new(TestClock(Mutex::new((noon(), Duration::from_secs(1_000))), Mutex::new(None)))
    }

    pub(crate) fn set_deadline(&self, deadline: Option<Duration>) {
        *self.1.lock().unwrap() = deadline;
    }

    pub(crate) fn set(&self, now: Timestamp) {
        self.0.lock().unwrap().0 = now;
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }

    fn deadline(&self) -> Option<Duration> {
        *self.1.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        {
            let mut time = self.0.lock().unwrap();
            time.0 = time.0.saturating_add(SignedDuration::try_from(duration).unwrap()).unwrap();
            time.1 += duration;
        }
        tokio::task::yield_now().await;
    }
}

/// Lies between a store and AWS: writes down what is asked, and answers itself what it is told to.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    to_aws: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// In order.
    asked: Vec<Asked>,
    answers: VecDeque<Answer>,
}

/// A request as it went over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    action: String,
    pub(crate) body: serde_json::Value,
}

/// How the wire treats one request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// As AWS does.
    Pass,
    /// AWS gets it and does it, and its answer is lost on the way.
    Lose,
    /// AWS does not get it; this is answered instead.
    Instead(u16, String),
    /// Nobody answers, ever.
    Silence,
}

impl Answer {
    /// An error as AWS's JSON protocol has it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Answer {
        Answer::Instead(status, serde_json::json!({ "__type": code, "message": message }).to_string())
    }
}

impl Wire {
    pub(crate) fn new() -> Wire {
        Wire { to_aws: aws::http_client(), state: Arc::default() }
    }

    /// What was asked since this was called last, or [`Wire::requests`]: the actions, as `GetItem`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests().into_iter().map(|asked| asked.action).collect()
    }

    /// The same with all that was in it.
    pub(crate) fn requests(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// The next requests are treated so; all after them as [`Answer::Pass`].
    pub(crate) fn treat(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().answers.extend(answers);
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let to_aws = self.to_aws.http_connector(settings, components);
        SharedHttpConnector::new(Connector { to_aws, state: self.state.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    to_aws: SharedHttpConnector,
    state: Arc<Mutex<State>>,
}

/// AWS does one thing after the other to an item; moto, which has a thread for each request, does not.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let action = target.rsplit('.').next().unwrap_or_default().to_owned();
        let answer = {
            let mut state = self.state.lock().unwrap();
            let body = request.body().bytes().unwrap_or_default();
            let body = serde_json::from_slice(body).unwrap_or_default();
            state.asked.push(Asked { action, body });
            state.answers.pop_front().unwrap_or(Answer::Pass)
        };
        let to_aws = self.to_aws.clone();
        HttpConnectorFuture::new(async move {
            match answer {
                Answer::Pass => {
                    let _alone = ONE_AT_A_TIME.lock().await;
                    to_aws.call(request).await
                }
                Answer::Lose => {
                    let _alone = ONE_AT_A_TIME.lock().await;
                    to_aws.call(request).await?;
                    Ok(answer_with(500, String::new()))
                }
                Answer::Instead(status, body) => Ok(answer_with(status, body)),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

fn answer_with(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

/// A way to AWS as a new process has it.
pub(crate) fn aws_over(wire: &Wire, clock: &Arc<TestClock>) -> Aws {
    Aws::new(&config(wire), clock.clone()).unwrap()
}

pub(crate) fn config(wire: &Wire) -> SdkConfig {
    let credentials = Credentials::new("key", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(moto::url())
        .http_client(wire.clone())
        .build()
}

/// A name that nothing else on the AWS on loopback has.
pub(crate) fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("fitferry-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
