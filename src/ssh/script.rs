//! The shell text of one exec: every section in a subshell of its own, the answers framed.
//!
//! The text is read by `sh -s` on the node, as root. It is one function, called on its last line: a text that was
//! cut short on its way runs nothing. Sections write into files of a private directory; only at the end are the
//! files measured and sent, so that what a section prints can be anything and a daemon it leaves behind holds
//! nothing open. Per section two programs are started (`timeout` and `sh`), per exec six more.

use std::fmt::Write as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::marker::Marker;
use super::{Program, Purpose, Script, TransportError};

/// The longest answer of one section, per stream, in bytes.
pub(super) const SECTION_BYTES: usize = 1024 * 1024;

/// The search path of everything that is run on a node.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin";

/// One argument of a command line cannot be longer than 128 KiB on Linux (`MAX_ARG_STRLEN`).
const ARGUMENT_BYTES: usize = 96 * 1024;

/// What a section of a looking script may write into one file, in blocks of 512 bytes: 256 MiB. It keeps a check
/// that prints without end from filling the node's memory; apt's cache is smaller.
const LOOKING_BLOCKS: u32 = 524_288;

/// The text that runs `script` and frames its answers with `marker`.
pub(super) fn text(script: &Script, marker: &Marker) -> Result<String, TransportError> {
    if script.sections.is_empty() {
        return Err(TransportError::Local("a script without a section was asked for".to_owned()));
    }
    let (left, right) = marker.halves();
    let directory = Marker::random()?;
    let mut text = format!(
        r#"homeprov() {{
umask 077
m={left}; m=$m'{right}'
PATH={PATH}; LC_ALL=C; export PATH LC_ALL
HOME=~root; export HOME
unset CDPATH ENV BASH_ENV
printf '\n%s begin %s\n' "$m" "$(date +%s.%N)"
cd /
d=/run/homeprov-{name}
mkdir "$d" 2>/dev/null || {{ d=${{TMPDIR:-/tmp}}/homeprov-{name}; mkdir "$d" || exit 1; }}
trap 'rm -rf "$d"' EXIT
umask 022
t=; command -v timeout >/dev/null && t=timeout
r=
p() {{ {limits}exec ${{t:+"$t" -k 2 "$2"}} sh -c "$3"; }}
q() {{
u=; read -r u x 2>/dev/null </proc/uptime
if [ -n "$4" ]; then head -c "$4" | p "$@"; else (p "$@"); fi >"$d/$1.o" 2>"$d/$1.e"
s=$?
v=; read -r v x 2>/dev/null </proc/uptime
r="$r $s:$u:$v"
}}
"#,
        name = directory.whole(),
        limits = match script.purpose {
            Purpose::Observe | Purpose::Probe => format!("ulimit -f {LOOKING_BLOCKS}; "),
            Purpose::Apply | Purpose::Job => String::new(),
        },
    );
    let mut files = String::new();
    for (number, section) in script.sections.iter().enumerate() {
        let program = shell_text(&section.program)?;
        let quoted = quote(&program)?;
        let argument = if quoted.len() > ARGUMENT_BYTES {
            writeln!(text, "printf %s {quoted} >\"$d/{number}.s\"").expect("String");
            format!("\". $d/{number}.s\"")
        } else {
            quoted
        };
        let input = match &section.program {
            Program::Command { input, .. } => input.as_ref(),
            Program::Shell(_) => None,
        };
        let call = format!("q {number} {} {argument}", seconds(section.limit));
        text.push_str(&with_input(&call, input)?);
        write!(files, " {number}.o {number}.e").expect("String");
    }
    write!(
        text,
        r#"cd "$d" && mkdir z && cp{files} z && cd z || exit 1
l=
while read -r c f; do
[ "$f" = total ] && continue
[ "$c" -gt {SECTION_BYTES} ] && {{ head -c {SECTION_BYTES} "$f" >t; mv t "$f"; }}
l="$l $c"
done <<E
$(wc -c{files})
E
printf '%s answers%s sizes%s\n' "$m" "$r" "$l"
cat{files}
cd /
rm -rf "$d"
trap - EXIT
printf '\n%s end\n' "$m"
exit 0
}}
homeprov
"#
    )
    .expect("String");
    Ok(text)
}

/// A program as shell text.
pub(super) fn shell_text(program: &Program) -> Result<String, TransportError> {
    match program {
        Program::Shell(text) => Ok(text.clone()),
        Program::Command { argv, .. } if argv.is_empty() => {
            Err(TransportError::Local("a command without a program was asked for".to_owned()))
        }
        Program::Command { argv, .. } => {
            let joined = shlex::try_join(argv.iter().map(String::as_str)).map_err(|_| nul())?;
            Ok(format!("exec {joined}"))
        }
    }
}

/// One word of shell text.
pub(super) fn quote(word: &str) -> Result<String, TransportError> {
    shlex::try_quote(word).map(std::borrow::Cow::into_owned).map_err(|_| nul())
}

/// `call` with `input` as its standard input, byte for byte: a here-document, so that it is in no command line
/// and in no file that has a name. A here-document always ends in a newline; where the input does not, its length
/// is the call's last argument and the callee cuts there.
pub(super) fn with_input(call: &str, input: Option<&SecretString>) -> Result<String, TransportError> {
    let input = input.map_or("", |input| input.expose_secret());
    if input.contains('\0') {
        return Err(nul());
    }
    if input.is_empty() {
        return Ok(format!("{call} </dev/null\n"));
    }
    let delimiter = Marker::random()?;
    let delimiter = delimiter.whole();
    Ok(if input.ends_with('\n') {
        format!("{call} <<'{delimiter}'\n{input}{delimiter}\n")
    } else {
        let length = input.len();
        format!("{call} {length} <<'{delimiter}'\n{input}\n{delimiter}\n")
    })
}

/// A duration as `timeout` takes it: whole where it can be, and never nought, which would mean no limit.
pub(super) fn seconds(limit: Duration) -> String {
    let limit = limit.max(Duration::from_millis(100));
    if limit.subsec_millis() == 0 {
        limit.as_secs().to_string()
    } else {
        format!("{}.{:03}", limit.as_secs(), limit.subsec_millis())
    }
}

fn nul() -> TransportError {
    TransportError::Local("a NUL byte cannot be part of a command, its arguments or its input".to_owned())
}
