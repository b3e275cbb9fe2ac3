//! What people read: tables that fit the terminal, and never more than 80 columns where there is none.
//!
//! Not here: JSON (`document`), printing (`output`).

use std::collections::BTreeMap;

use comfy_table::{ContentArrangement, Table, presets};
use fitferry_app::status::Status;
use fitferry_core::activity::GarminId;
use fitferry_core::budget::Gauge;
use fitferry_core::engine::report::{Report, Would, WouldAction};
use fitferry_core::head::Head;
use fitferry_core::ledger::{Cause, How, RejectReason, Row, Shown, SkipReason, State};
use fitferry_core::sport;
use fitferry_garmin::Recent;
use jiff::Timestamp;

use crate::commands::show::{garmin_url, strava_url};

/// What a tick did, or would do.
pub fn report(report: &Report, width: u16) -> String {
    let mut text = String::new();
    if report.dry_run {
        let rows = report.would.iter().map(|would| line(&would.row, would_become(would, report)));
        text += &table(["Start", "Activity", "Sport", "What would happen"], rows, width);
        if report.would.is_empty() && report.trouble.is_none() {
            text += "Nothing new.";
        }
        return text.trim_end().to_owned();
    }
    if report.rows.is_empty() {
        let open = report.open.total();
        if report.trouble.is_none() {
            text += if open == 0 { "Nothing new." } else { "Nothing new; some are still on their way." };
        }
        return text;
    }
    let rows = report.rows.iter().map(|row| line(row, becomes(row, &report.head, report.finished)));
    text += &table(["Start", "Activity", "Sport", "What became of it"], rows, width);
    text
}

/// An activity that nothing is known of but what the list says.
pub fn row_of(recent: &Recent, now: Timestamp) -> Row {
    Row::seen(recent.listed.clone(), State::Wanted, now)
}

/// The newest activities with their types, for somebody who chooses among them.
pub fn newest(recent: &[Recent], width: u16) -> String {
    let rows = recent.iter().map(|recent| {
        let key = recent.listed.type_key.as_deref().map_or("-".to_owned(), clean);
        line(&row_of(recent, Timestamp::UNIX_EPOCH), key + privacy(recent))
    });
    table(["Start", "Activity", "Sport", "Type on Garmin"], rows, width)
}

/// What would become of the newest activities, or became of those that the ledger has.
pub fn outlook(recent: &[Recent], report: &Report, known: &BTreeMap<GarminId, Row>, width: u16) -> String {
    let rows = recent.iter().map(|recent| {
        let id = recent.listed.id;
        let would = report.would.iter().find(|would| would.row.id() == id);
        let what = match (would, known.get(&id)) {
            (Some(would), _) => would_become(would, report),
            (None, Some(row)) => becomes(row, &report.head, report.finished),
            (None, None) => "not known, since a service could not be asked".to_owned(),
        };
        line(&row_of(recent, report.finished), what + privacy(recent))
    });
    let text = table(["Start", "Activity", "Sport", "What would happen"], rows, width);
    if text.is_empty() && report.trouble.is_none() { "Nothing is on Garmin yet.".to_owned() } else { text }
}

fn privacy(recent: &Recent) -> &'static str {
    if recent.is_private { " (private on Garmin)" } else { "" }
}

fn would_become(would: &Would, report: &Report) -> String {
    match would.action {
        WouldAction::Upload => "would be uploaded".to_owned(),
        WouldAction::AlreadyThere => "is on Strava already".to_owned(),
        WouldAction::Skip => becomes(&would.row, &report.head, report.finished),
    }
}

/// The ledger, or a part of it.
pub fn lives(rows: &[Row], head: &Head, now: Timestamp, width: u16) -> String {
    let rows = rows.iter().map(|row| line(row, becomes(row, head, now)));
    table(["Start", "Activity", "Sport", "What became of it"], rows, width)
}

