//! Child processes: run one, ask one, find one. It knows no step and no rule.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a child with a deadline is looked at; a person does not notice the difference.
const POLL: Duration = Duration::from_millis(50);

/// How long a command in the foreground may take: a build from nothing and the longest tests take a
/// quarter of it on two cores. Beyond it something hangs, and must not hold up what comes after.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Returns the root of the repository, wherever the command was typed.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map(Path::to_path_buf)
        .context("xtask has no parent folder")
}

/// Splits `line` at spaces into a command; no argument of ours contains one.
pub(crate) fn words(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Runs a command in the foreground, its output visible, and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    println!("$ {line}");
    let child = command
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    end_within(child, PATIENCE).with_context(|| format!("`{line}`"))
}

/// Runs a command silently and returns what it printed; its complaint is in the error.
pub(crate) fn ask(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            complaint.trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` did not print UTF-8"))
}

/// Runs a command silently, and ends it when it takes longer than `deadline`.
pub(crate) fn ask_within(command: &mut Command, deadline: Duration) -> Result<()> {
    let line = describe(command);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    end_within(child, deadline).with_context(|| format!("`{line}`"))
}

/// Waits for a child, and ends it with all that it started when it takes longer than `deadline`.
fn end_within(mut child: Child, deadline: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("ended with {status}"),
            None if start.elapsed() < deadline => std::thread::sleep(POLL),
            None => {
                end_family(child.id())?;
                child.wait()?;
                bail!("took longer than {} s", deadline.as_secs());
            }
        }
    }
}

/// Ends a process and its descendants: a test that hangs leaves servers behind
/// otherwise, which hold the output open that a reader of ours waits for.
fn end_family(oldest: u32) -> Result<()> {
    // Where there is no `ps`, the child alone.
    let family = ask(&mut words("ps -e -o pid=,ppid=")).unwrap_or_default();
    let pairs = family.lines().filter_map(|line| {
        let (pid, parent) = line.trim().split_once(char::is_whitespace)?;
        Some((pid.parse().ok()?, parent.trim().parse().ok()?))
    });
    let pairs: Vec<(u32, u32)> = pairs.collect();
    let mut doomed = vec![oldest];
    let mut next = 0;
    while let Some(&parent) = doomed.get(next) {
        doomed.extend(
            pairs
                .iter()
                .filter(|pair| pair.1 == parent)
                .map(|pair| pair.0),
        );
        next += 1;
    }
    // The shell's own `kill`. One of them may have ended by itself meanwhile.
    let doomed: Vec<_> = doomed.iter().map(u32::to_string).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("kill -KILL {}", doomed.join(" "))]);
    shell.stderr(Stdio::null()).status()?;
    Ok(())
}

/// Says whether a program can be started by its bare name.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The command as a person would type it, folder included when it is not the root.
fn describe(command: &Command) -> String {
    let mut line = String::new();
    if let Some(folder) = command.get_current_dir() {
        line.push_str(&format!("cd {} && ", folder.display()));
    }
    line.push_str(&command.get_program().to_string_lossy());
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_it_is_typed() {
        let mut command = words("npm run build");
        command.current_dir("examples/x");
        assert_eq!(describe(&command), "cd examples/x && npm run build");
    }

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = ask(&mut words("git no-such-verb")).unwrap_err();
        assert!(error.to_string().contains("git no-such-verb"), "{error}");
    }

    #[test]
    fn a_command_past_its_deadline_is_ended() {
        let start = Instant::now();
        let error = ask_within(&mut words("sleep 600"), Duration::from_millis(10)).unwrap_err();
        let told = format!("{error:#}");
        assert!(
            told.contains("sleep 600") && told.contains("took longer"),
            "{told}"
        );
        assert!(start.elapsed() < Duration::from_secs(60));
        assert!(ask_within(&mut words("true"), Duration::from_secs(60)).is_ok());
    }

    #[test]
    fn what_a_command_started_ends_with_it() {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "sleep 600 & wait"])
            .stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        end_within(child, Duration::from_millis(100)).unwrap_err();
        // It ends only when nobody holds the pipe open any more.
        std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    }

    #[test]
    fn programs_are_looked_up_on_the_path() {
        assert!(on_path("cargo"));
        assert!(!on_path("no-such-program-anywhere"));
    }
}
