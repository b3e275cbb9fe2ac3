//! `fitferry store copy`: moves the ledger of one athlete to another store.
//!
//! The first store is marked as moved before anything is copied, so that from no moment on two of them carry
//! (*Doubt* names two stores for one athlete as what is not covered). A copy that was cut is finished by
//! another one; copying back is the way back.

use fitferry_app::App;
use fitferry_app::config::StoreUrl;
use fitferry_app::error::CommandError;
use fitferry_core::ledger::Row;
use fitferry_core::ports::{Fence, Filter, PortError};
use serde_json::json;

use super::Context;
use crate::args::StoreCopyArgs;

/// So many rows are added at once.
const CHUNK: usize = 100;

/// What was done with the rows.
#[derive(Default)]
struct Copied {
    added: usize,
    /// Both knew them, and the copy had come further.
    replaced: usize,
    /// Both knew them, and the one there stays.
    left: usize,
}

pub async fn copy(context: &Context, args: &StoreCopyArgs) -> Result<u8, CommandError> {
    let open = async |url: &StoreUrl| {
        let store = match url {
            StoreUrl::Sqlite(path) => StoreUrl::Sqlite(context.settings.folders.data.join(path)),
            table @ StoreUrl::Dynamodb(_) => table.clone(),
        };
        App::open(context.settings.over(store, None)).await
    };
    if let StoreUrl::Sqlite(path) = &args.from
        && !context.settings.folders.data.join(path).exists()
    {
        return Err(CommandError::usage(
            format!("there is no store {}", args.from),
            "Name the one that is there; `fitferry config show` shows it.",
        ));
    }
    let (from, to) = (open(&args.from).await?, open(&args.to).await?);
    if from.settings.store == to.settings.store {
        return Err(CommandError::usage(
            "both stores are the same",
            "Name two stores, as in `fitferry store copy sqlite:fitferry.db dynamodb:fitferry`.",
        ));
    }
    let target = to.settings.store.to_string();
    let copied = from
        .under_lease(async |fence| {
            context.stop_with(&from.clock);
            to.under_lease(async |there| {
                refuse_a_third(&to, &from).await?;
                retire(&from, &target, fence).await?;
                carry_over(context, &from, &to, there).await
            })
            .await
        })
        .await?;
    tell(context, args, &copied)
}

/// A ledger that moved somewhere else is not the one that counts, on either side.
async fn refuse_a_third(to: &App, from: &App) -> Result<(), CommandError> {
    let source = from.settings.store.to_string();
    match to.store.ledger.head().await?.0.moved_to {
        Some(third) if third != source => Err(PortError::Moved { to: third }.into()),
        _ => Ok(()),
    }
}

async fn retire(from: &App, target: &str, fence: Fence) -> Result<(), CommandError> {
    let (mut head, version) = from.store.ledger.head().await?;
    match head.moved_to.as_deref() {
        Some(already) if already == target => return Ok(()),
        Some(third) => return Err(PortError::Moved { to: third.to_owned() }.into()),
        None => head.moved_to = Some(target.to_owned()),
    }
    from.store.ledger.put_head(version, &head, fence).await?;
    Ok(())
}

async fn carry_over(context: &Context, from: &App, to: &App, fence: Fence) -> Result<Copied, CommandError> {
    let mut rows = from.store.ledger.list(&Filter::default()).await?;
    // Oldest first, as the engine adds them.
    rows.reverse();
    let (old, _) = from.store.ledger.head().await?;
    let (mut head, version) = to.store.ledger.head().await?;
    // Whatever dies in between, the next tick there is no idle one, and counts anew.
    head.dirty = true;
    head.next_due = None;
    head.fingerprint = None;
    let version = to.store.ledger.put_head(version, &head, fence).await?;
    let mut copied = Copied::default();
    let bar = context.say.spinner();
    let all = rows.len();
    for chunk in rows.chunks(CHUNK) {
        let added = to.store.ledger.add(chunk, fence).await?;
        copied.added += added.len();
        for row in chunk.iter().filter(|row| !added.contains(&row.id())) {
            merge(to, row, fence, &mut copied).await?;
        }
        if let Some(bar) = &bar {
            let done = copied.added + copied.replaced + copied.left;
            bar.set_message(format!("copying the ledger, {done} of {all} activities"));
        }
    }
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    head.since_kept = head.since_kept.or(old.since_kept);
    head.last_change = head.last_change.max(old.last_change);
    head.link = if head.link.on.is_none() { old.link } else { head.link };
    if head.sweep.last_complete.is_none() {
        head.sweep = old.sweep;
    }
    head.moved_to = None;
    to.store.ledger.put_head(version, &head, fence).await?;
    Ok(copied)
}

/// Both know the activity: the row that came further counts, and the one there where neither did.
async fn merge(to: &App, row: &Row, fence: Fence, copied: &mut Copied) -> Result<(), CommandError> {
    match to.store.ledger.get(row.id()).await? {
        Some((there, version)) if there.state.progress() < row.state.progress() => {
            to.store.ledger.put(row, version, fence).await?;
            copied.replaced += 1;
        }
        _ => copied.left += 1,
    }
    Ok(())
}

fn tell(context: &Context, args: &StoreCopyArgs, copied: &Copied) -> Result<u8, CommandError> {
    let Copied { added, replaced, left } = copied;
    if context.json {
        context.out.json(&json!({
            "athlete": context.settings.athlete,
            "from": args.from.to_string(),
            "to": args.to.to_string(),
            "added": added,
            "replaced": replaced,
            "left": left,
        }))?;
        return Ok(0);
    }
    context.say.line(&format!(
        "{added} activities copied, {replaced} brought further, {left} were there. {} is read-only now.",
        args.from
    ));
    context.say.line(&match args.to {
        StoreUrl::Dynamodb(_) => {
            format!("Next: `fitferry aws push-credentials --to {}`, if the logins are still here", args.to)
        }
        StoreUrl::Sqlite(_) => {
            "Next: `fitferry login strava`, and `fitferry login garmin` where the key is not here".to_owned()
        }
    });
    Ok(0)
}
