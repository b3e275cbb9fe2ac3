//! [`catch`]: a browser from its start to its end.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::error::BrowserError;
use crate::line::Line;
use crate::process::Running;
use crate::watcher::{End, Sighting, Watch, Watcher};

/// Which browser is started, and how.
#[derive(Clone, Debug)]
pub struct Launch {
    pub program: PathBuf,
    /// Variables of our environment that are none of the browser's business.
    pub hidden_variables: Vec<String>,
    /// How long it may take until it listens.
    pub start_within: Duration,
}

impl Launch {
    /// With half a minute to start in, and our whole environment.
    pub fn new(program: PathBuf) -> Launch {
        Launch { program, hidden_variables: Vec::new(), start_within: Duration::from_secs(30) }
    }
}

/// How it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    Caught(T),
    /// The person has closed the window, or the browser has died.
    Closed,
    TimedOut,
}

/// How long a browser may take to close by itself before it is ended.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Opens `page` in a new window with a new profile, and looks at the requests of `watches` until `accept` takes
/// one. That request is stopped: the page neither sends it nor sees its answer.
///
/// `patience` counts from the moment the page is opened. Dropping the future ends the browser as well.
pub async fn catch<T>(
    launch: &Launch,
    page: &str,
    watches: &[Watch],
    patience: Duration,
    accept: impl FnMut(&Sighting<'_>) -> Option<T>,
) -> Result<Outcome<T>, BrowserError> {
    let mut running = Running::start(launch)?;
    let address = running.address(launch).await?;
    let mut line = Line::open(&address).await.map_err(BrowserError::Unruly)?;
    let mut watcher = Watcher::new(page, watches, accept);
    let end = timeout(patience, watch(&mut line, &mut watcher)).await;
    close(&mut line).await;
    drop(running);
    match end {
        Err(_) => Ok(Outcome::TimedOut),
        Ok(End::Caught(found)) => Ok(Outcome::Caught(found)),
        Ok(End::Closed) => Ok(Outcome::Closed),
        Ok(End::Refused(what)) => Err(BrowserError::Unruly(format!("it does not know {what}"))),
    }
}

async fn watch<T, F: FnMut(&Sighting<'_>) -> Option<T>>(line: &mut Line, watcher: &mut Watcher<F>) -> End<T> {
    let mut say = watcher.begin();
    loop {
        for text in say {
            // A line that is dead has nothing to hear either, which the next step finds out.
            line.say(text).await;
        }
        let Some(message) = line.hear().await else { return End::Closed };
        let turn = watcher.on(&message);
        say = turn.say;
        if let Some(end) = turn.end {
            for text in say {
                line.say(text).await;
            }
            return end;
        }
    }
}

/// Asks the browser to close, so that the window goes as a window does.
async fn close(line: &mut Line) {
    // No number that the watcher has used.
    let message = json!({"id": u32::MAX, "method": "Browser.close"}).to_string();
    let closed = async {
        if line.say(message).await {
            while line.hear().await.is_some() {}
        }
    };
    let _ = timeout(CLOSE_WITHIN, closed).await;
}
