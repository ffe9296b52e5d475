//! `gatewaystack launch`, for us alone: a program in, and out that program in our place, which ends when
//! our parent does. Envoy would go on without its parent, and under a policy that nobody renews.
//!
//! The wish is kept over `exec`, so that no code has to run between fork and exec. The kernel drops it for a
//! program with set-user-ID or with capabilities of its file.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// `program`, which ends with us. Call this on the thread that lasts: it is a thread whose end the kernel
/// tells of.
pub fn ends_with_us(program: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(program);
    }
    // As it was when we began: the file may have been replaced since.
    let mut command = Command::new("/proc/self/exe");
    command.args(["launch", "--parent", &std::process::id().to_string(), "--"]).arg(program);
    command
}

/// Becomes the program that `words` begin with.
///
/// # Errors
/// Why it can't be started; it never is without its parent.
#[cfg(target_os = "linux")]
pub fn become_program(parent: u32, words: &[OsString]) -> Result<std::convert::Infallible, String> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    use std::os::unix::process::CommandExt as _;
    let Some((program, arguments)) = words.split_first() else { return Err("no program".to_owned()) };
    let failed = |e: &dyn std::fmt::Display| format!("can't start {}: {e}", Path::new(program).display());
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| failed(&e))?;
    // It may have ended before the kernel knew that we care.
    if getppid().is_none_or(|id| u32::try_from(id.as_raw_nonzero().get()) != Ok(parent)) {
        return Err(failed(&"its parent has ended"));
    }
    Err(failed(&Command::new(program).args(arguments).exec()))
}

/// Elsewhere nobody asks for it.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn become_program(_: u32, _: &[OsString]) -> Result<std::convert::Infallible, String> {
    Err("launch works on Linux alone".to_owned())
}
