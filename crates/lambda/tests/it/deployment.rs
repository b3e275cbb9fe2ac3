//! What Terraform makes of `infra/`: as packaged, once, and nothing of it left in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::infra::NAME;
use crate::package;

pub fn what_is_deployed_is_what_was_packaged(cloud: &Arc<Cloud>) {
    assert_eq!(package::entries(&cloud.package.function_zip), ["bootstrap"]);
    assert_eq!(package::entries(&cloud.package.layer_zip), ["fitferry/config.toml"]);

    let function = &cloud.deployed.configuration;
    assert_eq!(function["CodeSha256"], package::sha256(&cloud.package.function_zip));
    assert_eq!(function["CodeSize"], package::size(&cloud.package.function_zip));
    assert_eq!((&function["Handler"], &function["Timeout"]), (&json!("bootstrap"), &json!(50)));
    assert_eq!(function["Architectures"], json!(["x86_64"]));

    let layer_arn = cloud.output("layer_arn");
    let layers: Vec<&Value> =
        function["Layers"].as_array().into_iter().flatten().map(|layer| &layer["Arn"]).collect();
    assert_eq!(layers, [layer_arn]);
    let (name, version) = layer_arn.rsplit_once(':').expect("the ARN ends with the version");
    let name = name.rsplit(':').next().expect("the name stands before the version");
    let (status, layer) = cloud.aws.get("lambda", &format!("/2018-10-31/layers/{name}/versions/{version}"));
    assert_eq!(status, 200, "{layer:#}");
    assert_eq!(layer["Content"]["CodeSha256"], package::sha256(&cloud.package.layer_zip));
    assert_eq!(layer["Content"]["CodeSize"], package::size(&cloud.package.layer_zip));
}

pub fn the_function_has_the_environment_that_the_variables_name(cloud: &Arc<Cloud>) {
    let deployed: BTreeMap<&str, &str> =
        cloud.deployed.environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let table = format!("dynamodb:{}", cloud.table());
    let wanted = BTreeMap::from([
        ("FITFERRY_STORE__URL", table.as_str()),
        ("FITFERRY_STORE__VAULT", "store"),
        ("FITFERRY_TIMING__FIRST_CONFIRM", "150ms"),
        ("FITFERRY_TIMING__GARMIN_SPACING", "0s"),
    ]);
    assert_eq!(deployed, wanted);
}

pub fn the_rule_calls_the_function_every_minute(cloud: &Arc<Cloud>) {
    let events = |target: &str, body: Value| cloud.aws.json("events", &format!("AWSEvents.{target}"), &body);
    let name = cloud.output("rule_name");
    let rule = events("DescribeRule", json!({"Name": name}));
    assert_eq!((&rule["ScheduleExpression"], &rule["State"]), (&json!("rate(1 minute)"), &json!("ENABLED")));
    let targets = events("ListTargetsByRule", json!({"Rule": name}));
    let arns: Vec<&Value> =
        targets["Targets"].as_array().into_iter().flatten().map(|target| &target["Arn"]).collect();
    assert_eq!(arns, [cloud.output("function_arn")]);
    assert!(targets["Targets"][0].get("Input").is_none(), "the event goes to the function as it comes");
    let path = format!("/2015-03-31/functions/{}/policy", cloud.output("function_name"));
    let (status, policy) = cloud.aws.get("lambda", &path);
    assert_eq!(status, 200, "{policy:#}");
    assert!(
        policy["Policy"].as_str().is_some_and(|policy| policy.contains(rule["Arn"].as_str().unwrap_or("-")))
    );
}

/// By now logins are in the table, and ticks have run.
pub fn a_second_plan_shows_no_change(cloud: &Arc<Cloud>) {
    assert!(cloud.first_plan.text.contains("to add"), "{}", cloud.first_plan.text);
    let plan = format!("-detailed-exitcode -out={}", cloud.infra.plan_file().display());
    let ran = cloud.make("tf-plan", &plan);
    assert!(ran.text.contains("No changes."), "{}", ran.text);
}

pub fn a_secret_in_the_functions_environment_is_refused(cloud: &Arc<Cloud>) {
    let secret = "canary-secret-in-a-variable";
    let key = "FITFERRY_STRAVA__CLIENT_SECRET";
    let variable = format!("'-var=environment={{{key}=\"{secret}\"}}'");
    let ran = cloud.infra.make("tf-plan", &variable);
    assert!(!ran.worked, "{}", ran.text);
    assert!(!ran.text.lines().any(|line| line.contains(secret) && !line.contains("-var")), "{}", ran.text);
    assert!(ran.text.contains("Invalid value for variable"), "{}", ran.text);
}

pub fn destroy_leaves_nothing(cloud: &Arc<Cloud>) {
    let ran = cloud.make("tf-destroy", "-auto-approve");
    assert!(ran.text.contains("Destroy complete!"), "{}", ran.text);
    // The desk has made the secrets, and a person removes them.
    assert!(ran.text.contains("aws secretsmanager delete-secret"), "{}", ran.text);
    assert_eq!(cloud.infra.state()["resources"], json!([]));
    let json = |service: &str, target: &str, key: &str, body: Value| -> usize {
        cloud.aws.json(service, target, &body)[key].as_array().map_or(0, Vec::len)
    };
    // The server's own word, each list being of the whole account.
    assert_eq!(json("dynamodb", "DynamoDB_20120810.ListTables", "TableNames", json!({})), 0);
    assert_eq!(json("logs", "Logs_20140328.DescribeLogGroups", "logGroups", json!({})), 0);
    assert_eq!(json("events", "AWSEvents.ListRules", "Rules", json!({})), 0);
    assert_eq!(cloud.aws.get("lambda", "/2015-03-31/functions/").1["Functions"], json!([]));
    assert_eq!(cloud.aws.get("lambda", "/2018-10-31/layers").1["Layers"], json!([]));
    for (service, action, version) in [
        ("iam", "ListRoles", "2010-05-08"),
        ("sqs", "ListQueues", "2012-11-05"),
        ("sns", "ListTopics", "2010-03-31"),
        ("monitoring", "DescribeAlarms", "2010-08-01"),
    ] {
        let (status, text) = cloud.aws.form(service, &[("Action", action), ("Version", version)]);
        assert_eq!(status, 200, "{action}: {text}");
        assert!(!text.contains(NAME), "{action}: {text}");
    }
}
