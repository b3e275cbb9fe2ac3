output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.fitferry.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.fitferry.arn
}

output "layer_arn" {
  description = "ARN of the layer that carries the configuration, with its version."
  value       = aws_lambda_layer_version.config.arn
}

output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.fitferry.name
}

output "role_arn" {
  description = "ARN of the role that the function runs as."
  value       = aws_iam_role.function.arn
}

output "log_group_name" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.function.name
}

output "rule_name" {
  description = "Name of the rule that wakes the function."
  value       = aws_cloudwatch_event_rule.tick.name
}
