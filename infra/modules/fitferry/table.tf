# Ledger, lease and budget; also the vault, unless that is Secrets Manager.

resource "aws_dynamodb_table" "fitferry" {
  name         = var.name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  range_key    = "sk"

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "open"
    type = "S"
  }

  attribute {
    name = "start"
    type = "S"
  }

  # Rows that are not yet in a final state: what a tick with work reads, whole. Local, since a tick must see
  # what the one before it wrote.
  local_secondary_index {
    name            = "open"
    range_key       = "open"
    projection_type = "ALL"
  }

  # All rows by time, with the state that counts and lists go by.
  local_secondary_index {
    name               = "start"
    range_key          = "start"
    projection_type    = "INCLUDE"
    non_key_attributes = ["state"]
  }

  deletion_protection_enabled = var.deletion_protection

  point_in_time_recovery {
    enabled = true
  }

  # A table is always encrypted, with a key that AWS owns; this block is for a key of one's own.
  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }
}
