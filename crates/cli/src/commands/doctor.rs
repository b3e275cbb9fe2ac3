//! `fitferry doctor`: everything that is wrong, each with its cure.

use fitferry_app::doctor::{self, Finding};
use fitferry_app::error::CommandError;
use serde_json::json;

use super::Context;

pub async fn run(context: &Context) -> Result<u8, CommandError> {
    let findings = doctor::examine(&context.asked, &context.environment).await?;
    if context.json {
        let findings: Vec<_> = findings.iter().map(Finding::to_json).collect();
        context.out.json(&json!({ "findings": findings }))?;
    } else if findings.is_empty() {
        context.out.text("Nothing is wrong.")?;
    } else {
        let lines: Vec<String> =
            findings.iter().map(|finding| format!("{}\n  {}", finding.message, finding.help)).collect();
        context.out.text(&lines.join("\n\n"))?;
    }
    Ok(u8::from(!findings.is_empty()))
}
