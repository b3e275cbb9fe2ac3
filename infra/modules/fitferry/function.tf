# The function, and the layer that carries its configuration. A change of rules is a new version of the
# layer; the function's code stays.

locals {
  # So that a plan without packages says what to do; `terraform destroy` needs none.
  function_hash = fileexists(var.function_zip) ? filebase64sha256(var.function_zip) : null
  layer_hash    = fileexists(var.layer_zip) ? filebase64sha256(var.layer_zip) : null
}

resource "aws_lambda_function" "fitferry" {
  function_name = var.name
  description   = "Carries activities from Garmin Connect to Strava"
  role          = aws_iam_role.function.arn

  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = var.function_zip
  source_code_hash = local.function_hash
  layers           = [aws_lambda_layer_version.config.arn]

  # CPU comes with memory. 128 MB would do for an idle tick, but a download may be 64 MB packed and is
  # unpacked beside it; and at a fourteenth of a CPU handshakes take twice as long, so it is not cheaper.
  memory_size = 256
  # A run gives itself 5 s less; the next one comes after a minute.
  timeout = 50

  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)

  environment {
    variables = merge(var.environment, {
      FITFERRY_STORE__URL   = "dynamodb:${aws_dynamodb_table.fitferry.name}"
      FITFERRY_STORE__VAULT = var.vault == "secretsmanager" ? "secretsmanager:${var.name}" : "store"
    })
  }

  lifecycle {
    precondition {
      condition     = fileexists(var.function_zip)
      error_message = "There is no ${var.function_zip}: run `make package ARCH=${var.architecture}` first."
    }
  }

  # Without its log group it would lose what it says; without its rights the first run would fail.
  depends_on = [aws_cloudwatch_log_group.function, aws_iam_role_policy.function]
}

resource "aws_lambda_layer_version" "config" {
  layer_name          = var.name
  description         = "fitferry's config.toml"
  filename            = var.layer_zip
  source_code_hash    = local.layer_hash
  compatible_runtimes = ["provided.al2023"]

  lifecycle {
    # The function moves to the new version before the old one goes.
    create_before_destroy = true

    precondition {
      condition     = fileexists(var.layer_zip)
      error_message = "There is no ${var.layer_zip}: run `make package` first."
    }
  }
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

# A run that failed is not repeated: the next one comes within a minute and knows what is left. What failed is
# kept, so that somebody can look.
resource "aws_lambda_function_event_invoke_config" "fitferry" {
  function_name                = aws_lambda_function.fitferry.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed.arn
    }
  }
}

resource "aws_sqs_queue" "failed" {
  name                      = "${var.name}-failed"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
}
