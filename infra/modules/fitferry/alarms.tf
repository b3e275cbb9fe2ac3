# What wakes a person. The first two stand on AWS's own metrics, which cost nothing.

locals {
  # Minutes between two ticks. When a cron(...) comes next is not known here: a day is allowed for.
  rate = try(regex("^rate\\((?P<count>[0-9]+) (?P<unit>minute|hour|day)s?\\)$", var.schedule), null)
  interval_minutes = (
    local.rate == null ? 8 * 60 : tonumber(local.rate.count) * { minute = 1, hour = 60, day = 24 * 60 }[local.rate.unit]
  )
  # Ten minutes; where ticks are rarer, three of them. CloudWatch looks back for a day at most.
  silence_minutes = max(10, 3 * local.interval_minutes)
}

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name        = "${var.name}-errors"
  alarm_description = "A run of ${var.name} failed: a bug, or a configuration it cannot use. Look into /aws/lambda/${var.name}."

  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.fitferry.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "silence" {
  count = local.silence_minutes <= 24 * 60 ? 1 : 0

  alarm_name        = "${var.name}-silence"
  alarm_description = "${var.name} did not run for ${local.silence_minutes} minutes. Is its rule disabled, is the account throttled?"

  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = aws_lambda_function.fitferry.function_name }
  statistic           = "Sum"
  period              = local.silence_minutes * 60
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  # No invocation writes no number at all.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "login" {
  alarm_name        = "${var.name}-login"
  alarm_description = "A login of ${var.name} ends within two weeks, or has ended: sign in on the desk, then `fitferry aws push-credentials`."

  namespace   = "fitferry"
  metric_name = "LoginDaysLeft"
  statistic   = "Minimum"
  # The function tells it once an hour, so three hours hold a number.
  period              = 3 * 60 * 60
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 14
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
