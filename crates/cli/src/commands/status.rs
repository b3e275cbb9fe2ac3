//! `fitferry status`: logins, last tick, counts, budget, what is due. Makes no request.

use std::sync::Arc;

use fitferry_app::clock::SystemClock;
use fitferry_app::error::CommandError;
use fitferry_app::status::{self, WARN_BEFORE};
use fitferry_app::store::Store;
use fitferry_core::ports::Clock as _;

use super::Context;
use crate::tables;

pub async fn run(context: &Context) -> Result<u8, CommandError> {
    let clock = Arc::new(SystemClock::default());
    let now = clock.now();
    let store = Store::open_for_reading(&context.settings, clock).await?;
    let status = status::read(&context.settings, store.as_ref(), now).await?;
    if let Some(ends) = status.garmin.as_ref().and_then(|garmin| garmin.ends)
        && ends.duration_since(now) < WARN_BEFORE
    {
        let days = ends.duration_since(now).as_hours().div_euclid(24);
        let when = if days < 0 { "has ended".to_owned() } else { format!("ends in {days} days") };
        context
            .say
            .line(&format!("Garmin's login {when}. Make a new key, then run `fitferry login garmin`."));
    }
    if context.json {
        context.out.json(&status::to_json(&status, &context.settings.athlete, now))?;
    } else {
        context.out.text(&tables::status(&status, now))?;
    }
    Ok(0)
}
