//! The ways to run fitferry again and again: what to type, ready to be copied. Nothing is set up unasked.

use fitferry_app::config::Settings;
use fitferry_app::error::CommandError;

use super::Talk;
use crate::args::Way;

/// What the commands of a way need to know.
struct Here<'a> {
    /// With its path: neither cron nor a service manager has the person's own.
    program: String,
    /// Flags and variables that were there when the setup was tried.
    flags: String,
    home: Option<&'a str>,
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
    if let Some(config) = &context.asked.config {
        let whole = std::path::absolute(config).unwrap_or_else(|_| config.clone());
        flags.push(format!(" --config {}", quoted(&whole.display().to_string())));
    }
    if let Some(store) = &context.asked.store {
        flags.push(format!(" --store {}", quoted(store)));
    }
    if settings.athlete != "me" {
        flags.push(format!(" --athlete {}", settings.athlete));
    }
    let here =
        Here { program, flags: flags.concat(), home: context.environment.text("FITFERRY_HOME"), settings };
    if let Some(text) = text(way, &here) {
        context.say.line(&text);
    }
    Ok(())
}

fn text(way: Way, here: &Here<'_>) -> Option<String> {
    let Here { program, flags, .. } = here;
    match way {
        Way::Later => None,
        Way::Cron => {
            let home = here.home.map(|home| format!("FITFERRY_HOME={} ", quoted(home))).unwrap_or_default();
            // A percent sign ends a crontab's command.
            let line = format!("{home}{}{flags} sync --quiet --busy-ok", quoted(program)).replace('%', "\\%");
            Some(format!("Add this line with `crontab -e`:\n\n  */5 * * * * {line}\n"))
        }
        Way::Service if cfg!(target_os = "macos") => Some(launchd(here)),
        Way::Service => Some(systemd(here)),
        Way::Aws => Some(format!(
            "docs/aws.md leads from an empty account to the first run. In the folder of the sources:\n\n  \
             make tf-init\n  \
             make tf-apply CONFIG={}\n  \
             {}{flags} aws push-credentials --to dynamodb:fitferry\n\n\
             The last one moves both logins there; this machine then carries no more.\n",
            quoted(&here.settings.file.display().to_string()),
            quoted(program),
        )),
    }
}

fn systemd(here: &Here<'_>) -> String {
    let home = here.home.map(|home| format!("Environment=\"FITFERRY_HOME={home}\"\n")).unwrap_or_default();
    format!(
        "Copy this to a shell:\n\n\
         mkdir -p ~/.config/systemd/user\n\
         cat > ~/.config/systemd/user/fitferry.service <<'END'\n\
         [Unit]\n\
         Description=fitferry: from Garmin Connect to Strava\n\n\
         [Service]\n\
         {home}ExecStart={}{} watch\n\
         Restart=on-failure\n\
         RestartSec=60\n\
         RestartPreventExitStatus=2\n\n\
         [Install]\n\
         WantedBy=default.target\n\
         END\n\
         systemctl --user enable --now fitferry\n\
         loginctl enable-linger    # so that it runs while you are signed out\n\n\
         `journalctl --user -u fitferry` shows what it says.\n",
        quoted(&here.program),
        here.flags,
    )
}

fn launchd(here: &Here<'_>) -> String {
    let home = here
        .home
        .map(|home| {
            format!(
                "  <key>EnvironmentVariables</key><dict><key>FITFERRY_HOME</key><string>{}</string></dict>\n",
                escaped(home)
            )
        })
        .unwrap_or_default();
    let command = format!("exec {}{} watch", quoted(&here.program), here.flags);
    format!(
        "Copy this to a shell:\n\n\
         cat > ~/Library/LaunchAgents/fitferry.plist <<'END'\n\
         <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <plist version=\"1.0\"><dict>\n  \
         <key>Label</key><string>fitferry</string>\n\
         {home}  <key>ProgramArguments</key><array><string>/bin/sh</string><string>-c</string><string>{}</string></array>\n  \
         <key>RunAtLoad</key><true/>\n  \
         <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n  \
         <key>ThrottleInterval</key><integer>60</integer>\n\
         </dict></plist>\n\
         END\n\
         launchctl load ~/Library/LaunchAgents/fitferry.plist\n",
        escaped(&command),
    )
}

/// For a shell, and for a unit file, which reads single quotes as a shell does.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+,@=".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(settings: &Settings) -> Here<'_> {
        Here {
            program: "/opt/my tools/fitferry".to_owned(),
            flags: " --athlete anna".to_owned(),
            home: Some("/data/100%"),
            settings,
        }
    }

    #[test]
    fn each_way_names_program_flags_and_home_so_that_a_shell_reads_them_back() {
        let settings = Settings::defaults(std::path::Path::new("/home/anna"));
        let cron = text(Way::Cron, &here(&settings)).unwrap();
        let line = "*/5 * * * * FITFERRY_HOME='/data/100\\%' '/opt/my tools/fitferry' --athlete anna sync --quiet --busy-ok";
        assert!(cron.contains(line), "{cron}");
        let unit = systemd(&here(&settings));
        assert!(unit.contains("ExecStart='/opt/my tools/fitferry' --athlete anna watch\n"), "{unit}");
        assert!(unit.contains("Environment=\"FITFERRY_HOME=/data/100%\"\n"), "{unit}");
        let agent = launchd(&here(&settings));
        assert!(agent.contains("exec '/opt/my tools/fitferry' --athlete anna watch"), "{agent}");
        let aws = text(Way::Aws, &here(&settings)).unwrap();
        assert!(aws.contains("aws push-credentials --to dynamodb:fitferry"), "{aws}");
        assert_eq!(text(Way::Later, &here(&settings)), None);
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
