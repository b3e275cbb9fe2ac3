//! The ways to run fitferry again and again: what to type, ready to be copied. Nothing is set up unasked.

use std::path::Path;

use fitferry_app::config::Settings;
use fitferry_app::error::CommandError;

use super::Talk;
use crate::args::Way;

/// What the commands of a way need to know.
struct Here<'a> {
    /// With its path: neither cron nor a service manager has the person's own.
    program: String,
    /// Flags and variables that were there when the setup was tried, with whole paths: cron and service managers
    /// start somewhere else.
    flags: Vec<String>,
    home: Option<String>,
    /// Of the unit: each athlete has one.
    name: String,
    settings: &'a Settings,
}

/// Shows the way that was chosen by flag, or is chosen now.
pub(super) async fn show(
    talk: &Talk<'_>,
    chosen: Option<Way>,
    settings: &Settings,
) -> Result<(), CommandError> {
    talk.head("How it runs");
    let way = match chosen {
        Some(way) => way,
        None if !talk.asks => return Ok(()),
        None => {
            talk.say(
                "How shall it run?\n  \
                 cron     every five minutes, by a line in your crontab\n  \
                 service  all the time, by the service manager of this machine\n  \
                 aws      every minute on AWS, for about a cent a month\n  \
                 later    not yet: `fitferry sync` by hand",
            );
            let read = |answer: &str| <Way as clap::ValueEnum>::from_str(answer, true);
            let read =
                |answer: &str| read(answer).map_err(|_| "answer cron, service, aws or later".to_owned());
            talk.ask("Which one? [cron]:", read).await?.unwrap_or(Way::Cron)
        }
    };
    let context = talk.context;
    let program = std::env::current_exe().map_or("fitferry".to_owned(), |path| path.display().to_string());
    let mut flags = Vec::new();
    let config = context.asked.config.clone().or_else(|| context.environment.path("FITFERRY_CONFIG"));
    if let Some(config) = config {
        flags.extend(["--config".to_owned(), whole(&config)]);
    }
    let store = context.environment.text("FITFERRY_STORE__URL").map(str::to_owned);
    if let Some(store) = context.asked.store.clone().or(store) {
        flags.extend(["--store".to_owned(), store]);
    }
    let mut name = "fitferry".to_owned();
    if settings.athlete != "me" {
        flags.extend(["--athlete".to_owned(), settings.athlete.clone()]);
        name += &format!("-{}", settings.athlete);
    }
    let home = context.environment.path("FITFERRY_HOME").map(|home| whole(&home));
    let here = Here { program, flags, home, name, settings };
    if let Some(text) = text(way, &here) {
        context.say.line(&text);
    }
    Ok(())
}

