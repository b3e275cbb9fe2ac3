//! The table, as whoever creates it must define it. fitferry never creates one: Terraform does, and tests do.

use aws_sdk_dynamodb::operation::create_table::builders::CreateTableInputBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType,
};

use super::item::{OPEN, PK, SK, START, STATE};

/// Keys, indexes and billing of a table by this name.
pub fn definition(name: &str) -> CreateTableInputBuilder {
    let open = Projection::builder().projection_type(ProjectionType::All).build();
    let start =
        Projection::builder().projection_type(ProjectionType::Include).non_key_attributes(STATE).build();
    CreateTableInputBuilder::default()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some([PK, SK, OPEN, START].map(text).to_vec()))
        .set_key_schema(Some(keys(SK)))
        .local_secondary_indexes(index(OPEN, open))
        .local_secondary_indexes(index(START, start))
}

fn index(name: &str, projection: Projection) -> LocalSecondaryIndex {
    LocalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(keys(name)))
        .projection(projection)
        .build()
        .expect("an index has a name and keys")
}

fn keys(range: &str) -> Vec<KeySchemaElement> {
    [(PK, KeyType::Hash), (range, KeyType::Range)]
        .map(|(name, kind)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .expect("a key has a name and a kind")
        })
        .to_vec()
}

fn text(name: &str) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("an attribute has a name and a type")
}
