//! Stories of fitferry on AWS: the packaged bootstrap and the Terraform root against an AWS, a Garmin and a
//! Strava on loopback.
//!
//! One deployment serves the whole suite, since a deployment takes most of a minute, so the stories have a
//! harness of their own: `cargo test -p fitferry-lambda --test it -- NAME` picks some of them as always. They
//! run in the order of the acts below; within the first, side by side. The last acts look at what all the
//! others did.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a harness talks to the one who runs it")]
#![expect(unreachable_pub, reason = "no other crate uses these tests: here `pub` is for the other modules")]

mod account;
mod aws;
mod cloud;
mod desk;
mod function;
mod infra;
mod line;
mod moto;
mod package;
mod policy;
mod recorder;
mod runtime;
mod secrets;
mod server;
mod steps;
mod time;
mod tools;

mod commands;
mod deadline;
mod deployment;
mod figures;
mod idle;
mod kills;
mod logs;
mod migration;
mod outage;
mod overlap;
mod role;
mod secrecy;
mod secrets_manager;
mod throttling;
mod ticks;
mod tokens;

use std::any::Any;
use std::panic;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};

use crate::cloud::Cloud;

type Story = fn(&Arc<Cloud>);

macro_rules! stories {
    ($($module:ident :: $story:ident),* $(,)?) => {
        &[$((concat!(stringify!($module), "::", stringify!($story)), $module::$story as Story)),*]
    };
}

struct Act {
    /// Side by side where stories have nothing to do with each other: they mostly wait.
    threads: usize,
    stories: &'static [(&'static str, Story)],
}

const ACTS: &[Act] = &[
    Act {
        threads: 6,
        stories: stories![
            deployment::what_is_deployed_is_what_was_packaged,
            deployment::the_function_has_the_environment_that_the_variables_name,
            deployment::the_rule_calls_the_function_every_minute,
            ticks::a_cold_tick_carries_two_new_runs_bit_for_bit,
            ticks::an_event_older_than_90_seconds_asks_for_nothing_at_all,
            ticks::without_logins_a_tick_says_what_to_do_and_does_not_fail,
            ticks::a_configuration_that_cannot_be_used_fails_and_names_the_key,
            idle::an_idle_tick_is_one_request_to_garmin_and_one_read,
            tokens::a_rotated_strava_token_is_in_the_table_before_it_is_used,
            tokens::a_tick_killed_after_the_rotation_leaves_a_login_that_works,
            kills::a_tick_killed_between_an_upload_and_its_record_makes_no_double,
            kills::killed_at_any_call_to_aws_it_ends_with_both_runs_once,
            overlap::of_two_invocations_at_once_one_works_and_the_other_says_busy,
            deadline::ten_runs_in_eight_seconds_a_tick_arrive_over_several_ticks,
            outage::strava_down_for_an_hour_loses_nothing_and_is_hardly_asked,
            throttling::a_throttled_table_delays_a_run_and_loses_nothing,
            commands::status_answers_from_the_table_alone,
            commands::a_dry_run_says_what_would_cross_and_writes_nothing,
            commands::the_command_sync_is_a_tick,
            commands::what_cannot_be_meant_is_an_error_of_kind_usage,
            logs::an_idle_tick_writes_one_line_and_once_an_hour_a_second_with_the_metrics,
            migration::the_original_projects_token_moves_with_the_documented_commands,
        ],
    },
    Act {
        threads: 1,
        stories: stories![
            figures::what_a_tick_takes,
            idle::an_idle_tick_costs_the_same_with_ten_thousand_rows,
            deployment::a_second_plan_shows_no_change,
            deployment::a_secret_in_the_functions_environment_is_refused,
        ],
    },
    Act {
        threads: 1,
        stories: stories![
            secrets_manager::a_cold_tick_reads_the_secret_once_and_carries_a_run,
            secrets_manager::a_rotated_token_is_in_the_secret_before_it_is_used,
        ],
    },
    Act {
        threads: 1,
        stories: stories![
            role::every_call_is_allowed,
            role::every_allowed_action_was_called,
            role::no_resource_is_everything,
            logs::every_line_of_every_process_is_json,
            secrecy::no_secret_is_in_state_plan_logs_answers_or_the_functions_environment,
            deployment::destroy_leaves_nothing,
        ],
    },
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let is_shown_only = arguments.list;
    if let (false, Some(sentence)) = (is_shown_only, tools::missing()) {
        eprintln!("{sentence}");
        return if tools::is_ci() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let chosen_threads = arguments.test_threads;
    let stage = Arc::new(Stage::default());
    let mut has_failed = false;
    for act in ACTS {
        arguments.test_threads = chosen_threads.map(|chosen| chosen.min(act.threads)).or(Some(act.threads));
        let conclusion = libtest_mimic::run(&arguments, stage.trials(act));
        has_failed |= conclusion.num_failed > 0;
    }
    Arc::into_inner(stage).expect("no trial outlives its act").clear(has_failed);
    if has_failed { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// The cloud, from the first story that needs it to the last.
#[derive(Default)]
struct Stage {
    cloud: OnceLock<Result<Arc<Cloud>, String>>,
}

impl Stage {
    fn trials(self: &Arc<Stage>, act: &Act) -> Vec<Trial> {
        let trial = |&(name, story): &(&'static str, Story)| {
            let stage = self.clone();
            Trial::test(name, move || {
                story(stage.cloud()?);
                Ok(())
            })
        };
        act.stories.iter().map(trial).collect()
    }

    /// Comes up once. Where it cannot, every story says why and none tries again.
    fn cloud(&self) -> Result<&Arc<Cloud>, &String> {
        let come_up = || panic::catch_unwind(Cloud::up).map(Arc::new).map_err(|payload| said_by(&*payload));
        self.cloud.get_or_init(come_up).as_ref()
    }

    fn clear(self, has_failed: bool) {
        let Some(Ok(cloud)) = self.cloud.into_inner() else { return };
        let cloud = Arc::into_inner(cloud).expect("no story outlives its act");
        if has_failed {
            eprintln!("The files of this run are in {}", cloud.folder().display());
        }
        cloud.down(has_failed);
    }
}

fn said_by(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
