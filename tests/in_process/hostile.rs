//! The readers of what others wrote, fed with the seeds of the fuzz targets and with what a few thousand random changes
//! make of them. `make fuzz` looks further; what it finds becomes a seed, and stays mended because of this test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::row::Row;

#[path = "../../fuzz/src/targets.rs"]
mod targets;

/// Changed copies of each seed.
const CHANGED: u64 = 150;
/// A seed with all its copies is read within this, on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// Random numbers, the same at each run (George Marsaglia, "Xorshift RNGs", 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64 bits") % limit.max(1)
    }
}

/// One to four changes: a byte is another, a part is missing, twice there, or put in from elsewhere.
fn changed(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let from = numbers.below(bytes.len());
        let to = (from + 1 + numbers.below(24)).min(bytes.len());
        match numbers.below(5) {
            0 if from < to => bytes[from] = u8::try_from(numbers.below(256)).expect("a byte"),
            1 => drop(bytes.drain(from..to)),
            2 => {
                let part = bytes[from..to].to_vec();
                let times = 1 + numbers.below(40);
                bytes.splice(from..from, part.repeat(times));
            }
            3 => bytes.truncate(from),
            _ => {
                let awkward: [&[u8]; 8] = [
                    b"\xff\xfe",
                    b"\0",
                    b"18446744073709551616",
                    b"-1e999",
                    b"\n\n",
                    b"\"'\\",
                    b"[[[[",
                    "é\u{202e}".as_bytes(),
                ];
                let part = awkward[numbers.below(awkward.len())].to_vec();
                bytes.splice(from..from, part);
            }
        }
    }
    bytes
}

/// The files of a target's corpus, and of the tests that know good and bad ones.
fn seeds(target: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("fuzz/seeds").join(target)];
    match target {
        "inventory" => folders.push(root.join("tests/inventory/valid")),
        "playbook" => folders.extend([root.join("playbooks"), root.join("tests/playbooks/valid/all-keys")]),
        _ => {}
    }
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).expect("seeds")).map(|file| file.expect("a file"));
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn feed(name: &str) {
    let row = Row::of(format!("any bytes for the reader of {name}"), "instead of what it reads");
    let (_, target) = targets::ALL.into_iter().find(|(known, _)| *known == name).expect("a target");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut fed = 0;
    for path in seeds(name) {
        let seed = fs::read(&path).expect("a seed");
        let began = Instant::now();
        target(&seed);
        for _ in 0..CHANGED {
            target(&changed(&seed, &mut numbers));
        }
        assert!(began.elapsed() < LONGEST, "{} took {:?}", path.display(), began.elapsed());
        fed += CHANGED + 1;
    }
    assert!(fed > CHANGED, "there are seeds");
    row.ended("read, or refused with a reason; no panic, no hang");
}

macro_rules! fed {
    ($($target:ident),*) => {$(
        #[test]
        fn $target() {
            feed(stringify!($target));
        }
    )*};
}

fed!(frame, job, node, microk8s, inventory, playbook, journal);
