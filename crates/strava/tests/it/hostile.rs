//! Whatever a server sends, the client answers with a value or a failure.

use std::collections::BTreeSet;

use fitferry_core::activity::UploadId;
use fitferry_core::ports::Destination;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::FileFailurePersistence;

use crate::bench::{Bench, login_text, window};
use crate::server::Reply;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_answer_makes_the_client_panic(
        status in prop_oneof![Just(200_u16), Just(201), Just(400), Just(401), Just(403), Just(429), 200..600_u16],
        body in body(),
        header in "[ -~]{0,20}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let reply = Reply::Answer {
                status,
                headers: ["X-RateLimit-Limit", "X-RateLimit-Usage", "Date", "Retry-After"]
                    .map(|name| (name.to_owned(), header.clone()))
                    .to_vec(),
                body,
            };
            let bench = Bench::with(&login_text(20), move |_| reply.clone()).await;
            let _ = bench.client.find(window(), &BTreeSet::new()).await;
            let _ = bench.client.upload(&bench.an_upload()).await;
            let _ = bench.client.confirm(UploadId(1)).await;
            let _ = bench.client.athlete().await;
        });
    }
}

/// Bytes, and JSON with the names that the client looks for and values of any kind.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("-9e99".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| serde_json::json!(number).to_string()),
        any::<String>().prop_map(|text| serde_json::json!(text).to_string()),
        Just(r#""x duplicate of <a href='/activities/9""#.to_owned()),
        Just(r#""2026-11-20T00:00:01Z""#.to_owned()),
        Just(r#"[{"resource":"Application","field":"Status","code":"Inactive"}]"#.to_owned()),
    ];
    let name = prop_oneof![
        Just("id"),
        Just("error"),
        Just("status"),
        Just("activity_id"),
        Just("errors"),
        Just("message"),
        Just("start_date"),
        Just("start_date_local"),
        Just("elapsed_time"),
        Just("distance"),
        Just("access_token"),
        Just("refresh_token"),
        Just("expires_at"),
        Just("expires_in"),
        Just("athlete"),
    ];
    let object = proptest::collection::vec((name, value), 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    });
    let list =
        proptest::collection::vec(object.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(",")));
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        object.prop_map(String::into_bytes),
        list.prop_map(String::into_bytes),
    ]
}
