//! A stand-in: the program a node has in place of snap, microk8s, systemctl and the like. It passes its call on and
//! shows what comes back.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::wire::{self, Call, kind};
use super::{INSIDE, unit_commands};

/// The programs that are stand-ins, by the path they have on a node.
pub const PROGRAMS: [&str; 14] = [
    "/usr/bin/systemctl",
    "/usr/bin/systemd-run",
    "/usr/bin/timedatectl",
    "/usr/bin/hostnamectl",
    "/usr/bin/apt-get",
    "/usr/bin/dpkg",
    "/usr/bin/dpkg-query",
    "/usr/bin/getent",
    "/usr/sbin/sysctl",
    "/usr/sbin/modprobe",
    "/usr/sbin/nft",
    "/usr/sbin/lsmod",
    "/usr/sbin/usermod",
    "/usr/sbin/groupadd",
];

/// Charts and files of values are smaller.
const LARGEST: u64 = 2 * 1024 * 1024;

/// What this program was called as, when that is a stand-in on a node.
pub fn called_as() -> Option<String> {
    let name = std::env::args().next()?;
    let name = Path::new(&name).file_name()?.to_str()?.to_owned();
    (name != "homeprov-lab" && Path::new(INSIDE).join("world.sock").exists()).then_some(name)
}

/// Passes the call on; returns the exit status.
pub fn main(name: &str) -> u8 {
    match call(name) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}

fn call(name: &str) -> std::io::Result<u8> {
    let argv: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut socket = "world.sock";
    if name == "systemd-run" || (name == "systemctl" && unit_commands::concerns(&argv)) {
        socket = "init.sock";
    }
    let mut stdin = Vec::new();
    // Only a program that is told to reads its standard input: it may be the script of the shell that calls it.
    if reads_stdin(&argv) {
        std::io::stdin().read_to_end(&mut stdin)?;
    }
    let user =
        nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map_or("root".to_owned(), |user| user.name);
    let call = Call {
        files: named_files(name, &argv),
        argv: argv.clone(),
        stdin,
        cwd: std::env::current_dir().map_or("/".to_owned(), |folder| folder.display().to_string()),
        user,
        tty: std::io::stdout().is_terminal(),
    };
    let mut stream = UnixStream::connect(Path::new(INSIDE).join(socket))?;
    wire::write(&mut stream, kind::CALL, &serde_json::to_vec(&call)?)?;
    let status = show(&mut stream)?;
    if let ("hostnamectl", [_, verb, host], 0) = (name, argv.as_slice(), status)
        && verb == "set-hostname"
    {
        nix::unistd::sethostname(host)?;
    }
    Ok(status)
}

/// Whether the command line says that there is something on standard input: a file named `-`, or `kubectl exec -i`, whose
/// command after `--` is another program's.
fn reads_stdin(argv: &[String]) -> bool {
    let own = argv.split(|arg| arg == "--").next().unwrap_or_default();
    if own.iter().any(|arg| arg == "kubectl") && own.iter().any(|arg| arg == "exec") {
        let letters =
            |arg: &String| arg.starts_with('-') && !arg.starts_with("--") && arg.contains('i') && !arg.contains('=');
        return own.iter().any(|arg| arg == "--stdin" || arg == "--stdin=true" || (letters(arg) && arg.len() <= 3));
    }
    argv.iter().any(|arg| arg == "-" || arg.ends_with("=-"))
}

/// The files and charts that arguments of helm name: they may be on a file system only this node sees.
fn named_files(name: &str, argv: &[String]) -> BTreeMap<String, Vec<u8>> {
    let helm = name == "microk8s" && argv.get(1).is_some_and(|word| word == "helm" || word == "helm3");
    let mut files = BTreeMap::new();
    for arg in argv.iter().skip(2).filter(|_| helm) {
        let value = if arg.starts_with('-') { arg.split_once('=').map_or("", |(_, value)| value) } else { arg };
        for path in value.split(',').chain([value]).filter(|path| !path.is_empty()) {
            let chart = format!("{}/Chart.yaml", path.trim_end_matches('/'));
            for path in [path, &chart] {
                let small = std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() < LARGEST);
                if let Some(bytes) = small.then(|| std::fs::read(path).ok()).flatten() {
                    files.insert(path.to_owned(), bytes);
                }
            }
        }
    }
    files
}

fn show(stream: &mut UnixStream) -> std::io::Result<u8> {
    loop {
        let (kind, payload) = wire::read(stream)?;
        match kind {
            kind::OUT => {
                let mut out = std::io::stdout();
                out.write_all(&payload)?;
                out.flush()?;
            }
            kind::ERR => std::io::stderr().write_all(&payload)?,
            _ => {
                return Ok(String::from_utf8_lossy(&payload)
                    .parse::<i32>()
                    .map_or(1, |status| u8::try_from(status & 0xff).unwrap_or(1)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reads_stdin;

    #[test]
    fn only_who_is_told_to_reads() {
        for (line, reads) in [
            ("microk8s kubectl apply -f -", true),
            ("microk8s helm install a b --values=-", true),
            ("microk8s kubectl get pods", false),
            ("microk8s kubectl exec -i mastodon-postgresql-0 -- psql", true),
            ("microk8s kubectl exec -it deploy/mastodon-web -- bash", true),
            ("microk8s kubectl -n mastodon exec mastodon-postgresql-0 -- psql -f -", false),
            ("microk8s kubectl exec web -- grep -i x", false),
        ] {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(reads_stdin(&argv), reads, "{line}");
        }
    }
}