/// What it is from anywhere.
fn whole(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn text(way: Way, here: &Here<'_>) -> Option<String> {
    match way {
        Way::Later => None,
        Way::Cron => {
            let home = here.home.as_ref().map(|home| format!("FITFERRY_HOME={} ", quoted(home)));
            let line = format!("{}{} sync --quiet --busy-ok", home.unwrap_or_default(), command(here));
            // A percent sign ends a crontab's command.
            let line = line.replace('%', "\\%");
            Some(format!("Add this line with `crontab -e`:\n\n  */5 * * * * {line}\n"))
        }
        Way::Service if cfg!(target_os = "macos") => Some(launchd(here)),
        Way::Service => Some(systemd(here)),
        Way::Aws => Some(format!(
            "docs/aws.md leads from an empty account to the first run. In the folder of the sources:\n\n  \
             make tf-init\n  \
             make tf-apply CONFIG={}\n  \
             {} aws push-credentials --to dynamodb:fitferry\n\n\
             The last one moves both logins there; this machine then carries no more.\n",
            quoted(&here.settings.file.display().to_string()),
            command(here),
        )),
    }
}

/// Program and flags for a shell.
fn command(here: &Here<'_>) -> String {
    let words: Vec<String> =
        std::iter::once(&here.program).chain(&here.flags).map(|word| quoted(word)).collect();
    words.join(" ")
}

fn systemd(here: &Here<'_>) -> String {
    let name = &here.name;
    let home = here.home.as_ref();
    let home = home.map(|home| format!("Environment={}\n", unit_word(&format!("FITFERRY_HOME={home}"))));
    // A dollar sign stands for something in arguments only, not in a path or a variable.
    let flags: String =
        here.flags.iter().map(|flag| format!(" {}", unit_word(flag).replace('$', "$$"))).collect();
    format!(
        "Copy this to a shell:\n\n\
         mkdir -p ~/.config/systemd/user\n\
         cat > ~/.config/systemd/user/{name}.service <<'END'\n\
         [Unit]\n\
         Description=fitferry: from Garmin Connect to Strava\n\n\
         [Service]\n\
         {}ExecStart={}{flags} watch\n\
         Restart=on-failure\n\
         RestartSec=60\n\
         RestartPreventExitStatus=2\n\n\
         [Install]\n\
         WantedBy=default.target\n\
         END\n\
         systemctl --user daemon-reload\n\
         systemctl --user enable --now {name}\n\
         loginctl enable-linger    # so that it runs while you are signed out\n\n\
         `journalctl --user -u {name}` shows what it says.\n",
        home.unwrap_or_default(),
        unit_word(&here.program),
    )
}

fn launchd(here: &Here<'_>) -> String {
    let name = &here.name;
    let home = here.home.as_ref().map(|home| {
        format!(
            "  <key>EnvironmentVariables</key><dict><key>FITFERRY_HOME</key><string>{}</string></dict>\n",
            escaped(home)
        )
    });
    // launchd itself knows neither `~` nor `$HOME`.
    let command = format!("exec {} watch 2>>\"$HOME/Library/Logs/{name}.log\"", command(here));
    format!(
        "Copy this to a shell:\n\n\
         mkdir -p ~/Library/LaunchAgents ~/Library/Logs\n\
         cat > ~/Library/LaunchAgents/{name}.plist <<'END'\n\
         <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <plist version=\"1.0\"><dict>\n  \
         <key>Label</key><string>{name}</string>\n\
         {}  <key>ProgramArguments</key><array><string>/bin/sh</string><string>-c</string><string>{}</string></array>\n  \
         <key>RunAtLoad</key><true/>\n  \
         <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n  \
         <key>ThrottleInterval</key><integer>60</integer>\n\
         </dict></plist>\n\
         END\n\
         launchctl load -w ~/Library/LaunchAgents/{name}.plist\n\n\
         `tail ~/Library/Logs/{name}.log` shows what it says.\n",
        home.unwrap_or_default(),
        escaped(&command),
    )
}

/// For a shell.
fn quoted(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The same to a shell and to systemd as it stands.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:+,@=".contains(c))
}

/// For a unit of systemd, where a percent sign stands for something wherever it is.
fn unit_word(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    let word = word.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{word}\"")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(settings: &Settings) -> Here<'_> {
        Here {
            program: "/opt/my $tools/it's <fitferry>".to_owned(),
            flags: ["--config", "/a $b.toml", "--athlete", "anna"].map(str::to_owned).to_vec(),
            home: Some("/data/100% & \"more\"".to_owned()),
            name: "fitferry-anna".to_owned(),
            settings,
        }
    }

    fn settings() -> Settings {
        Settings::defaults(Path::new("/home/anna"))
    }

    #[test]
    fn a_crontabs_line_is_one_that_cron_and_its_shell_read_back() {
        let cron = text(Way::Cron, &here(&settings())).unwrap();
        let line = r#"*/5 * * * * FITFERRY_HOME='/data/100\% & "more"' '/opt/my $tools/it'\''s <fitferry>' --config '/a $b.toml' --athlete anna sync --quiet --busy-ok"#;
        assert!(cron.contains(line), "{cron}");
    }

    #[test]
    fn a_unit_of_systemd_escapes_what_stands_for_something_there_and_is_named_after_the_athlete() {
        let unit = systemd(&here(&settings()));
        for part in [
            "cat > ~/.config/systemd/user/fitferry-anna.service <<'END'\n[Unit]\n",
            "\nEnvironment=\"FITFERRY_HOME=/data/100%% & \\\"more\\\"\"\n",
            "\nExecStart=\"/opt/my $tools/it's <fitferry>\" --config \"/a $$b.toml\" --athlete anna watch\n",
            "\nEND\nsystemctl --user daemon-reload\nsystemctl --user enable --now fitferry-anna\n",
        ] {
            assert!(unit.contains(part), "{part}\n{unit}");
        }
    }

    /// Every element between the tags of a property list, in order, with its text.
    fn elements(plist: &str) -> Vec<(String, String)> {
        let mut open: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        let mut rest = plist;
        let mut said = "";
        while let Some(start) = rest.find('<') {
            let (text, from) = rest.split_at(start);
            let end = from.find('>').expect("a tag ends");
            let tag = &from[1..end];
            rest = &from[end + 1..];
            said = if text.trim().is_empty() { said } else { text };
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "tags nest");
                let plain = said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                found.push((name.to_owned(), plain));
                said = "";
            } else if let Some(name) = tag.strip_suffix('/') {
                found.push((name.to_owned(), String::new()));
            } else {
                open.push(tag.split(' ').next().unwrap());
            }
        }
        assert_eq!(open, Vec::<&str>::new(), "every tag is closed");
        found
    }

    #[test]
    fn an_agent_of_launchd_is_a_well_formed_list_whose_command_a_shell_reads_back() {
        let agent = launchd(&here(&settings()));
        let (before, from) = agent.split_once("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
        assert!(before.ends_with("cat > ~/Library/LaunchAgents/fitferry-anna.plist <<'END'\n"), "{before}");
        assert!(
            before.contains("mkdir -p ~/Library/LaunchAgents"),
            "a new account has no such folder: {before}"
        );
        let (plist, after) = from.split_once("END\n").unwrap();
        assert!(
            after.starts_with("launchctl load -w ~/Library/LaunchAgents/fitferry-anna.plist\n"),
            "{after}"
        );
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let command = r#"exec '/opt/my $tools/it'\''s <fitferry>' --config '/a $b.toml' --athlete anna watch 2>>"$HOME/Library/Logs/fitferry-anna.log""#;
        let expected = [
            text("key", "Label"),
            text("string", "fitferry-anna"),
            text("key", "EnvironmentVariables"),
            text("key", "FITFERRY_HOME"),
            text("string", "/data/100% & \"more\""),
            text("dict", ""),
            text("key", "ProgramArguments"),
            text("string", "/bin/sh"),
            text("string", "-c"),
            text("string", command),
            text("array", ""),
            text("key", "RunAtLoad"),
            text("true", ""),
            text("key", "KeepAlive"),
            text("key", "SuccessfulExit"),
            text("false", ""),
            text("dict", ""),
            text("key", "ThrottleInterval"),
            text("integer", "60"),
            text("dict", ""),
            text("plist", ""),
        ];
        assert_eq!(elements(plist), expected);
    }

    #[test]
    fn the_way_to_aws_names_the_configuration_and_later_says_nothing() {
        let settings = settings();
        let aws = text(Way::Aws, &here(&settings)).unwrap();
        assert!(aws.contains("--athlete anna aws push-credentials --to dynamodb:fitferry"), "{aws}");
        assert!(aws.contains(&format!("CONFIG={}", settings.file.display())), "{aws}");
        assert_eq!(text(Way::Later, &here(&settings)), None);
    }
}
