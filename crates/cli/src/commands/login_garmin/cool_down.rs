//! The cool-downs of all accounts, kept in the vault from one try to the next.

use fitferry_app::error::{CommandError, Kind};
use fitferry_core::ports::{PutError, SecretName, Vault, Version};
use fitferry_garmin::sso::CoolDowns;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

/// Others sign in at the same moment at most now and then.
const TRIES: u32 = 20;

pub(super) async fn read(vault: &dyn Vault) -> Result<CoolDowns, CommandError> {
    let there = vault.get_fresh(SecretName::GarminCoolDowns).await?;
    Ok(there.map(|(secret, _)| CoolDowns::read(secret.expose_secret())).unwrap_or_default())
}

/// Changes what is kept, whoever else changes it meanwhile.
pub(super) async fn change<T>(
    vault: &dyn Vault,
    mut change: impl FnMut(&mut CoolDowns) -> T,
) -> Result<T, CommandError> {
    let mut tries = 0;
    loop {
        let there = vault.get_fresh(SecretName::GarminCoolDowns).await?;
        let version = there.as_ref().map_or(Version::ABSENT, |(_, version)| *version);
        let before = there.map(|(secret, _)| CoolDowns::read(secret.expose_secret())).unwrap_or_default();
        let mut after = before.clone();
        let outcome = change(&mut after);
        if after == before {
            return Ok(outcome);
        }
        match vault.replace(SecretName::GarminCoolDowns, version, &after.write().into()).await {
            Ok(_) => return Ok(outcome),
            Err(PutError::Conflict) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// `why`: what Garmin has just said; `None`: it was said before, and nobody is asked.
pub(super) fn blocked(until: Timestamp, why: Option<&str>) -> CommandError {
    let error = CommandError::new(
        Kind::Limited,
        format!("Garmin blocks signing in with a password; it is not tried again before {until}"),
        "Wait, since each try begins the block anew. It binds the password only: `fitferry login garmin \
         --browser` and, with a key, `fitferry login garmin` work meanwhile.",
    );
    match why {
        Some(why) => error.caused_by(why),
        None => {
            error.caused_by("this account is cooling down after an earlier block, and Garmin was not asked")
        }
    }
}
