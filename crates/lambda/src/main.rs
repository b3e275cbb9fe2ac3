//! The bootstrap for AWS Lambda: takes events, runs ticks, answers with the documents of the command.
//!
//! Wiring only. What an event asks for is in `event`, what is told of a tick in `metrics` and `tell`, the
//! athletes that a warm process keeps in `athletes`; everything else is `fitferry-app` and the engine.

#![expect(unreachable_pub, reason = "no other crate uses a program: here `pub` is for the other modules")]

mod athletes;
mod event;
mod handler;
mod logging;
mod metrics;

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::handler::Handler;

fn main() -> ExitCode {
    logging::start();
    // Only a second call could fail, and it would change nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let handler = Arc::new(Handler::default());
    let serve = lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let handler = handler.clone();
        async move { handler.handle(&event.payload, event.context.deadline).await }
    }));
    match runtime.block_on(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error, "the Lambda runtime ended");
            ExitCode::FAILURE
        }
    }
}
