//! A systemd timer on this machine that makes backups.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the timer is to do.
#[derive(Debug, Clone)]
pub struct Timer {
    /// The cluster's name.
    pub cluster: String,
    /// The command line: the program and its arguments, all paths from the root on.
    pub command: Vec<String>,
    /// When, as `systemd.time(7)` writes calendar events.
    pub calendar: String,
    /// Whether it is root's, and so the system's.
    pub system: bool,
    /// Variables of this process that the service is to have, too.
    pub environment: Vec<(String, String)>,
}

/// A unit: its file's name and its text.
pub type Unit = (String, String);

impl Timer {
    /// The folder the units are written to (`systemd.unit(5)`); `config` is the user's folder for configuration.
    pub fn folder(&self, config: &Path) -> PathBuf {
        if self.system { PathBuf::from("/etc/systemd/system") } else { config.join("systemd/user") }
    }

    fn name(&self, kind: &str) -> String {
        format!("homeprov-backup-{}.{kind}", self.cluster)
    }

    /// The service and the timer.
    pub fn units(&self) -> [Unit; 2] {
        let mut environment = String::new();
        for (name, value) in &self.environment {
            let _ = writeln!(environment, "Environment={}", quoted(&format!("{name}={value}"), false));
        }
        let command: Vec<String> = self.command.iter().map(|word| quoted(word, true)).collect();
        // Only a service with a user is told where that user's home is.
        let user = if self.system { "User=root\n" } else { "" };
        let service = format!(
            "# Written by `homeprov backup --install-timer`.\n[Unit]\nDescription=Backup of the site on {cluster}\n\
             Wants=network-online.target\nAfter=network-online.target\n\n[Service]\nType=oneshot\n{user}{environment}\
             ExecStart={command}\nNice=10\n",
            cluster = self.cluster,
            command = command.join(" ")
        );
        let timer = format!(
            "# Written by `homeprov backup --install-timer`.\n[Unit]\nDescription=Backups of the site on {cluster}\n\n[Timer]\n\
             OnCalendar={calendar}\n# Made up for after the machine was off.\nPersistent=true\nRandomizedDelaySec=10m\n\n[Install]\n\
             WantedBy=timers.target\n",
            cluster = self.cluster,
            calendar = self.calendar
        );
        [(self.name("service"), service), (self.name("timer"), timer)]
    }

    /// The commands that put the timer into effect.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let timer = self.name("timer");
        let whose: &[&str] = if self.system { &[] } else { &["--user"] };
        let command = |words: &[&str]| {
            ["systemctl"].iter().chain(whose).chain(words).map(|word| (*word).to_owned()).collect::<Vec<_>>()
        };
        vec![command(&["daemon-reload"]), command(&["enable", "--now", &timer])]
    }
}

/// A word as units take it (`systemd.syntax(7)`, `systemd.service(5)`): `%` begins a specifier everywhere, `$` a variable in
/// command lines.
fn quoted(word: &str, command: bool) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('\n', "\\n");
    let escaped = if command { escaped.replace('$', "$$") } else { escaped };
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(system: bool) -> Timer {
        let command = ["/usr/bin/homeprov", "backup", "/home/a b/50%.toml", "/srv/$backups", "--keep", "7"];
        Timer {
            cluster: "home".into(),
            command: command.map(str::to_owned).to_vec(),
            calendar: "*-*-* 03:00".into(),
            system,
            environment: vec![("XDG_STATE_HOME".into(), "/srv/state \"x\"".into())],
        }
    }

    #[test]
    fn units_take_any_path() {
        let [service, timer] = timer(false).units();
        assert_eq!(
            (service.0.as_str(), timer.0.as_str()),
            ("homeprov-backup-home.service", "homeprov-backup-home.timer")
        );
        for line in [
            "Type=oneshot",
            r#"Environment="XDG_STATE_HOME=/srv/state \"x\"""#,
            r#"ExecStart="/usr/bin/homeprov" "backup" "/home/a b/50%%.toml" "/srv/$$backups" "--keep" "7""#,
        ] {
            assert!(service.1.lines().any(|own| own == line), "{line} is not in\n{}", service.1);
        }
        for line in ["OnCalendar=*-*-* 03:00", "Persistent=true", "WantedBy=timers.target"] {
            assert!(timer.1.lines().any(|own| own == line), "{line} is not in\n{}", timer.1);
        }
    }

    #[test]
    fn roots_timer_is_the_systems() {
        assert_eq!(timer(true).folder(Path::new("/root/.config")), Path::new("/etc/systemd/system"));
        assert_eq!(timer(false).folder(Path::new("/home/a/.config")), Path::new("/home/a/.config/systemd/user"));
        assert!(timer(true).units()[0].1.contains("\nUser=root\n"));
        let commands: Vec<String> = timer(false).commands().iter().map(|words| words.join(" ")).collect();
        assert_eq!(
            commands,
            ["systemctl --user daemon-reload", "systemctl --user enable --now homeprov-backup-home.timer"]
        );
    }
}
