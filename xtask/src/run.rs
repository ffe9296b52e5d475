//! Commands of others, run to their end. In: a command. Out: its output or its success; else one line that
//! says which command failed, and how.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};

/// Runs a command whose output is for the reader; all of it goes to standard error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("can't start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command for its standard output; what it says on standard error is shown when it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("can't start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", shown(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} wrote no UTF-8", shown(command)))
}

/// Runs a command whose output is shown as it comes and is also wanted: standard output and error, one after
/// the other.
pub fn tee(command: &mut Command) -> Result<(ExitStatus, String)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't start {}", shown(command)))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = thread::scope(|scope| {
        let err = scope.spawn(|| err.map(|pipe| copy(pipe, io::stderr())).unwrap_or_default());
        let out = out.map(|pipe| copy(pipe, io::stdout())).unwrap_or_default();
        (out, err.join().unwrap_or_default())
    });
    let status = child.wait().with_context(|| format!("can't wait for {}", shown(command)))?;
    let both = [out, err].concat();
    Ok((status, String::from_utf8_lossy(&both).into_owned()))
}

/// The command as a reader would type it: without the program's folder, and without its environment, which
/// may hold secrets.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Copies until the pipe ends and keeps what went through. A reader that went away doesn't stop the command.
fn copy(mut pipe: impl Read, mut shown: impl Write) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let piece = match pipe.read(&mut buffer) {
            Ok(0) => return kept,
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return kept,
        };
        kept.extend_from_slice(piece);
        let _ = shown.write_all(piece).and_then(|()| shown.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{output, run, tee};

    #[test]
    fn a_failing_command_is_named_with_its_exit_status() {
        let error = run(Command::new("false").arg("x")).unwrap_err().to_string();
        assert_eq!(error, "false x failed (exit status: 1)");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("/nonexistent/program")).unwrap_err().to_string();
        assert_eq!(error, "can't start program");
    }

    #[test]
    fn tee_keeps_both_streams() {
        let (status, text) = tee(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(3), "out\nerr\n"));
    }
}
