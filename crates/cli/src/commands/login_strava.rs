use super::Context; use crate::error::CommandError; use crate::args::LoginStravaArgs;
pub async fn run(_context: &Context, _args: &LoginStravaArgs) -> Result<u8, CommandError> { Ok(0) }
