//! A Garmin and a Strava of our own, on loopback.
//!
//! One world model with two skins. [`World`] is a value without clock and I/O that answers requests as the two
//! services do, according to the protocol dossiers and not to our clients: old refresh tokens end at once,
//! refused requests count, damaged files are refused in Strava's words. [`Sandbox`] puts it behind sockets.
//!
//! ```no_run
//! use std::sync::{Arc, Mutex};
//! use fitferry_sandbox::{Fault, Options, Route, Sandbox, What, When, World};
//!
//! let world = World::demo("2026-11-23T06:00:00Z".parse().unwrap(), 1);
//! let sandbox = Sandbox::start(Arc::new(Mutex::new(world)), Options::default()).unwrap();
//! // For the program under test: FITFERRY_ENDPOINTS__…
//! let environment = sandbox.env();
//! // The second upload from now on is taken, and its answer is lost.
//! let fault = Fault { route: Route::StravaUpload, when: When::Nth(2), what: What::DropAfter };
//! sandbox.world().faults.push(fault);
//! // … run the program …
//! assert!(sandbox.world().doubles().is_empty());
//! assert_eq!(sandbox.counts().garmin_api, 1);
//! # drop(environment);
//! ```
//!
//! A [`Sandbox`] starts from any thread, with or without a tokio runtime around it, and ends when it is dropped.
//! Its world is reached through [`Sandbox::world`] at any time, its clock is moved with `sandbox.clock().shift(…)`
//! or stands from the beginning ([`Clock::standing`]).
//!
//! Logins: [`garmin::API_KEY`]; [`garmin::sso::EMAIL`] and [`garmin::sso::PASSWORD`] with the sign-in pages, codes
//! from [`garmin::sso::Sso::code`]; [`strava::CLIENT_ID`] and [`strava::CLIENT_SECRET`] with the consent page, or with
//! [`Sandbox::consent`] in place of the person. Past all that, [`World::strava_login`], [`World::garmin_bearer`],
//! [`World::garmin_login`], [`World::garmin_ticket`].
//!
//! To kill a client at its n-th request, give [`Options::on_request`] a hook that counts and kills. A request that
//! has been read completely takes effect even if its client dies in [`Phase::Before`]; where it shall not, add a
//! fault with [`What::DropBefore`].
//!
//! Without sockets, [`World::answer`] takes a [`Request`], a service and the time; and without HTTP there is
//! [`direct`], the skin that simulations ask by calls.

pub mod direct;
pub mod faults;
pub mod garmin;
pub mod generate;
pub mod message;
pub mod rng;
pub mod strava;

mod demo;
mod folder;
mod jwt;
mod multipart;
mod page;
mod routes;
mod server;
mod world;

pub use faults::{Fault, Faults, What, When, Wire};
pub use message::{Reply, Request};
pub use routes::{Route, Service};
pub use server::{Clock, Counts, Hook, Options, Phase, RequestEvent, Sandbox, Seen};
pub use world::{Outcome, World};
