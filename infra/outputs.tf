output "function_name" {
  description = "For `aws lambda invoke --function-name`."
  value       = module.fitferry.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = module.fitferry.function_arn
}

output "layer_arn" {
  description = "ARN of the layer that carries the configuration, with its version."
  value       = module.fitferry.layer_arn
}

output "table_name" {
  description = "For `fitferry --store dynamodb:TABLE`."
  value       = module.fitferry.table_name
}

output "role_arn" {
  description = "ARN of the role that the function runs as."
  value       = module.fitferry.role_arn
}

output "log_group_name" {
  description = "For `aws logs tail`."
  value       = module.fitferry.log_group_name
}

output "rule_name" {
  description = "For `aws events disable-rule --name`, which pauses fitferry."
  value       = module.fitferry.rule_name
}
