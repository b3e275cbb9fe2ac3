//! *No secret shown*: nothing that is kept in the open, or told, holds one.

use std::sync::Arc;

use crate::cloud::Cloud;

pub fn no_secret_is_in_state_plan_logs_answers_or_the_functions_environment(cloud: &Arc<Cloud>) {
    let secrets = &cloud.secrets;
    secrets.heard("terraform.tfstate", &cloud.infra.state().to_string());
    secrets.heard("the first plan", &cloud.first_plan.text);
    secrets.heard("the first apply", &cloud.first_apply.text);
    for name in crate::package::entries(&cloud.infra.plan_file()) {
        let entry = crate::package::read(&cloud.infra.plan_file(), &name);
        secrets.heard("the plan's file", &String::from_utf8_lossy(&entry));
    }
    for archive in [&cloud.package.function_zip, &cloud.package.layer_zip] {
        for name in crate::package::entries(archive) {
            let entry = crate::package::read(archive, &name);
            secrets.heard("the package", &String::from_utf8_lossy(&entry));
        }
    }
    let function = cloud.output("function_name");
    let path = format!("/2015-03-31/functions/{function}/configuration");
    secrets.heard("the function's configuration", &cloud.aws.get("lambda", &path).1.to_string());
    for (name, log) in cloud.all_logs() {
        secrets.heard(&format!("the log {name}"), &log);
    }

    // The search is worth what it searches, and what for.
    assert!(secrets.len() > 50, "{} secrets are known", secrets.len());
    for place in ["terraform.tfstate", "the plan's file", "the log", "an answer", "the desk", "tf-plan"] {
        assert!(secrets.texts_from(place) > 0, "nothing was heard from {place}");
    }
    assert_eq!(secrets.leaks(), Vec::<String>::new());
}
