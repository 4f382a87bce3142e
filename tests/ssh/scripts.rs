//! Properties of quoting and framing, through a real `sh`.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use homeprov::ssh::frame::{self, RawAnswer, Stream};
use homeprov::ssh::{Program, Purpose, Script, Section, script};
use proptest::prelude::*;

const MARKER: &str = "0123456789abcdef0123456789abcdef";

fn script_of(programs: Vec<Program>) -> Script {
    let section =
        |(number, program)| Section { id: format!("section {number}"), program, limit: Duration::from_secs(20) };
    Script { purpose: Purpose::Probe, sections: programs.into_iter().enumerate().map(section).collect() }
}

/// What a shell makes of a script: its two streams.
fn run(shell: &str, script: &Script) -> (Vec<u8>, Vec<u8>) {
    let text = script::render(script, MARKER).unwrap();
    let mut child = Command::new(shell)
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = text.as_bytes().to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    (output.stdout, output.stderr)
}

/// Reads the two streams as they might come in: in pieces of some size.
fn read(script: &Script, out: &[u8], err: &[u8], piece: usize) -> Result<Vec<RawAnswer>, frame::FrameError> {
    let done = frame::done_line(MARKER);
    let stream = |bytes: &[u8]| {
        let mut stream = Stream::default();
        let ends = bytes.chunks(piece).filter(|piece| stream.push(piece, &done));
        let _ = ends.count();
        stream
    };
    let sent = (Instant::now(), jiff::Timestamp::now());
    frame::read(script, MARKER, sent, &stream(out), &stream(err)).map(|answers| answers.sections)
}

fn answers(shell: &str, programs: Vec<Program>) -> Vec<RawAnswer> {
    let script = script_of(programs);
    let (out, err) = run(shell, &script);
    read(&script, &out, &err, 4096).unwrap()
}

/// Arguments of all characters but NUL, with the awkward ones more often.
fn words() -> impl Strategy<Value = Vec<String>> {
    let awkward = prop::sample::select(vec![
        "",
        "'",
        "\"",
        "\\",
        "\n",
        "$(id)",
        "`id`",
        "!",
        "*",
        "~",
        "-n",
        "%s",
        "é\u{80}\u{88}",
        "\r",
        "a'b\"c",
        "\u{1}\u{7f}",
    ])
    .prop_map(ToOwned::to_owned);
    let any = "[^\0]{0,12}";
    prop::collection::vec(prop_oneof![awkward, any], 1..6)
}

/// Bytes as a login shell or a program may print them, among them frames of another exec.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let forged = prop::sample::select(vec![
        "\nfedcba9876543210fedcba9876543210 hello\n",
        "\nfedcba9876543210fedcba9876543210 end 0\n",
        "\n0123456789abcdef0123456789abcde",
        "0123456789abcdef",
        " begin\n",
        "\n done\n",
        "\r\n",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    let random = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec(prop_oneof![forged, random], 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn arguments_arrive_as_they_are(words in words()) {
        let argv = ["printf", "%s\\0"].map(ToOwned::to_owned).into_iter().chain(words.clone());
        let answer = answers("sh", vec![Program::command(argv)]).remove(0);
        let expected = words.join("\0") + "\0";
        prop_assert_eq!(answer.stdout, expected.into_bytes());
    }

    #[test]
    fn input_and_shell_text_arrive_as_they_are(input in "[^\0]{0,300}", text in "[^\0]{0,40}") {
        let quoted = shlex::try_quote(&text).unwrap();
        let programs = vec![
            Program::Command { argv: vec!["cat".into()], input: Some(input.clone().into()) },
            Program::Shell(format!("printf %s {quoted}")),
        ];
        let both = answers("sh", programs);
        prop_assert_eq!(&both[0].stdout, input.as_bytes());
        prop_assert_eq!(&both[1].stdout, text.as_bytes());
    }

    #[test]
    fn frames_survive_noise(before in noise(), within in noise(), after in noise(), piece in 1usize..200) {
        let script = script_of(vec![Program::Shell("true".into()), Program::Shell("true".into())]);
        let frames = |status: &str| [
            before.as_slice(),
            format!("\n{MARKER} hello\n\n{MARKER} begin\n").as_bytes(), &within,
            format!("\n{MARKER} end {status}\n\n{MARKER} begin\n\n{MARKER} end 7\n\n{MARKER} done\n").as_bytes(),
            &after,
        ].concat();
        let answers = read(&script, &frames("5"), &frames("5"), piece).unwrap();
        prop_assert_eq!(&answers[0].stdout, &within);
        prop_assert_eq!(&answers[0].stderr, &within);
        prop_assert_eq!((answers[0].status, answers[1].status), (5, 7));
        prop_assert!(answers[1].stdout.is_empty());
    }

    #[test]
    fn a_cut_answer_is_never_taken_for_a_whole_one(cut in 0usize..170) {
        let script = script_of(vec![Program::Shell("true".into())]);
        let whole = format!("\n{MARKER} hello\n\n{MARKER} begin\nx\n{MARKER} end 0\n\n{MARKER} done\n");
        let cut = cut.min(whole.len() - 1);
        prop_assert!(read(&script, &whole.as_bytes()[..cut], whole.as_bytes(), 50).is_err());
    }
}

