//! Running commands: a program is a chain of steps, each run at its moment of virtual time.

use super::cluster::Cluster;
use super::command::{CommandId, Exec};
use super::{Millis, World};

/// What a program does later, with the world and its own call at hand.
pub(super) type Step = Box<dyn FnOnce(&mut World, &mut Call) -> Next + Send>;

/// What happens after a step.
pub(super) enum Next {
    /// The program ends with this status.
    Exit(i32),
    /// The program goes on after so many milliseconds.
    After(Millis, Step),
}

/// `step` after `delay` milliseconds.
pub(super) fn after(delay: Millis, step: impl FnOnce(&mut World, &mut Call) -> Next + Send + 'static) -> Next {
    Next::After(delay, Box::new(step))
}

/// A running or ended program.
pub(super) struct Call {
    /// Its name.
    pub(super) id: CommandId,
    /// The machine it runs on.
    pub(super) machine: String,
    /// How it was started.
    pub(super) exec: Exec,
    /// Standard output since the last poll.
    pub(super) out: Vec<u8>,
    /// Standard error since the last poll.
    pub(super) err: Vec<u8>,
    /// The exit status once it has ended.
    pub(super) exit: Option<i32>,
    /// When it ended.
    pub(super) ended: Millis,
    /// Whether it holds the machine's addon lock.
    pub(super) addon_lock: bool,
}

impl Call {
    pub(super) fn new(id: CommandId, machine: &str, exec: Exec, now: Millis) -> Self {
        Self {
            id,
            machine: machine.to_owned(),
            exec,
            out: Vec::new(),
            err: Vec::new(),
            exit: None,
            ended: now,
            addon_lock: false,
        }
    }

    /// A file its arguments name: as it came with the call, or from the machine's disk.
    pub(super) fn read(&self, world: &World, path: &str) -> Option<Vec<u8>> {
        let sent = self.exec.files.get(path).cloned();
        sent.or_else(|| path.starts_with('/').then(|| world.machine(&self.machine).files.read(path)).flatten())
    }

    /// The arguments after the program's name.
    pub(super) fn args(&self) -> Vec<String> {
        self.exec.argv.iter().skip(1).cloned().collect()
    }

    /// Prints without a newline.
    pub(super) fn print(&mut self, text: impl AsRef<str>) {
        self.out.extend_from_slice(text.as_ref().as_bytes());
    }

    /// Prints a line.
    pub(super) fn say(&mut self, line: impl AsRef<str>) {
        self.print(line);
        self.out.push(b'\n');
    }

    /// Prints a line on standard error.
    pub(super) fn complain(&mut self, line: impl AsRef<str>) {
        self.err.extend_from_slice(line.as_ref().as_bytes());
        self.err.push(b'\n');
    }

    /// Complains and ends with `status`.
    pub(super) fn fail(&mut self, status: i32, line: impl AsRef<str>) -> Next {
        self.complain(line);
        Next::Exit(status)
    }

    /// Says `line` and ends with `status`.
    pub(super) fn quit(&mut self, status: i32, line: impl AsRef<str>) -> Next {
        self.say(line);
        Next::Exit(status)
    }
}

/// Something that happens by itself at its moment.
pub(super) enum Due {
    /// A command goes on.
    Command(CommandId, Step),
    /// The world changes.
    World(Box<dyn FnOnce(&mut World) + Send>),
}

impl World {
    /// Runs `change` after `delay` milliseconds.
    pub(super) fn later(&mut self, delay: Millis, change: impl FnOnce(&mut World) + Send + 'static) {
        self.enqueue(delay, Due::World(Box::new(change)));
    }

    /// Like `later`, unless the machine has lost power or was installed anew meanwhile.
    pub(super) fn later_on(
        &mut self,
        machine: &str,
        delay: Millis,
        change: impl FnOnce(&mut World, &str) + Send + 'static,
    ) {
        let Some(boots) = self.machines.get(machine).map(|machine| machine.boots) else {
            return;
        };
        let name = machine.to_owned();
        self.later(delay, move |world| {
            let same = world.machines.get(&name).is_some_and(|machine| machine.powered && machine.boots == boots);
            if same {
                change(world, &name);
            }
        });
    }

