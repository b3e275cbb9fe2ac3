use super::Context; use crate::error::CommandError; use crate::args::LoginGarminArgs;
pub async fn run(_context: &Context, _args: &LoginGarminArgs) -> Result<u8, CommandError> { Ok(0) }
