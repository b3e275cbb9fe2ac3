# One fitferry in one AWS account. `make tf-init`, `make tf-plan` and `make tf-apply` use this folder;
# ../docs/aws.md tells the whole way.

provider "aws" {
  # null: as the AWS tools find it (AWS_REGION, or the profile).
  region = var.region

  default_tags {
    tags = {
      Application = "fitferry"
      Deployment  = var.name
    }
  }
}

module "fitferry" {
  source = "./modules/fitferry"

  # What `make package` writes.
  function_zip = "${path.root}/../target/package/function-${var.architecture}.zip"
  layer_zip    = "${path.root}/../target/package/layer.zip"

  name                 = var.name
  schedule             = var.schedule
  vault                = var.vault
  architecture         = var.architecture
  log_retention_days   = var.log_retention_days
  deletion_protection  = var.deletion_protection
  kms_key_arn          = var.kms_key_arn
  reserved_concurrency = var.reserved_concurrency
  alarm_email          = var.alarm_email
  environment          = var.environment
}
