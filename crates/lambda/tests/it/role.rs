//! The role allows what the bootstrap does, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cloud::Cloud;
use crate::policy::{Need, needs};
use crate::recorder::Who;

pub fn every_call_is_allowed(cloud: &Arc<Cloud>) {
    let calls = cloud.recorder.calls_of(Who::Bootstrap);
    assert!(calls.len() > 100, "the suite made only {} calls", calls.len());
    let needed: BTreeSet<Need> = calls.iter().flat_map(needs).collect();
    // With the vault in the table, and with Secrets Manager: each call by the role that was deployed at its time.
    let in_table = |need: &&Need| need.action.starts_with("dynamodb:");
    for need in &needed {
        assert!(cloud.with_secrets_manager().grants.allows(need), "{need:?} is not allowed");
    }
    for need in needed.iter().filter(in_table) {
        assert!(cloud.deployed.grants.allows(need), "{need:?} is not allowed");
    }
}

pub fn every_allowed_action_was_called(cloud: &Arc<Cloud>) {
    let calls = cloud.recorder.calls_of(Who::Bootstrap);
    let called: BTreeSet<String> = calls.iter().flat_map(needs).map(|need| need.action).collect();
    // What Lambda itself does in the function's name.
    let by_lambda = ["logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"];
    let granted = cloud.deployed.grants.iter().chain(cloud.with_secrets_manager().grants.iter());
    let idle: BTreeSet<&str> = granted
        .map(|grant| grant.action.as_str())
        .filter(|action| !called.contains(*action) && !by_lambda.contains(action))
        .collect();
    assert!(idle.is_empty(), "allowed and never called: {idle:?}; called: {called:?}");
}

pub fn no_resource_is_everything(cloud: &Arc<Cloud>) {
    for grant in cloud.deployed.grants.iter().chain(cloud.with_secrets_manager().grants.iter()) {
        let Need { action, resource } = grant;
        assert!(!action.contains('*'), "{action} on {resource}");
        // arn:PARTITION:SERVICE:REGION:ACCOUNT:WHAT, where all but the end of WHAT is fixed.
        let parts: Vec<&str> = resource.splitn(6, ':').collect();
        assert_eq!(parts.len(), 6, "{action} on {resource}");
        assert!(
            parts[..5].iter().all(|part| !part.contains('*') && !part.is_empty()),
            "{action} on {resource}"
        );
        assert!(parts[5].contains(crate::infra::NAME), "{action} on {resource}");
    }
    assert!(cloud.deployed.grants.iter().all(|grant| !grant.action.starts_with("secretsmanager:")));
}
