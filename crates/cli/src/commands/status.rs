//! `fitferry status`: logins, last tick, counts, budget, what is due. Makes no request.

use std::sync::Arc;

use fitferry_app::clock::SystemClock;
use fitferry_app::error::CommandError;
use fitferry_app::status;
use fitferry_app::store::Store;
use fitferry_core::ports::Clock as _;

use super::Context;
use crate::tables;

pub async fn run(context: &Context) -> Result<u8, CommandError> {
    let clock = Arc::new(SystemClock::default());
    let now = clock.now();
    let store = Store::open_for_reading(&context.settings, clock).await?;
    let status = status::read(&context.settings, store.as_ref(), now).await?;
    if let Some((when, cure)) = status.garmin.as_ref().and_then(|garmin| garmin.ends_soon(now)) {
        context.say.warning(&format!("Garmin's login {when}. {cure}"));
    }
    if context.json {
        context.out.json(&status::to_json(&status, &context.settings.athlete, now))?;
    } else {
        context.out.text(&tables::status(&status, now))?;
    }
    Ok(0)
}
