//! The wire: AWS's JSON protocol, and what may befall a request on it.

use std::io;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::calls::Refusal;
use super::locked;
use super::table::Table;

/// How often of a thousand requests one meets a table that is busy, and how often an answer is lost.
const BUSY: u64 = 6;
const LOST: u64 = 6;

/// Every connection ends at the same table.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<Table>>);

impl Wire {
    pub(super) fn to(table: &Arc<Mutex<Table>>) -> Wire {
        Wire(Arc::clone(table))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let action = target.strip_prefix("DynamoDB_20120810.").unwrap_or_default();
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default());
        HttpConnectorFuture::ready(locked(&self.0).heard(action, &body.unwrap_or(Value::Null)))
    }
}

impl Table {
    /// Answers a request, or does not.
    fn heard(&mut self, action: &str, body: &Value) -> Result<HttpResponse, ConnectorError> {
        if self.dice.chance(BUSY) {
            self.moods.busy += 1;
            return match self.dice.between(0, 2) {
                0 => Ok(refused(&Refusal::of("ProvisionedThroughputExceededException", "too fast"))),
                1 => Ok(response(500, &json!({ "__type": "InternalServerError", "message": "sorry" }))),
                _ => Err(broken()),
            };
        }
        let answer = self.answer(action, body);
        // An account that is written twice counts twice, which is the safe side, but not what the maps count.
        let may_be_lost = matches!(action, "UpdateItem" | "TransactWriteItems");
        if may_be_lost && self.dice.chance(LOST) {
            self.moods.lost += 1;
            return Err(broken());
        }
        match answer {
            Ok(answer) => Ok(response(200, &answer)),
            Err(refusal) => Ok(refused(&refusal)),
        }
    }
}

fn refused(refusal: &Refusal) -> HttpResponse {
    let mut body = refusal.more.clone();
    body.insert("__type".to_owned(), json!(format!("com.amazonaws.dynamodb.v20120810#{}", refusal.code)));
    body.insert("message".to_owned(), json!(refusal.message));
    response(400, &Value::Object(body))
}

fn response(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("it is one of three");
    HttpResponse::new(status, SdkBody::from(body.to_string()))
}

fn broken() -> ConnectorError {
    ConnectorError::io(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
}
