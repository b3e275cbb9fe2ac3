use crate::error::{CommandError, Kind};
pub fn port_in_use(port: u16) -> CommandError { CommandError::new(Kind::PortInUse, "x", format!("`[strava] redirect_port` {port}")) }
