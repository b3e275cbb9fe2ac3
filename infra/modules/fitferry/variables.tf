# What a value must look like is said here, so that a mistake ends the plan and not the apply.

variable "name" {
  description = "Name of function, layer, table, rule and role."
  type        = string
  default     = "fitferry"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{2,47}$", var.name))
    error_message = "name must be 3 to 48 letters, digits, - and _, beginning with a letter."
  }
}

variable "function_zip" {
  description = "Path of the function: a zip with `bootstrap` at its root."
  type        = string
}

variable "layer_zip" {
  description = "Path of the layer: a zip with `fitferry/config.toml`."
  type        = string
}

variable "schedule" {
  description = "EventBridge schedule expression."
  type        = string
  default     = "rate(1 minute)"

  validation {
    condition = can(regex(
      "^(rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)|cron\\(\\S+( \\S+){5}\\))$",
      var.schedule,
    ))
    error_message = "schedule must be rate(1 minute), rate(N minutes|hours|days), or cron(...) with six fields."
  }
}

variable "vault" {
  description = "Where the logins live: dynamodb or secretsmanager."
  type        = string
  default     = "dynamodb"

  validation {
    condition     = contains(["dynamodb", "secretsmanager"], var.vault)
    error_message = "vault must be dynamodb or secretsmanager."
  }
}

variable "architecture" {
  description = "What the function runs on; function_zip must be of this kind."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the logs; 0 keeps them for ever."
  type        = number
  default     = 14

  validation {
    condition = contains([
      0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's: 0 (for ever), 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the table."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Your own KMS key for the table. null: AWS's own key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), not of an alias."
  }
}

variable "reserved_concurrency" {
  description = "How many runs at once are reserved for the function; null: none. AWS must leave 100 unreserved, so an account whose limit is near that refuses 1."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null || try(var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency, false)
    error_message = "reserved_concurrency must be null or a whole number from 1 (0 would stop the function: disable the rule instead)."
  }
}

variable "alarm_email" {
  description = "Where alarms go by e-mail. null: to the SNS topic only."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address."
  }
}

variable "environment" {
  description = "More FITFERRY_SECTION__KEY (and FITFERRY_CONFIG) for the function."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.environment) : can(regex("^FITFERRY_[A-Z0-9_]+$", key))])
    error_message = "environment takes the function's own variables only: FITFERRY_SECTION__KEY and FITFERRY_CONFIG."
  }

  validation {
    condition     = !anytrue([for key in keys(var.environment) : can(regex("(?i)(API_KEY|CLIENT_SECRET|EMAIL|PASSWORD|TOKEN)(_FILE)?$", key))])
    error_message = "environment takes no API_KEY, CLIENT_SECRET, EMAIL, PASSWORD or TOKEN: it would be in the Terraform state. `fitferry aws push-credentials` moves the logins."
  }

  validation {
    condition     = !anytrue([for key in keys(var.environment) : contains(["FITFERRY_STORE__URL", "FITFERRY_STORE__VAULT"], key)])
    error_message = "environment may not set FITFERRY_STORE__URL and FITFERRY_STORE__VAULT: they follow from name and vault."
  }
}