#[test]
fn half_a_script_runs_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!("echo ran >>{}", file.path().display());
    let script = script_of(vec![Program::Shell(text.clone()), Program::Shell(text)]);
    let whole = script::render(&script, MARKER).unwrap();
    let half = &whole[..whole.rfind("say done").unwrap()];
    let mut child = Command::new("sh").arg("-s").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(half.as_bytes()).unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "");
}

#[test]
fn bash_as_the_shell_does_as_well() {
    let programs = vec![
        Program::Shell("printf 'no newline'; printf '\\377' >&2; exit 9".into()),
        Program::Command { argv: vec!["cat".into()], input: Some("é\n\n".into()) },
        Program::command(["no-such-program"]),
    ];
    let answers = answers("bash", programs);
    assert_eq!(
        (answers[0].status, answers[0].stdout.as_slice(), answers[0].stderr.as_slice()),
        (9, &b"no newline"[..], &b"\xff"[..])
    );
    assert_eq!(answers[1].stdout, "é\n\n".as_bytes());
    assert_eq!(answers[2].status, 127);
}

#[test]
fn a_shell_text_too_long_for_an_argument_runs() {
    let text = format!(": {}\necho long; cat", "x".repeat(200_000));
    let answer = answers("sh", vec![Program::Shell(text)]).remove(0);
    assert_eq!((answer.status, answer.stdout), (0, b"long\n".to_vec()));
}

#[test]
fn a_machine_without_timeout_keeps_the_limits() {
    let bin = tempfile::tempdir().unwrap();
    for program in ["sh", "sleep", "cat", "sed"] {
        let from = ["/bin", "/usr/bin"]
            .map(|folder| format!("{folder}/{program}"))
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .unwrap();
        std::os::unix::fs::symlink(from, bin.path().join(program)).unwrap();
    }
    let mut script = script_of(vec![
        Program::Shell("echo quick; exit 4".into()),
        Program::Shell("echo slow; exec sleep 30".into()),
        Program::Command { argv: vec!["cat".into()], input: Some("word".into()) },
    ]);
    script.sections[1].limit = Duration::from_secs(1);
    // The preamble adds the usual folders; a prefix to the text takes them away again.
    let text = script::render(&script, MARKER).unwrap();
    let text = text.replace("export PATH LC_ALL", &format!("PATH={}; export PATH LC_ALL", bin.path().display()));
    let began = Instant::now();
    let mut child =
        Command::new("/bin/sh").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let answers = read(&script, &output.stdout, &output.stderr, 100).unwrap();
    assert_eq!((answers[0].status, answers[0].stdout.as_slice()), (4, &b"quick\n"[..]));
    assert!(answers[1].timed_out);
    assert_eq!(answers[2].stdout, b"word");
    assert!(began.elapsed() < Duration::from_secs(15));
}
