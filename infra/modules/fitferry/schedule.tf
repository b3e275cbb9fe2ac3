# What wakes the function. The scheduled event goes to it as it comes.

resource "aws_cloudwatch_event_rule" "tick" {
  name                = var.name
  description         = "Wakes ${var.name}"
  schedule_expression = var.schedule
}

resource "aws_cloudwatch_event_target" "tick" {
  rule      = aws_cloudwatch_event_rule.tick.name
  target_id = var.name
  arn       = aws_lambda_function.fitferry.arn

  # A tick that could not be handed over within a minute is none: the next one is due.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }
}

resource "aws_lambda_permission" "tick" {
  statement_id  = "tick"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.fitferry.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.tick.arn
}