    fn enqueue(&mut self, delay: Millis, due: Due) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), due);
    }

    /// Starts the program chosen by `argv[0]`'s base name on a machine. It ends with 127 if the machine does not have
    /// it, with 255 if the machine is off.
    pub fn start(&mut self, machine: &str, exec: Exec) -> CommandId {
        self.sequence += 1;
        let id = CommandId(self.sequence);
        let mut call = Call::new(id, machine, exec, self.now);
        let next = if self.machines.get(machine).is_some_and(|machine| machine.powered) {
            super::programs::dispatch(self, &mut call)
        } else {
            call.fail(255, format!("ssh: connect to host {machine} port 22: No route to host"))
        };
        self.settle(call, next);
        id
    }

    fn settle(&mut self, mut call: Call, next: Next) {
        let id = call.id;
        match next {
            Next::Exit(status) => {
                call.exit = Some(status);
                call.ended = self.now;
                self.release_addon_lock(&mut call);
            }
            Next::After(delay, step) => self.enqueue(delay, Due::Command(id, step)),
        }
        self.commands.insert(id, call);
    }

    /// What a command did since the last poll. An ended command is forgotten once its end was reported.
    pub fn poll(&mut self, id: CommandId) -> super::Progress {
        let Some(call) = self.commands.get_mut(&id) else {
            return super::Progress { exit: Some(137), ..super::Progress::default() };
        };
        let progress = super::Progress {
            stdout: std::mem::take(&mut call.out),
            stderr: std::mem::take(&mut call.err),
            exit: call.exit,
        };
        if progress.exit.is_some() {
            self.commands.remove(&id);
        }
        progress
    }

    /// The calling process was killed: the command stops where it is, and so do the locks it held. What a daemon does
    /// on its behalf (snapd's changes) goes on.
    pub fn end(&mut self, id: CommandId) {
        if let Some(mut call) = self.commands.remove(&id) {
            self.release_addon_lock(&mut call);
        }
    }

    /// Starts a program and lets time pass until it ends.
    ///
    /// # Panics
    /// If it has not ended after a virtual day, as a program in an endless loop does.
    pub fn run(&mut self, machine: &str, argv: &[&str], stdin: &[u8]) -> super::Output {
        let limit = 24 * 3600 * 1000;
        self.run_for(machine, argv, stdin, limit).expect("the command should end within a day")
    }

    /// Like [`World::run`], but kills the program after `limit` virtual milliseconds, as `timeout` does: `None` then.
    pub fn run_for(&mut self, machine: &str, argv: &[&str], stdin: &[u8], limit: Millis) -> Option<super::Output> {
        let started = self.now;
        let id = self.start(machine, Exec { stdin: stdin.to_vec(), ..Exec::root(argv) });
        loop {
            match self.commands.get(&id) {
                Some(call) if call.exit.is_none() => {}
                _ => break,
            }
            match self.next_event() {
                Some(at) if at <= started + limit => self.advance(at),
                _ => {
                    self.advance(started + limit);
                    self.end(id);
                    return None;
                }
            }
        }
        let ended = self.commands.get(&id).map_or(self.now, |call| call.ended);
        let progress = self.poll(id);
        Some(super::Output {
            stdout: String::from_utf8_lossy(&progress.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&progress.stderr).into_owned(),
            exit: progress.exit.unwrap_or(137),
            took: ended - started,
        })
    }

    /// Lets time pass up to `to`, running everything that becomes due, in order.
    pub fn advance(&mut self, to: Millis) {
        self.advance_while(to, || true);
    }

    /// Like [`World::advance`], but no further than to the first event after which `go_on` is false.
    pub fn advance_while(&mut self, to: Millis, mut go_on: impl FnMut() -> bool) {
        while let Some(at) = self.next_event() {
            if at > to {
                break;
            }
            self.now = self.now.max(at);
            self.run_due();
            if !go_on() {
                return;
            }
        }
        self.now = self.now.max(to);
    }

    fn run_due(&mut self) {
        if let Some((&key, _)) = self.queue.first_key_value()
            && key.0 <= self.now
        {
            match self.queue.remove(&key) {
                Some(Due::World(change)) => change(self),
                Some(Due::Command(id, step)) => {
                    // Taken out while it runs, so that it can have the world to itself; a killed command is not there.
                    if let Some(mut call) = self.commands.remove(&id) {
                        let next = step(self, &mut call);
                        let alive = self.machines.get(&call.machine).is_some_and(|machine| machine.powered);
                        self.settle(call, if alive { next } else { Next::Exit(137) });
                    }
                }
                None => {}
            }
        }
        self.tick_clusters();
    }

    /// When something will happen by itself; `None` in a world at rest.
    pub fn next_event(&self) -> Option<Millis> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let clusters = self.clusters.values().filter_map(Cluster::next_event).min();
        [queued, clusters].into_iter().flatten().min().map(|at| at.max(self.now))
    }
}