fn line(row: &Row, what: String) -> [String; 4] {
    let start = row
        .activity
        .local_date
        .map(|day| day.to_string())
        .or_else(|| row.start().map(|start| jiff::tz::Offset::UTC.to_datetime(start).date().to_string()));
    [
        start.unwrap_or_else(|| "unknown".to_owned()),
        shortened(row.activity.name.as_deref().unwrap_or("(no name)"), 30),
        sport::strava_sport(&row.activity).unwrap_or("-").to_owned(),
        what,
    ]
}

/// One activity's state in a few words.
fn becomes(row: &Row, head: &Head, now: Timestamp) -> String {
    let detail = |detail: &Option<String>| {
        detail.as_ref().map(|text| format!(": {}", clean(text))).unwrap_or_default()
    };
    match &row.state {
        State::Published { how: How::Uploaded, .. } => "uploaded".to_owned(),
        State::Published { how: How::AlreadyThere, .. } => "was on Strava already".to_owned(),
        State::Published { how: How::Duplicate, .. } => "Strava had it already".to_owned(),
        State::Skipped { reason, detail: why } => match reason {
            SkipReason::ByHand => "skipped by hand".to_owned(),
            _ => format!("skipped{}", detail(why)),
        },
        State::Rejected { reason, detail: why } => {
            let what = match reason {
                RejectReason::GarminError => "Garmin never served it",
                _ => "rejected",
            };
            format!("{what}{}", detail(why))
        }
        State::Submitted { .. } => "sent; Strava is processing it".to_owned(),
        State::Wanted | State::Submitting { .. } => match row.waits(head, now) {
            Some((until, cause)) => {
                let until = until.map(|until| format!(" until {}", minute(until))).unwrap_or_default();
                format!("waits{until}: {}", in_words(cause))
            }
            None => "to be sent".to_owned(),
        },
    }
}

fn in_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Processing => "Strava is processing it",
        Cause::Hold => "held for Garmin's own link",
        Cause::Budget => "the request budget is used up",
        Cause::InDoubt => "sent, but Strava's answer was lost",
        Cause::StravaLimit => "Strava limits us",
        Cause::StravaDown => "Strava is down",
        Cause::StravaInactive => "the Strava application is inactive",
        Cause::StravaError => "Strava refuses",
        Cause::GarminLimit => "Garmin limits us",
        Cause::GarminDown => "Garmin is down",
        Cause::GarminDownloadUnavailable => "Garmin does not serve the file yet",
    }
}

/// `show`: everything about one activity.
pub fn life(row: &Row, head: &Head, now: Timestamp) -> String {
    let activity = &row.activity;
    let mut lines =
        vec![format!("{}  {}", row.id(), activity.name.as_deref().map_or("(no name)".to_owned(), clean))];
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("  {key:<9} {value}"));
        }
    };
    add("state", Some(format!("{} - {}", row.shown(head, now), becomes(row, head, now))));
    add("start", row.start().map(|start| start.to_string()));
    add("type", activity.type_key.clone());
    add("distance", activity.distance.map(|distance| format!("{:.2} km", distance.km())));
    add("elapsed", row.elapsed().map(|elapsed| format!("{} s", elapsed.as_secs())));
    add(
        "file",
        row.file.as_ref().map(|file| {
            let damage = file.damage.as_ref().map(|damage| format!("; {damage}")).unwrap_or_default();
            format!("{}, {} bytes, sha256 {}{damage}", file.kind.extension(), file.bytes, file.sha256)
        }),
    );
    add("Garmin", Some(garmin_url(row.id())));
    if let State::Published { strava, .. } = row.state {
        add("Strava", Some(strava_url(strava.0)));
    }
    lines.push("  history".to_owned());
    for moment in &row.history {
        lines.push(format!("    {}  {}", minute(moment.at), clean(&moment.event)));
    }
    lines.join("\n")
}

