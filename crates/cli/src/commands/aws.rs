//! `fitferry aws push-credentials`: moves the logins to the cloud, so that no secret passes through Terraform.
//!
//! The order keeps two from using one login, whatever dies in between: first this store is marked as moved,
//! so that nothing here uses it any more; then the cloud gets it; then what rotates is forgotten here. A push
//! that was cut is finished by another one.

use std::sync::Arc;

use fitferry_app::App;
use fitferry_app::clock::SystemClock;
use fitferry_app::config::{StoreUrl, VaultKind};
use fitferry_app::error::CommandError;
use fitferry_app::store::Store;
use fitferry_core::ports::{PutError, SecretName, Vault, Version};
use fitferry_core::tokens::RotatingLogin;
use fitferry_store::aws::{Aws, connect};
use fitferry_store::secretsmanager::SecretsManagerVault;
use secrecy::SecretString;
use serde_json::json;

use super::Context;
use crate::args::PushCredentialsArgs;
use crate::secrets;

/// How often a secret is put where another writer is faster each time.
const TRIES: u32 = 5;

/// What there is to push.
struct Logins {
    secrets: Vec<(SecretName, SecretString)>,
    garmin: Option<fitferry_garmin::Login>,
    strava: Option<fitferry_strava::login::Login>,
}

pub async fn push_credentials(context: &Context, args: &PushCredentialsArgs) -> Result<u8, CommandError> {
    let StoreUrl::Dynamodb(table) = &args.to else {
        return Err(CommandError::usage(
            format!("{} is not in the cloud", args.to),
            "Name the table that `make tf-apply` made: `fitferry aws push-credentials --to dynamodb:fitferry`.",
        ));
    };
    if let StoreUrl::Dynamodb(_) = context.settings.store {
        return Err(CommandError::usage(
            "the logins of this machine are in a store on this machine, and `--store` names one in the cloud",
            "Leave `--store` out; `--to` says where the logins go.",
        ));
    }
    if !args.yes && !secrets::has_terminal() {
        return Err(CommandError::usage(
            "moving logins wants an answer, and there is no terminal to ask at",
            "Say `fitferry aws push-credentials --yes` if that is what you want.",
        ));
    }
    let desk = App::open(context.settings.clone()).await?;
    let logins = Logins::read(&*desk.store.vault).await?;
    let clock = Arc::new(SystemClock::default());
    let aws = connect(clock.clone()).await?;
    let there = context.settings.over(args.to.clone(), args.vault.clone());
    let store = Store::in_the_cloud(&aws, table, &there).await?;
    let cloud = App::over(there, store, clock)?;
    let vault = logins_go_to(context, args, &cloud).await?;
    if !args.yes && !agrees(context, args, &logins, &vault).await? {
        return Err(CommandError::usage(
            "nothing was moved",
            "Run `fitferry aws push-credentials` again when you want it.",
        ));
    }
    desk.under_lease(async |fence| {
        // What is begun is ended, whoever presses Ctrl-C meanwhile.
        context.stop_with(&desk.clock);
        let (mut head, version) = desk.store.ledger.head().await?;
        let before = head.moved_to.replace(args.to.to_string());
        let version = desk.store.ledger.put_head(version, &head, fence).await?;
        // The lease kept everybody else from the logins; what is there now is what moves.
        let logins = Logins::read(&*desk.store.vault).await?;
        let mut has_begun = false;
        if let Err(error) = hand_over(&aws, &cloud, &vault, &logins, &mut has_begun).await {
            // Where one login may be on both sides, this one stays out of it until a push has ended.
            if !has_begun {
                head.moved_to = before;
                desk.store.ledger.put_head(version, &head, fence).await?;
            }
            return Err(error);
        }
        logins.forget_what_rotates(&*desk.store.vault).await
    })
    .await?;
    tell(context, args, &logins, &vault)
}

impl Logins {
    async fn read(vault: &dyn Vault) -> Result<Logins, CommandError> {
        let mut logins = Logins { secrets: Vec::new(), garmin: None, strava: None };
        for name in SecretName::ALL {
            let Some((secret, _)) = vault.get_fresh(name).await? else { continue };
            match name {
                SecretName::GarminLogin => logins.garmin = fitferry_garmin::Login::read(&secret).ok(),
                SecretName::StravaLogin => {
                    logins.strava = <fitferry_strava::login::Login as RotatingLogin>::read(&secret).ok();
                }
                SecretName::GarminBearer => {}
                // It binds whoever signs in here, and is no login.
                SecretName::GarminCoolDowns => continue,
            }
            logins.secrets.push((name, secret));
        }
        if logins.garmin.is_none() {
            // A bearer of a key that is not kept here says nothing to anybody else.
            logins.secrets.retain(|(name, _)| *name != SecretName::GarminBearer);
        }
        if logins.garmin.is_none() && logins.strava.is_none() {
            return Err(CommandError::usage(
                "there is no login here that could be moved",
                "Run `fitferry login garmin` and `fitferry login strava` first.",
            ));
        }
        Ok(logins)
    }

