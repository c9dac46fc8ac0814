//! Tasks made on the spot, for tests of the agent and of the launcher.

use std::fs;
use std::path::Path;
use std::time::Duration;

use feedbuild_agent::{Job, Outcome, Step, Task};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything that works takes.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A task folder whose stages are the node scripts `main.js` and `post.js`.
pub(crate) struct FakeTask {
    pub(crate) folder: TempDir,
    definition: Value,
}

impl FakeTask {
    pub(crate) fn new(main: &str) -> Self {
        let fake = Self {
            folder: TempDir::new().unwrap(),
            definition: json!({
                "id": "11111111-2222-3333-4444-555555555555",
                "name": "Fake",
                "friendlyName": "A fake",
                "version": { "Major": 1, "Minor": "2", "Patch": 3 },
                "execution": { "Node20_1": { "target": "main.js" }, "Node24": { "target": "main.js" } },
                "postjobexecution": { "Node20_1": { "target": "post.js" } },
            }),
        };
        fake.file("main.js", main);
        fake
    }

    /// Sets a field of `task.json`.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.definition[field] = value;
        self
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> &Self {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn task(&self) -> Task {
        self.file("task.json", &self.definition.to_string());
        Task::from_dir(self.folder.path()).unwrap()
    }
}

/// A job of nobody's collection.
pub(crate) fn job() -> Job {
    Job::new("https://dev.azure.com/fabrikam/", "job-access-token").unwrap()
}

/// A step that runs `script` in a job of its own, which lives as long as the step.
pub(crate) fn step(script: &str) -> Step {
    job().step(&FakeTask::new(script).task()).unwrap()
}

/// What comes of running `script`.
pub(crate) fn run(script: &str) -> Outcome {
    step(script).run().unwrap()
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
