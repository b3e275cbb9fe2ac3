# What the function may do: these calls on these things, and nothing else.

locals {
  # All that the function asks of its table and the table's indexes.
  table_actions = [
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
  ]

  # All that it asks of the secrets; the secrets are made on the desk.
  secret_actions = [
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
  ]

  # What DynamoDB does with a key of one's own, in the name of whoever reads or writes the table.
  key_actions = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
  ]

  log_actions = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
  ]

  # arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME
  table_arn = split(":", aws_dynamodb_table.fitferry.arn)
  partition = local.table_arn[1]
  region    = local.table_arn[3]
  account   = local.table_arn[4]
}

resource "aws_iam_role" "function" {
  name               = var.name
  description        = "What the function ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "function" {
  name   = var.name
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}

data "aws_iam_policy_document" "function" {
  statement {
    sid     = "Table"
    actions = local.table_actions
    resources = [
      aws_dynamodb_table.fitferry.arn,
      "${aws_dynamodb_table.fitferry.arn}/index/*",
    ]
  }

  dynamic "statement" {
    for_each = var.vault == "secretsmanager" ? [var.name] : []

    content {
      sid       = "Vault"
      actions   = local.secret_actions
      resources = ["arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${statement.value}/*"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "Key"
      actions   = local.key_actions
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["dynamodb.${local.region}.amazonaws.com"]
      }
    }
  }

  # The group is made by Terraform, with its retention.
  statement {
    sid       = "Logs"
    actions   = local.log_actions
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }

  # Lambda hands over in the function's name what failed.
  statement {
    sid       = "Failed"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.failed.arn]
  }
}
