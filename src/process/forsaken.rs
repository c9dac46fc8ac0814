//! A run that goes on although the agent has given it up. In a container job the signals of a cancel end `docker exec`
//! alone (agent `StepHost.cs`), and the step runs on inside until the container goes; the post-job stage comes before.
//!
//! Rule: only a run of the same job is stopped, and it is asked before it is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long it may take to clean up after it was asked.
const GRACE: Duration = Duration::from_secs(5);

/// How often we look whether it has ended: we are not its parent.
const INTERVAL: Duration = Duration::from_millis(10);

/// Stops the process with this id, if it is a run that has the same temp folder of an agent; returns whether it was one.
/// Its docker client dies with it.
#[must_use]
pub fn stop(pid: u32, temp: &Path) -> bool {
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|_| is_run(pid, temp)) else {
        return false;
    };
    for signal in [Signal::TERM, Signal::KILL] {
        // One that has ended meanwhile needs no signal.
        let _ = kill_process(process, signal);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if !is_run(pid, temp) {
                return true;
            }
            std::thread::sleep(INTERVAL);
        }
    }
    true
}

/// Whether a process runs our main stage for the job with this temp folder. One that has ended and was not waited for
/// shows neither arguments nor environment.
fn is_run(pid: u32, temp: &Path) -> bool {
    let read = |file| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let (arguments, environment) = (read("cmdline"), read("environ"));
    let variable = format!("AGENT_TEMPDIRECTORY={}", temp.display());
    let mut arguments = arguments.split(|&byte| byte == 0);
    let program = arguments.next().unwrap_or_default();
    program.ends_with(b"/feedbuild")
        && arguments.next() == Some(b"run")
        && environment.split(|&byte| byte == 0).any(|entry| entry == variable.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_a_run_of_the_same_job_is_stopped() {
        let folder = tempfile::tempdir().expect("temp is writable");
        // A shell that is called as our binary, says that it runs and waits for input: a process has no arguments yet when
        // it leaves its parent.
        std::fs::write(folder.path().join("run"), "echo; read -r _").expect("it is ours");
        let table = [
            ("/bin/feedbuild", "/t", true),
            ("/bin/feedbuild", "/other/t", false),
            ("/bin/other", "/t", false),
        ];
        for (program, temp, expected) in table {
            let mut command = Command::new("sh");
            command.arg0(program).arg("run").current_dir(&folder).env("AGENT_TEMPDIRECTORY", temp);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a shell");
            let mut said = [0];
            child.stdout.as_mut().expect("it is a pipe").read_exact(&mut said).expect("it runs");
            assert_eq!(stop(child.id(), Path::new("/t")), expected, "{program} {temp}");
            drop(child.stdin.take());
            let status = child.wait().expect("it is ours");
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!(signal.is_some(), expected, "{program} {temp}");
        }
        assert!(!stop(u32::MAX, Path::new("/t")));
    }
}