    /// Garmin's key does not rotate and may stay; every use of a rotating login ends the other copy.
    async fn forget_what_rotates(&self, vault: &dyn Vault) -> Result<(), CommandError> {
        if self.strava.is_some() {
            vault.remove(SecretName::StravaLogin).await?;
        }
        if self.garmin.as_ref().is_some_and(|login| login.rotates()) {
            vault.remove(SecretName::GarminBearer).await?;
            vault.remove(SecretName::GarminLogin).await?;
        }
        Ok(())
    }

    /// Each login, and what becomes of the copy here.
    fn in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(login) = &self.garmin {
            let what = if login.rotates() { "tokens, which move" } else { "a key, which stays here too" };
            words.push(format!("Garmin: {what}"));
        }
        if let Some(login) = &self.strava {
            let who = login.athlete().map(|athlete| format!(" of {athlete}")).unwrap_or_default();
            words.push(format!("Strava: tokens{who}, which move, and the application's id and secret"));
        }
        words
    }
}

/// Which vault it will be. Refuses what could not be undone by another push.
async fn logins_go_to(
    context: &Context,
    args: &PushCredentialsArgs,
    cloud: &App,
) -> Result<VaultKind, CommandError> {
    let (head, _) = cloud.store.ledger.head().await?;
    if let Some(elsewhere) = head.moved_to {
        return Err(CommandError::usage(
            format!("the ledger of {} moved to {elsewhere}, so nothing is carried from there", args.to),
            format!("Bring it back first: `fitferry store copy {elsewhere} {}`.", args.to),
        ));
    }
    let vault = match (&args.vault, head.vault) {
        (Some(kind), _) => kind.clone(),
        (None, kept) => kept.and_then(|kind| kind.parse().ok()).unwrap_or_default(),
    };
    let there = fitferry_strava::login::stored(&*cloud.store.vault).await.ok().flatten();
    if let Some(athlete) = there.as_ref().and_then(|login| login.athlete()) {
        context
            .say
            .line(&format!("There is a Strava login of {athlete} there already; a new one replaces it."));
    }
    Ok(vault)
}

async fn agrees(
    context: &Context,
    args: &PushCredentialsArgs,
    logins: &Logins,
    vault: &VaultKind,
) -> Result<bool, CommandError> {
    let place = match vault {
        VaultKind::Store => String::new(),
        VaultKind::SecretsManager(prefix) => {
            format!(", into the secret {prefix}/{}", context.settings.athlete)
        }
    };
    context.say.needed(&format!("This moves to {}{place}:", args.to));
    for words in logins.in_words() {
        context.say.needed(&format!("  {words}"));
    }
    context.say.needed("From then on the cloud carries; `sync` and `watch` on this machine leave at once.");
    let answer = secrets::ask(&context.say, "Move them? [y/N]").await?.unwrap_or_default();
    Ok(["y", "yes"].contains(&answer.to_lowercase().as_str()))
}

/// Everything that the cloud gets, under its own lease.
async fn hand_over(
    aws: &Aws,
    cloud: &App,
    vault: &VaultKind,
    logins: &Logins,
    has_begun: &mut bool,
) -> Result<(), CommandError> {
    if let VaultKind::SecretsManager(prefix) = vault {
        let secret = SecretsManagerVault::new(aws, prefix, &cloud.settings.athlete);
        secret.create_if_absent().await?;
    }
    cloud
        .under_lease(async |fence| {
            for (name, secret) in &logins.secrets {
                *has_begun = true;
                put(&*cloud.store.vault, *name, secret).await?;
            }
            let (mut head, version) = cloud.store.ledger.head().await?;
            head.vault = (*vault != VaultKind::Store).then(|| vault.to_string());
            cloud.store.ledger.put_head(version, &head, fence).await?;
            cloud.clear_pauses(fence).await
        })
        .await
}

/// Puts a secret in the place of whatever is there.
async fn put(vault: &dyn Vault, name: SecretName, secret: &SecretString) -> Result<(), CommandError> {
    let mut tries = 0;
    loop {
        let expected = vault.get_fresh(name).await?.map_or(Version::ABSENT, |(_, version)| version);
        match vault.replace(name, expected, secret).await {
            Ok(_) => return Ok(()),
            Err(PutError::Conflict) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn tell(
    context: &Context,
    args: &PushCredentialsArgs,
    logins: &Logins,
    vault: &VaultKind,
) -> Result<u8, CommandError> {
    let mut pushed = Vec::new();
    pushed.extend(logins.garmin.as_ref().map(|_| "garmin"));
    pushed.extend(logins.strava.as_ref().map(|_| "strava"));
    if context.json {
        context.out.json(&json!({
            "athlete": context.settings.athlete,
            "to": args.to.to_string(),
            "vault": vault.to_string(),
            "moved": pushed,
        }))?;
        return Ok(0);
    }
    context.say.line(&format!("Moved to {}: {}.", args.to, pushed.join(", ")));
    for (missing, login) in [("garmin", logins.garmin.is_none()), ("strava", logins.strava.is_none())] {
        if login {
            context.say.line(&format!(
                "There was no login to {missing} here; if there is none there either, run `fitferry login \
                 {missing}` and push again."
            ));
        }
    }
    context.say.line(&format!("Next: `fitferry --store {} status`", args.to));
    Ok(0)
}
