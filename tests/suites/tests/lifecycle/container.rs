//! Container jobs: the agent runs each stage by `docker exec`, and the signals of a cancel end that alone.
//!
//! The container is process and mount namespaces that last until the test ends them, as the agent's stop of the
//! container does; `docker exec` is `nsenter`, whose output goes on to nobody once it is gone.

use std::process::{Child, Command, Stdio};

use feedbuild_agent::TaskResult;
use feedbuild_suites::{Gate, Store, executable, succeeded, variable};

use crate::trial::{Trial, all_ended, end_of};

/// It ends, with everything in it, when it is dropped.
struct Container(Child);

impl Container {
    /// A container in which every stage of the trial's job runs.
    fn start(trial: &Trial) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"]);
        let container = Self(command.stdin(Stdio::null()).spawn().unwrap());
        let folder = trial.world.job.root_dir().join("exec");
        // `tee` goes on when nobody reads its output any more, as the engine does.
        let script = format!(
            "#!/bin/bash\n\
             until init=$(cat /proc/{0}/task/{0}/children) && [ \"$init\" ]; do :; done\n\
             mkfifo {1}/output.$$\n\
             nsenter --target \"${{init% }}\" --pid --mount --wd=\"$PWD\" /bin/bash -c '\"$@\" | tee -p \"$0\" >/dev/null' \\\n    \
                 {1}/output.$$ {2} \"$@\" <&- 2>&1 >&- &\n\
             exec cat {1}/output.$$\n",
            container.0.id(),
            folder.display(),
            crate::dumps::node(),
        );
        executable(&folder.join("node"), &script);
        let client = std::path::Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
        trial.world.set_path(&[&folder, &client]);
        container
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn the_post_job_stage_stops_a_run_that_no_signal_reached() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    let container = Container::start(&trial);
    let step = trial.step_at(&gate);
    let running = step.start().unwrap();
    let waiting = gate.reached();
    let outcome = running.cancel().unwrap();
    assert_eq!(outcome.result, TaskResult::Canceled);
    let all = trial.processes();
    assert_eq!((trial.clients().len(), trial.private_folders().len()), (1, 1), "the run goes on");
    let post_job = succeeded(step.run_post_job().unwrap());
    assert_eq!(post_job.log, ["Stopped 1 run(s) that went on after a cancel"]);
    end_of(&all);
    waiting.killed();
    // What stood for `docker exec` may be about to end.
    let rest = trial.processes();
    drop(container);
    all_ended(&rest);
    trial.nothing_stays(&post_job);
}

#[test]
fn a_container_that_is_stopped_takes_the_run_with_it() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    let container = Container::start(&trial);
    let step = trial.step_at(&gate);
    let running = step.start().unwrap();
    let waiting = gate.reached();
    let (outcome, all) = (running.cancel().unwrap(), trial.processes());
    assert_eq!(outcome.result, TaskResult::Canceled);
    drop(container);
    end_of(&all);
    waiting.killed();
    // The agent empties its temp folder at the job's end; until then what is there holds no secret.
    trial.no_file_holds_a_secret();
    trial.the_users_config_is_untouched();
}
