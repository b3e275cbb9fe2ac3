//! What a call needs of a role, and whether a policy grants it.
//!
//! Judged as AWS does for what fitferry uses: `Allow` statements with actions and resources, `*` and `?` in
//! resources. What this cannot judge, it refuses.

use serde_json::Value;

use crate::aws::{ACCOUNT, REGION};
use crate::recorder::Call;

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `dynamodb:GetItem`
    pub action: String,
    /// An ARN.
    pub resource: String,
}

/// What AWS looks up in the policy for this call.
pub fn needs(call: &Call) -> Vec<Need> {
    let need =
        |action: &str, resource: String| Need { action: format!("{}:{action}", call.service), resource };
    match (call.service.as_str(), call.action.as_str()) {
        // A transaction has no action of its own: each item needs what it would need alone.
        ("dynamodb", "TransactWriteItems" | "TransactGetItems") => {
            let items = call.body["TransactItems"].as_array().expect("a transaction has items");
            let each = items.iter().flat_map(|item| item.as_object().expect("an item is an object"));
            each.map(|(kind, item)| {
                let action = match kind.as_str() {
                    "Put" => "PutItem",
                    "Update" => "UpdateItem",
                    "Delete" => "DeleteItem",
                    "ConditionCheck" => "ConditionCheckItem",
                    "Get" => "GetItem",
                    other => panic!("{other} is no part of a transaction"),
                };
                need(action, table(&item["TableName"]))
            })
            .collect()
        }
        ("dynamodb", action @ ("BatchGetItem" | "BatchWriteItem")) => {
            let tables = call.body["RequestItems"].as_object().expect("a batch names its tables");
            tables.keys().map(|name| need(action, table(&Value::from(name.as_str())))).collect()
        }
        ("dynamodb", action) => {
            let table = table(&call.body["TableName"]);
            let resource = match call.body["IndexName"].as_str() {
                Some(index) => format!("{table}/index/{index}"),
                None => table,
            };
            vec![need(action, resource)]
        }
        ("secretsmanager", action) => {
            let id =
                call.body["SecretId"].as_str().or(call.body["Name"].as_str()).expect("it names a secret");
            // AWS ends a secret's ARN with six characters of its own.
            let resource = match id.starts_with("arn:") {
                true => id.to_owned(),
                false => format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{id}-AbCdEf"),
            };
            vec![need(action, resource)]
        }
        (service, action) => panic!("the bootstrap has no business with {service}:{action}"),
    }
}

fn table(name: &Value) -> String {
    let name = name.as_str().expect("a call of DynamoDB names its table");
    match name.starts_with("arn:") {
        true => name.to_owned(),
        false => format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"),
    }
}

/// Actions with the resources that they are allowed on, from all policies of a role.
#[derive(Clone, Debug)]
pub struct Grants(Vec<Need>);

impl Grants {
    /// # Panics
    /// If a statement is of a sort that is not judged here.
    pub fn of(policies: &[Value]) -> Grants {
        let mut grants = Vec::new();
        for statement in policies.iter().flat_map(|policy| one_or_many(&policy["Statement"])) {
            assert_eq!(statement["Effect"], "Allow", "{statement:#}");
            for key in statement.as_object().expect("a statement is an object").keys() {
                let known = ["Sid", "Effect", "Action", "Resource"].contains(&key.as_str());
                assert!(known, "{key} is not judged here: {statement:#}");
            }
            for action in one_or_many(&statement["Action"]) {
                for resource in one_or_many(&statement["Resource"]) {
                    let text = |value: &Value| value.as_str().expect("a text").to_owned();
                    grants.push(Need { action: text(action), resource: text(resource) });
                }
            }
        }
        Grants(grants)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Need> {
        self.0.iter()
    }

    pub fn allows(&self, need: &Need) -> bool {
        self.iter().any(|grant| grant.action == need.action && matches(&grant.resource, &need.resource))
    }
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |many| many.iter().collect())
}

/// `*` stands for any text, `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }
        Some(wanted) => {
            let mut characters = text.chars();
            let found = characters.next().is_some_and(|found| wanted == '?' || wanted == found);
            found && matches(&pattern[wanted.len_utf8()..], characters.as_str())
        }
    }
}
