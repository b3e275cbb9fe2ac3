# Values come from terraform.tfvars beside this file, or from TF_VAR_… in the environment. No variable
# takes a secret: those go from the desk to the cloud with `fitferry aws push-credentials`.
# What a value must look like is checked in modules/fitferry/variables.tf.

variable "name" {
  description = "Name of function, layer, table, rule and role; the logs are in /aws/lambda/<name>."
  type        = string
  default     = "fitferry"
}

variable "region" {
  description = "AWS region. null: as the AWS tools find it (AWS_REGION, or the profile)."
  type        = string
  default     = null
}

variable "schedule" {
  description = "How often the function looks at Garmin, as EventBridge writes it: rate(1 minute), cron(0/5 5-22 * * ? *). At least once a day, or the alarm for silence rings."
  type        = string
  default     = "rate(1 minute)"
}

variable "vault" {
  description = "Where the logins live: dynamodb (the table itself) or secretsmanager (one JSON secret <name>/ATHLETE)."
  type        = string
  default     = "dynamodb"
}

variable "architecture" {
  description = "What the function runs on: x86_64 or arm64. Package that kind first (`make package ARCH=arm64`)."
  type        = string
  default     = "x86_64"
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the logs; 0 keeps them for ever."
  type        = number
  default     = 14
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the table, which holds the ledger and perhaps the logins."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Your own KMS key for the table. null: AWS's own key, which costs nothing."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "1 keeps two runs from ever overlapping (the lease in the table sees to that anyway). AWS must leave 100 unreserved, and a new account may have only 10 in all: it refuses then. null reserves nothing."
  type        = number
  default     = null
}

variable "alarm_email" {
  description = "Where alarms go by e-mail; AWS sends a mail first that must be confirmed. null: to the SNS topic only."
  type        = string
  default     = null
}

variable "environment" {
  description = "More FITFERRY_SECTION__KEY (and FITFERRY_CONFIG) for the function. Secrets are refused: they would be in the Terraform state."
  type        = map(string)
  default     = {}
}
