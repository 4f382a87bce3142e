//! A repository over HTTP with a user name and a password: a server on the loopback with `git http-backend` behind it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access::{access, material};
use super::cause::Kind;
use super::publish::look;
use super::remote::Remote;
use super::repository::Repository;
use crate::inventory::model::Inventory;

/// With what a URL, a shell and a file of credentials each take for their own.
const PASSWORD: &str = "p@ss: w%rd/7f3a'";

struct Server {
    folder: tempfile::TempDir,
    url: String,
    /// The command lines and environments of all processes at each request.
    seen: Arc<Mutex<String>>,
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=Pat", "-c", "user.email=pat@example.org"]).args(arguments);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let work = folder.path().join("work");
        fs::create_dir(&work).expect("made");
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        fs::write(work.join("a.yaml"), "kind: A\n").expect("written");
        git(&work, &["add", "."]);
        git(&work, &["commit", "--quiet", "-m", "One"]);
        git(folder.path(), &["clone", "--quiet", "--bare", "work", "root/home.git"]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/home.git", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(String::new()));
        let (root, told) = (folder.path().join("root"), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                told.lock().unwrap().push_str(&processes());
                // A client that goes away is no concern of the server's.
                let _ = serve(stream, &root);
            }
        });
        Self { folder, url, seen }
    }

    fn folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }
}

fn processes() -> String {
    let entries = fs::read_dir("/proc").expect("a listing").flatten();
    let texts = entries.flat_map(|entry| ["cmdline", "environ"].map(|what| fs::read(entry.path().join(what))));
    texts.flatten().map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', "\n") + "\n").collect()
}

/// One request, as a web server hands it to a CGI program (git-http-backend(1)).
fn serve(mut stream: TcpStream, root: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body)?;
    if header("authorization") != format!("Basic {}", STANDARD.encode(format!("alice:{PASSWORD}"))) {
        let refused = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n";
        return write!(stream, "{refused}Content-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REMOTE_USER", "alice"), ("REMOTE_ADDR", "127.0.0.1")])
        .envs([("REQUEST_METHOD", method), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .env("GIT_PROJECT_ROOT", root)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("a pipe").write_all(&body)?;
    let output = child.wait_with_output()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")?;
    stream.write_all(&output.stdout)
}

/// An inventory whose cluster reads this URL with the password in a file.
fn inventory(url: &str, password: &str, folder: &Path) -> Inventory {
    let file = folder.join("password");
    fs::write(&file, format!("{password}\n")).expect("written");
    let text = format!(
        "[cluster]\nname = \"home\"\n[[nodes]]\nname = \"nuc1\"\naddress = \"192.168.1.11\"\n[flux]\n\
         repository = \"https://git.example.org/home.git\"\nusername = \"alice\"\npassword_file = \"{}\"\n",
        file.display()
    );
    let loaded = crate::inventory::parse(Path::new("home.toml"), text).expect("it is valid");
    let mut inventory = loaded.inventory;
    inventory.flux.as_mut().expect("it has one").repository = url.to_owned();
    inventory
}

#[tokio::test]
async fn a_password_reads_the_repository_and_shows_nowhere() {
    let server = Server::start();
    let inventory = inventory(&server.url, PASSWORD, server.folder.path());
    let flux = inventory.flux.as_ref().unwrap();
    let given = material(&inventory, flux, &server.folder()).await.unwrap().unwrap();
    assert_eq!(given.data.keys().collect::<Vec<_>>(), ["password", "username"]);
    let copy = Repository::open(&server.folder()).await.unwrap();
    let found = access(flux, &given, Some(&copy), None).await;
    assert_eq!(found.reads, Ok(()));
    assert!(found.may_write, "this login may push, and the user is told");

    // Objects travel, too.
    let password = PASSWORD.into();
    let remote = Remote::of_password(&server.url, Some(("alice", &password))).unwrap();
    let there = look(&copy, &remote, "main", &["a.yaml".to_owned()]).await.unwrap();
    assert_eq!(there.files["a.yaml"], "kind: A\n");

    let seen = server.seen.lock().unwrap().clone();
    assert!(seen.contains("git-remote-http") || seen.contains("remote-http"), "there should be something to look at");
    for hidden in [PASSWORD, "p%40ss", &STANDARD.encode(format!("alice:{PASSWORD}"))] {
        assert!(!seen.contains(hidden), "a process shows the password");
        let found = Command::new("grep").args(["-rlF", hidden]).arg(server.folder()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "a file of homeprov's copy has the password");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let server = Server::start();
    let inventory = inventory(&server.url, "hunter2", server.folder.path());
    let flux = inventory.flux.as_ref().unwrap();
    let given = material(&inventory, flux, &server.folder()).await.unwrap().unwrap();
    let problem = access(flux, &given, None, None).await.reads.unwrap_err();
    assert_eq!((problem.kind, problem.passing), (Kind::Denied, false), "{}", problem.reason);
    assert!(!problem.reason.contains("hunter2"), "{}", problem.reason);
    assert!(problem.reason.contains("`password_file` under [flux]"), "{}", problem.reason);
}
