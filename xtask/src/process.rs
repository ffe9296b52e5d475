//! Long-running processes that belong together. In: commands. Out: all of them running, a dead one started
//! again with backoff, and none of them left when the stack ends, however it ends.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How often the stack is looked at.
pub const PAUSE: Duration = Duration::from_millis(50);
/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A process that ran this long is taken for healthy: its next death waits the first backoff again.
const HEALTHY: Duration = Duration::from_secs(30);

/// A command for the stack. The kernel ends the process when we are killed and can't end it ourselves
/// (Linux). It is a thread whose end the kernel tells of, so start it on one that lasts as long as we do.
pub fn program(path: &Path) -> Command {
    launched(path, &[])
}

/// The same for a program that has things of its own to clear away: it is asked to end.
pub fn program_asked(path: &Path) -> Command {
    launched(path, &["--ask"])
}

fn launched(path: &Path, how: &[&str]) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(path);
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(["launch", "--parent", &std::process::id().to_string()]).args(how).arg("--").arg(path);
    command
}

/// Becomes the program that `words` begin with, which ends when `parent` does: what the commands of
/// [`program`] do. Kept over `exec`, so that no code has to run between fork and exec.
#[cfg(target_os = "linux")]
pub fn become_program(parent: u32, ask: bool, words: &[OsString]) -> Result<std::convert::Infallible> {
    let (program, arguments) = words.split_first().context("no program")?;
    rustix::process::set_parent_process_death_signal(Some(if ask { Signal::TERM } else { Signal::KILL }))?;
    // It may have ended before the kernel knew that we care.
    if rustix::process::getppid().map(|id| id.as_raw_nonzero().get()) != i32::try_from(parent).ok() {
        bail!("{}: its parent has ended", Path::new(program).display());
    }
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("can't start {}", Path::new(program).display()))
}

#[cfg(not(target_os = "linux"))]
pub fn become_program(_: u32, _: bool, _: &[OsString]) -> Result<std::convert::Infallible> {
    bail!("launch works on Linux alone")
}

/// Set by SIGINT, SIGTERM or SIGHUP from now on, instead of ending us.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn on_signals() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("can't listen for signals")?;
        }
        Ok(Self(flag))
    }

    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The processes, in the order in which they were started.
#[derive(Default)]
pub struct Stack {
    parts: Vec<Part>,
}

struct Part {
    name: &'static str,
    command: Command,
    state: State,
    backoff: Duration,
}

enum State {
    Running { child: Child, since: Instant },
    Waiting { until: Instant },
}

impl Stack {
    /// Starts a process; its output goes to our standard error.
    pub fn start(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        command.stdout(io::stderr());
        self.start_telling(name, command)
    }

    /// The same; what it says on standard output stays there.
    pub fn start_telling(&mut self, name: &'static str, mut command: Command) -> Result<()> {
        // A group of its own: Ctrl-C reaches us alone, and we end the others in order.
        command.stdin(Stdio::null()).stderr(io::stderr()).process_group(0);
        let child = command.spawn().with_context(|| format!("can't start {name}"))?;
        let state = State::Running { child, since: Instant::now() };
        self.parts.push(Part { name, command, state, backoff: FIRST_BACKOFF });
        Ok(())
    }

    /// The process of a part, while it runs.
    pub fn id(&self, name: &str) -> Option<u32> {
        let part = self.parts.iter().find(|part| part.name == name)?;
        match &part.state {
            State::Running { child, .. } => Some(child.id()),
            State::Waiting { .. } => None,
        }
    }

    /// An error when a process has ended: before all is ready nothing is started again.
    pub fn check(&mut self) -> Result<()> {
        for part in &mut self.parts {
            if let State::Running { child, .. } = &mut part.state
                && let Some(status) = child.try_wait()?
            {
                bail!("{} has ended at its start ({status})", part.name);
            }
        }
        Ok(())
    }

    /// Starts again what dies, until `stop` is asked for.
    pub fn supervise(&mut self, stop: &Stop) -> Result<()> {
        while !stop.asked() {
            for part in &mut self.parts {
                part.look_after(Instant::now(), stop)?;
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Ends all: asks them, waits, then ends them.
    pub fn stop(&mut self) {
        end(self.parts.drain(..));
    }

    /// Ends one part in the same way.
    pub fn stop_one(&mut self, name: &str) {
        end(self.parts.extract_if(.., |part| part.name == name));
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Part {
    fn look_after(&mut self, now: Instant, stop: &Stop) -> Result<()> {
        match &mut self.state {
            State::Running { child, since } => {
                let Some(status) = child.try_wait()? else { return Ok(()) };
                if stop.asked() {
                    return Ok(());
                }
                if now.duration_since(*since) > HEALTHY {
                    self.backoff = FIRST_BACKOFF;
                }
                eprintln!("{} has ended ({status}); starting it again in {:?}", self.name, self.backoff);
                self.state = State::Waiting { until: now + self.backoff };
                self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
            }
            State::Waiting { until } if *until <= now => match self.command.spawn() {
                Ok(child) => self.state = State::Running { child, since: now },
                Err(error) => {
                    eprintln!("can't start {}: {error}", self.name);
                    self.state = State::Waiting { until: now + self.backoff };
                    self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
                }
            },
            State::Waiting { .. } => {}
        }
        Ok(())
    }
}

fn end(parts: impl Iterator<Item = Part>) {
    let mut children: Vec<Child> = Vec::new();
    for part in parts {
        if let State::Running { child, .. } = part.state {
            ask_to_end(&child);
            children.push(child);
        }
    }
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline && !children.is_empty() {
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        thread::sleep(PAUSE);
    }
    for mut child in children {
        // An error means that it has ended meanwhile.
        let _ = child.kill().and_then(|()| child.wait());
    }
}

fn ask_to_end(child: &Child) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // A process that has ended already can't be asked; waiting for it tells.
    let _ = id.map(|id| kill_process(id, Signal::TERM));
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs, process,
        process::Command,
        sync::{Arc, atomic::AtomicBool, atomic::Ordering},
        thread,
        time::{Duration, Instant},
    };

    use super::{Stack, Stop};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_part_that_ends_at_its_start_is_named() {
        let mut stack = Stack::default();
        stack.start("the part", shell("exit 3")).unwrap();
        let error = loop {
            match stack.check() {
                Ok(()) => thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(error, "the part has ended at its start (exit status: 3)");
    }

    #[test]
    fn a_part_that_dies_is_started_again_and_none_is_left() {
        let log = env::temp_dir().join(format!("gatewaystack-stack-test-{}", process::id()));
        let mut stack = Stack::default();
        stack.start("the part", shell(&format!("echo $$ >> {}", log.display()))).unwrap();
        stack
            .start("the other", shell(&format!("echo $$ > {}.other; exec sleep 1000", log.display())))
            .unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let stop = Stop(Arc::clone(&flag));
        let starts = || fs::read_to_string(&log).unwrap_or_default().lines().count();
        thread::scope(|scope| {
            scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_secs(20);
                while starts() < 2 && Instant::now() < deadline {
                    thread::yield_now();
                }
                flag.store(true, Ordering::Relaxed);
            });
            stack.supervise(&stop).unwrap();
        });
        stack.stop();
        assert!(starts() >= 2, "started {} times", starts());
        let other = log.with_extension("other");
        let id = fs::read_to_string(&other).unwrap();
        assert!(!fs::exists(format!("/proc/{}", id.trim())).unwrap(), "the other one still runs");
        fs::remove_file(log).unwrap();
        fs::remove_file(other).unwrap();
    }
}
