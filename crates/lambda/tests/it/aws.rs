//! The suite's own questions to the server: what is deployed there, read back with AWS's API.
//!
//! moto takes requests without a signature; the credential's scope tells it which service is meant.

use serde_json::{Value, json};

use crate::server;

pub const REGION: &str = "eu-central-1";
/// The account that moto plays.
pub const ACCOUNT: &str = "123456789012";

#[derive(Clone)]
pub struct Aws {
    url: String,
}

impl Aws {
    pub fn at(url: &str) -> Aws {
        Aws { url: url.to_owned() }
    }

    /// A JSON service: DynamoDB, CloudWatch Logs, EventBridge, Secrets Manager.
    pub fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let (status, text) = self.try_json(service, target, body);
        assert!(status < 300, "{target} {body}: {status} {text}");
        text
    }

    /// The same, where a refusal is an answer too.
    pub fn try_json(&self, service: &str, target: &str, body: &Value) -> (u16, Value) {
        let request = server::client()
            .post(&self.url)
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", target)
            .body(body.to_string());
        let (status, text) = send(request, service);
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A service that speaks REST: Lambda.
    pub fn get(&self, service: &str, path: &str) -> (u16, Value) {
        let (status, text) = send(server::client().get(format!("{}{path}", self.url)), service);
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// A service that speaks forms and XML: IAM, SQS, SNS. The answer as text.
    pub fn form(&self, service: &str, fields: &[(&str, &str)]) -> (u16, String) {
        send(server::client().post(&self.url).form(fields), service)
    }

    /// A partition of a table, in DynamoDB's notation.
    pub fn partition(&self, table: &str, pk: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut query = json!({
                "TableName": table,
                "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": pk}},
                "ConsistentRead": true,
            });
            if !start.is_null() {
                query["ExclusiveStartKey"] = start;
            }
            let mut page = self.json("dynamodb", "DynamoDB_20120810.Query", &query);
            items.append(page["Items"].as_array_mut().expect("a page has items"));
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }

    pub fn put_all(&self, table: &str, items: &[Value]) {
        self.write_all(table, items.iter().map(|item| json!({"PutRequest": {"Item": item}})));
    }

    pub fn delete_all(&self, table: &str, items: &[Value]) {
        let key = |item: &Value| json!({"pk": item["pk"], "sk": item["sk"]});
        self.write_all(table, items.iter().map(|item| json!({"DeleteRequest": {"Key": key(item)}})));
    }

    fn write_all(&self, table: &str, requests: impl Iterator<Item = Value>) {
        let requests: Vec<Value> = requests.collect();
        // As many as a batch may have.
        for batch in requests.chunks(25) {
            let body = json!({"RequestItems": {table: batch}});
            let answer = self.json("dynamodb", "DynamoDB_20120810.BatchWriteItem", &body);
            assert!(
                answer["UnprocessedItems"].as_object().is_none_or(serde_json::Map::is_empty),
                "{answer:#}"
            );
        }
    }

    /// Every policy of a role, whether written into it or attached to it.
    pub fn policies_of(&self, role: &str) -> Vec<Value> {
        let iam = |action: &str, more: &[(&str, &str)]| {
            let mut fields = vec![("Action", action), ("Version", "2010-05-08")];
            fields.extend(more);
            let (status, text) = self.form("iam", &fields);
            assert!(status < 300, "{action}: {text}");
            text
        };
        let mut documents = Vec::new();
        for name in elements(&iam("ListRolePolicies", &[("RoleName", role)]), "member") {
            let text = iam("GetRolePolicy", &[("RoleName", role), ("PolicyName", &name)]);
            documents.extend(elements(&text, "PolicyDocument"));
        }
        for arn in elements(&iam("ListAttachedRolePolicies", &[("RoleName", role)]), "PolicyArn") {
            let text = iam("GetPolicy", &[("PolicyArn", &arn)]);
            let version = elements(&text, "DefaultVersionId").remove(0);
            let text = iam("GetPolicyVersion", &[("PolicyArn", &arn), ("VersionId", &version)]);
            documents.extend(elements(&text, "Document"));
        }
        documents.iter().map(|document| policy(document)).collect()
    }
}

fn send(request: reqwest::RequestBuilder, service: &str) -> (u16, String) {
    let scope = format!("AWS4-HMAC-SHA256 Credential=suite/20260101/{REGION}/{service}/aws4_request");
    server::wait(async {
        let request = request.header("Authorization", format!("{scope}, SignedHeaders=host, Signature=0"));
        let reply = request.send().await.expect("moto answers");
        (reply.status().as_u16(), reply.text().await.expect("moto answers with text"))
    })
}

/// The texts of all elements of that name that hold nothing but text.
fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let insides = xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    insides.map(|(inside, _)| inside.replace("&quot;", "\"").replace("&amp;", "&")).collect()
}

/// IAM answers with documents that are escaped as in an address.
fn policy(escaped: &str) -> Value {
    let query = format!("document={}", escaped.replace('+', "%2B"));
    let (_, text) = url::form_urlencoded::parse(query.as_bytes()).next().expect("there is one field");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no policy ({error}): {escaped}"))
}
