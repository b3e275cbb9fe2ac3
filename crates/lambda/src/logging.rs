//! Logs: JSON lines on standard output, all of them, a panic's too.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub fn start() {
    // What libraries log at lower levels may hold headers and addresses. The runtime reports each failed
    // invocation as an error of its own, which Lambda logs anyway.
    let levels = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("fitferry", LevelFilter::INFO)
        .with_target("bootstrap", LevelFilter::INFO);
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(std::io::stdout);
    // Only a second call could fail, and it would change nothing.
    let _ = tracing_subscriber::registry().with(levels).with(layer).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let what = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no words");
        tracing::error!(place, what, "a bug: the program panicked");
    }));
}
