//! The athletes that this process has served: a warm one goes on with what a cold one set up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use fitferry_app::App;
use fitferry_app::clock::SystemClock;
use fitferry_app::config::{self, Asked, Environment, Folders, StoreUrl};
use fitferry_app::error::CommandError;
use fitferry_app::store::Store;
use fitferry_store::aws::connect_from_environment;

/// Where the layer is mounted.
const LAYER_CONFIG: &str = "/opt/fitferry/config.toml";

/// Where something relative would lie; the configuration that Terraform deploys names nothing relative.
const SCRATCH: &str = "/tmp/fitferry";

/// Everything set up, by the athlete's name.
#[derive(Default)]
pub struct Athletes {
    ready: std::sync::Mutex<BTreeMap<Option<String>, Arc<App>>>,
}

impl Athletes {
    /// Reads the configuration and opens the store, or finds both as they were left. An error is an unusable
    /// configuration.
    pub async fn get(
        &self,
        athlete: Option<&str>,
        clock: &Arc<SystemClock>,
    ) -> Result<Arc<App>, CommandError> {
        let name = athlete.map(str::to_owned);
        if let Some(app) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(app.clone());
        }
        let app = Arc::new(open(name.clone(), clock).await?);
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(name, app.clone());
        Ok(app)
    }
}

async fn open(athlete: Option<String>, clock: &Arc<SystemClock>) -> Result<App, CommandError> {
    // Secrets come from the cloud vault alone.
    let environment = Environment::of_process().without_secrets();
    let named = environment.path("FITFERRY_CONFIG").is_some();
    let asked = Asked { config: (!named).then(|| PathBuf::from(LAYER_CONFIG)), athlete, ..Asked::default() };
    let settings = config::load_in(Folders::under(Path::new(SCRATCH)), &asked, &environment)?;
    let StoreUrl::Dynamodb(table) = &settings.store else {
        return Err(CommandError::usage(
            format!("the function keeps nothing on its own machine, and {} is there", settings.store),
            "Let `FITFERRY_STORE__URL` name the table, as Terraform does: `dynamodb:TABLE`.",
        ));
    };
    let aws = connect_from_environment(clock.clone())?;
    let store = Store::in_the_cloud(&aws, table, &settings).await?;
    App::over(settings, store, clock.clone())
}
