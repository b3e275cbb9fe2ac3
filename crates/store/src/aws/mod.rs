//! The way to AWS: region and credentials as every AWS tool finds them, HTTP through one small client, and
//! the deadline of the clock, which no request outlives and after which none begins.
//!
//! The SDK repeats what is sure to be harmless: a connection that broke, a 5xx, throttling. What only we
//! can judge, as a transaction that met another one, is repeated in [`Aws::ask`]. A conditional write whose
//! answer was lost is recognised by whoever made it (`dynamodb`), never guessed here.

mod fault;
mod http;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError as AnySdkError;
use fitferry_core::ports::{Clock, StoreError};

pub(crate) use self::fault::{Place, Refusal};
pub use self::http::client as http_client;

type SdkError<E> = AnySdkError<E, HttpResponse>;

/// One request without a deadline ends after this, repetitions included.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
/// How often a request is made at most, by the SDK and by [`Tries`] alike.
const ATTEMPTS: u32 = 6;
const RACES: u32 = 30;
/// The first wait is up to this long, each further one twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// An AWS account as this process reaches it. Cheap to clone.
#[derive(Clone)]
pub struct Aws(Arc<Inner>);

struct Inner {
    config: SdkConfig,
    clock: Arc<dyn Clock>,
}

/// Region, credentials and endpoint as AWS's own tools find them: environment, profile, the machine's role;
/// `AWS_ENDPOINT_URL` and `SSL_CERT_FILE` are honoured. Asks nobody, but where no region is set the machine
/// for the one that it is in.
pub async fn connect(clock: Arc<dyn Clock>) -> Result<Aws, StoreError> {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client()).load().await;
    Aws::new(&config, clock)
}

/// The same out of environment variables alone, where they hold everything, as in a Lambda function. A program
/// that knows no other way is smaller by a third.
pub fn connect_from_environment(clock: Arc<dyn Clock>) -> Result<Aws, StoreError> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client());
    config.set_region(set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).map(Region::new));
    config.set_endpoint_url(set("AWS_ENDPOINT_URL"));
    Aws::new(&config.build(), clock)
}

impl Aws {
    /// Over a configuration that is already there. Its time limits and repetitions are replaced by ours.
    pub fn new(config: &SdkConfig, clock: Arc<dyn Clock>) -> Result<Aws, StoreError> {
        if config.region().is_none() {
            return Err(StoreError {
                what: "no AWS region is set".to_owned(),
                help: "Set `AWS_REGION`, or `region` in your AWS profile.".to_owned(),
            });
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_WAIT)
            .with_max_backoff(LONGEST_WAIT);
        let config = config.to_builder().timeout_config(timeouts).retry_config(retries).build();
        Ok(Aws(Arc::new(Inner { config, clock })))
    }

    pub(crate) fn region(&self) -> String {
        self.0.config.region().map(ToString::to_string).unwrap_or_default()
    }

    pub(crate) fn config(&self) -> &SdkConfig {
        &self.0.config
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    fn time_left(&self, place: &Place) -> Result<Duration, StoreError> {
        let left = self
            .0
            .clock
            .deadline()
            .map_or(PATIENCE, |deadline| deadline.saturating_sub(self.0.clock.monotonic()).min(PATIENCE));
        if left.is_zero() { Err(fault::out_of_time(place)) } else { Ok(left) }
    }

    /// Makes a request, again where the refusal says that it may pass.
    pub(crate) async fn ask<T, E, F>(
        &self,
        place: &Place,
        mut request: impl FnMut() -> F,
    ) -> Result<T, Refused<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: Refusal,
    {
        let mut tries = Tries::new(self, place);
        loop {
            let left = self.time_left(place)?;
            let Ok(answer) = tokio::time::timeout(left, request()).await else {
                return Err(fault::out_of_time(place).into());
            };
            match answer {
                Ok(value) => return Ok(value),
                Err(AnySdkError::ServiceError(refusal)) => {
                    if let Some(error) = fault::no_refusal(place, &refusal) {
                        return Err(error.into());
                    }
                    let refusal = refusal.into_err();
                    if !refusal.may_pass() {
                        return Err(Refused::By(refusal));
                    }
                    tries.again().await?;
                }
                Err(error) => return Err(fault::unanswered(place, &error).into()),
            }
        }
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("region", &self.0.config.region()).finish_non_exhaustive()
    }
}

/// A request that did not bring what was asked for.
#[derive(Debug)]
pub(crate) enum Refused<E> {
    /// AWS answered so; what it means is the asker's to say.
    By(E),
    /// No answer, or none in time.
    Unanswered(StoreError),
}

impl<E> From<StoreError> for Refused<E> {
    fn from(error: StoreError) -> Refused<E> {
        Refused::Unanswered(error)
    }
}

impl<E: Refusal> Refused<E> {
    /// In words, where the asker had nothing better to do with the refusal.
    pub(crate) fn told(self, place: &Place) -> StoreError {
        match self {
            Refused::By(refusal) => fault::refused(place, &refusal),
            Refused::Unanswered(error) => error,
        }
    }
}

/// Counts repetitions and waits between them, longer each time.
pub(crate) struct Tries<'a> {
    aws: &'a Aws,
    place: &'a Place,
    made: u32,
    most: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(aws: &'a Aws, place: &'a Place) -> Tries<'a> {
        Tries { aws, place, made: 1, most: ATTEMPTS }
    }

    /// For a race in which every try that fails is one that another process won.
    pub(crate) fn of_a_race(aws: &'a Aws, place: &'a Place) -> Tries<'a> {
        Tries { most: RACES, ..Tries::new(aws, place) }
    }

    /// Returns when it is time for the next try; an error where there is no more.
    pub(crate) async fn again(&mut self) -> Result<(), StoreError> {
        if self.made >= self.most {
            return Err(fault::busy(self.place));
        }
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.made - 1)).min(LONGEST_WAIT);
        self.made += 1;
        // Anything between nothing and all of it, so that two that met do not meet again.
        let wait = wait.mul_f64(f64::from(u32::from_ne_bytes(random())) / f64::from(u32::MAX));
        let left = self.aws.time_left(self.place)?;
        self.aws.clock().sleep(wait.min(left)).await;
        Ok(())
    }
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}
