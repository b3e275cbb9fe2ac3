//! `fitferry config`: where the configuration is, what is in force, whether it is right.

use comfy_table::{ContentArrangement, Table, presets};
use fitferry_app::config::{self, Problem, Report, Settings};
use fitferry_app::error::CommandError;
use serde_json::{Value, json};

use super::Context;
use crate::args::ConfigAction;

pub fn run(context: &Context, action: ConfigAction) -> Result<u8, CommandError> {
    match action {
        ConfigAction::Path => path(context),
        ConfigAction::Show => show(context),
        ConfigAction::Check => check(context),
    }
}

fn path(context: &Context) -> Result<u8, CommandError> {
    let path = config::path(&context.asked, &context.environment)?;
    let exists = path.exists();
    if context.json {
        context.out.json(&json!({ "path": path.display().to_string(), "exists": exists }))?;
    } else {
        context.out.text(&path.display().to_string())?;
    }
    if !exists {
        context.say.line("There is no such file; without it the defaults are in force.");
    }
    Ok(0)
}

fn show(context: &Context) -> Result<u8, CommandError> {
    let settings = config::load(&context.asked, &context.environment)?;
    if context.json {
        let values: Vec<Value> = settings
            .shown
            .iter()
            .map(|shown| {
                json!({
                    "key": shown.key,
                    "value": shown.json,
                    "source": shown.origin.key(),
                    "place": shown.origin.place(),
                })
            })
            .collect();
        context.out.json(&json!({
            "athlete": settings.athlete,
            "path": settings.file.display().to_string(),
            "exists": settings.file_exists,
            "data": settings.folders.data.display().to_string(),
            "cache": settings.folders.cache.display().to_string(),
            "store": settings.store.to_string(),
            "values": values,
        }))?;
        return Ok(0);
    }
    context.out.text(&places(&settings))?;
    context.out.text(&table(&settings, context.width()))?;
    Ok(0)
}

fn places(settings: &Settings) -> String {
    let missing = if settings.file_exists { "" } else { " (does not exist)" };
    format!(
        "athlete  {}\nfile     {}{missing}\nstore    {}\n",
        settings.athlete,
        settings.file.display(),
        settings.store
    )
}

fn table(settings: &Settings, width: u16) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(["Key", "Value", "From"]);
    for shown in &settings.shown {
        let value = shown.text.clone().unwrap_or_else(|| "-".to_owned());
        table.add_row([shown.key.clone(), value, shown.origin.to_string()]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn check(context: &Context) -> Result<u8, CommandError> {
    let Report { settings, problems } = config::examine(&context.asked, &context.environment)?;
    let warnings = settings.as_ref().map(|settings| settings.warnings.clone()).unwrap_or_default();
    let path = config::path(&context.asked, &context.environment)?;
    let error = (!problems.is_empty()).then(|| CommandError::from_problems(&problems));
    if context.json {
        let list = |problems: &[Problem]| problems.iter().map(to_json).collect::<Vec<Value>>();
        let mut document = json!({
            "ok": error.is_none(),
            "path": path.display().to_string(),
            "exists": path.exists(),
            "problems": list(&problems),
            "warnings": list(&warnings),
        });
        if let Some(error) = &error {
            document["error"] = error.to_json();
        }
        context.out.json(&document)?;
    }
    for warning in &warnings {
        context.say.warning(&format!("{warning}\n         {}", warning.help));
    }
    for problem in &problems {
        context.say.error(&CommandError::from_problems(std::slice::from_ref(problem)));
    }
    match error {
        Some(error) => Ok(error.exit_code()),
        None => {
            if !context.json {
                let what =
                    if path.exists() { "is right" } else { "does not exist; the defaults are in force" };
                context.out.text(&format!("{} {what}", path.display()))?;
            }
            Ok(0)
        }
    }
}

fn to_json(problem: &Problem) -> Value {
    json!({ "place": problem.place.to_string(), "message": problem.message, "help": problem.help })
}
