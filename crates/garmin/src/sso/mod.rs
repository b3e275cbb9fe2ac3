//! Signing in to the Connect API: with a password, in a person's browser, with a ticket that was pasted.
//!
//! All three end with a [`Ticket`], which [`redeem`] makes a [`crate::Login`] of. The password goes the phone
//! app's way and no other: [`sign_in`], then [`CodeWanted::answer`] where Garmin wants a code. A browser is
//! driven elsewhere; here is which page it opens and where the ticket goes by ([`browser`]).
//!
//! Garmin keeps robots out, by account and for hours, so a password is tried once, and after a block not before
//! the account has cooled down ([`CoolDowns`]).
//!
//! Start reading at [`sign_in`], then `answer`. Not here: asking the person, keeping the cool-downs.

mod answer;
pub mod browser;
mod cool_down;
mod error;
mod host;
mod redeem;
mod sign_in;
mod ticket;

pub use cool_down::{Account, CoolDowns};
pub use error::{SsoError, Trouble};
pub use host::SsoHost;
pub use redeem::redeem;
pub use sign_in::{Answered, CODE_TRIES, CodeMethod, CodeWanted, Credentials, Means, Step, pause, sign_in};
pub use ticket::Ticket;