pub fn status(status: &Status, now: Timestamp) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut add = |key: &str, value: String| lines.push(format!("{key:<11} {value}"));
    add(
        "Garmin",
        match &status.garmin {
            None => "nobody is signed in: run `fitferry login garmin`".to_owned(),
            Some(garmin) if !garmin.ok => "the login has ended: run `fitferry login garmin`".to_owned(),
            Some(garmin) => {
                let ends = garmin.ends.map(|ends| format!(", ends {}", minute(ends))).unwrap_or_default();
                let kind = if garmin.kind == "personal" { "Personal API key" } else { "Connect tokens" };
                format!("signed in ({kind}{ends})")
            }
        },
    );
    add(
        "Strava",
        match &status.strava {
            None => "nobody is signed in: run `fitferry login strava`".to_owned(),
            Some(strava) if !strava.ok => "the login has ended: run `fitferry login strava`".to_owned(),
            Some(strava) => {
                let who = strava.athlete.as_ref().map(|who| format!(" as {who}")).unwrap_or_default();
                format!("signed in{who}, application {}", strava.app)
            }
        },
    );
    let ago = |moment: Option<Timestamp>| moment.map_or("never".to_owned(), |moment| since(moment, now));
    add("last tick", ago(status.last_tick));
    add("last change", ago(status.head.last_change));
    add("last sweep", ago(status.head.sweep.last_complete));
    let link = match status.head.link.on {
        None => "not looked yet",
        Some(false) => "off",
        Some(true) => {
            "on: Garmin copies every activity itself; Garmin Connect switches it\n            off under https://connect.garmin.com/app/settings"
        }
    };
    add("Garmin link", link.to_owned());
    for (name, pause) in [("Garmin", &status.head.garmin_pause), ("Strava", &status.head.strava_pause)] {
        if let Some(pause) = pause.as_ref().filter(|pause| pause.holds(now)) {
            let until = pause.until.map(|until| format!(" until {}", minute(until))).unwrap_or_default();
            add("paused", format!("{name}{until}: {}", clean(&pause.what)));
        }
    }
    let counts: Vec<String> = Shown::ALL
        .iter()
        .filter_map(|shown| Some((shown, status.counts.get(shown).copied().filter(|count| *count > 0)?)))
        .map(|(shown, count)| format!("{count} {shown}"))
        .collect();
    add("activities", if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") });
    if let Some(view) = status.head.budget.map(|view| view.seen_at(now)) {
        let gauge = |gauge: Gauge| format!("{}/{}", gauge.used, gauge.limit);
        add(
            "requests",
            format!(
                "{} in 15 min, {} today (reads {} and {})",
                gauge(view.overall_15min),
                gauge(view.overall_day),
                gauge(view.read_15min),
                gauge(view.read_day)
            ),
        );
    }
    add(
        "next due",
        status
            .head
            .next_due
            .map_or("now".to_owned(), |due| if due <= now { "now".to_owned() } else { minute(due) }),
    );
    lines.join("\n")
}

fn since(moment: Timestamp, now: Timestamp) -> String {
    let seconds = moment.duration_until(now).as_secs();
    let ago = match seconds {
        ..60 => "less than a minute".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{} ({ago} ago)", minute(moment))
}

/// To the minute, in UTC.
pub fn minute(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%MZ").to_string()
}

/// Titles and answers come from outside: nothing in them may move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if fitferry_core::plain::steers(c) { ' ' } else { c }).collect()
}

fn shortened(text: &str, chars_max: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= chars_max {
        return text;
    }
    let short: String = text.chars().take(chars_max - 1).collect();
    format!("{}…", short.trim_end())
}

fn table(header: [&str; 4], rows: impl Iterator<Item = [String; 4]>, width: u16) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let mut is_empty = true;
    table.set_header(header);
    for row in rows {
        is_empty = false;
        table.add_row(row);
    }
    if is_empty {
        return String::new();
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index < 3 { 2 } else { 0 }));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
