//! The variables that every job has before its pipeline defines any; values as of a small project on the service.

use std::path::Path;

use crate::Variable;

/// The predefined variables of a job with work folder `root/_work`; all are read-only for tasks.
pub(crate) fn variables(root: &Path, collection: &str) -> Vec<Variable> {
    let path = |relative: &str| root.join(relative).to_string_lossy().into_owned();
    let architecture = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
    let lookup_id = format!("vsts_{}", root.file_name().unwrap_or_default().to_string_lossy());
    let oidc = format!(
        "{collection}{PROJECT_ID}/_apis/distributedtask/hubs/build/plans/{PLAN_ID}/jobs/{JOB_ID}/oidctoken"
    );
    let pairs = [
        ("Agent.BuildDirectory", path("_work/1")),
        ("Agent.HomeDirectory", path("agent")),
        ("Agent.Id", "8".into()),
        ("Agent.IsSelfHosted", "1".into()),
        ("Agent.JobName", "Job".into()),
        ("Agent.JobStatus", "Succeeded".into()),
        ("Agent.MachineName", "fabrikam-agent".into()),
        ("Agent.Name", "fabrikam-agent".into()),
        ("Agent.OS", "Linux".into()),
        ("Agent.OSArchitecture", architecture.into()),
        ("Agent.RootDirectory", path("_work")),
        ("Agent.TempDirectory", path("_work/_temp")),
        ("Agent.ToolsDirectory", path("_work/_tool")),
        ("Agent.Version", "4.261.0".into()),
        ("Agent.WorkFolder", path("_work")),
        ("Build.ArtifactStagingDirectory", path("_work/1/a")),
        ("Build.BinariesDirectory", path("_work/1/b")),
        ("Build.BuildId", "20240".into()),
        ("Build.BuildNumber", "20260105.3".into()),
        ("Build.BuildUri", "vstfs:///Build/Build/20240".into()),
        ("Build.DefinitionName", "fabrikam-fiber".into()),
        ("Build.Reason", "IndividualCI".into()),
        ("Build.Repository.Id", "5febef5a-833d-4e14-b9c0-14cb638f91e6".into()),
        ("Build.Repository.LocalPath", path("_work/1/s")),
        ("Build.Repository.Name", "fabrikam-fiber".into()),
        ("Build.Repository.Provider", "TfsGit".into()),
        ("Build.Repository.Uri", format!("{collection}fabrikam/_git/fabrikam-fiber")),
        ("Build.RequestedForEmail", "jo@fabrikam.example".into()),
        ("Build.SourceBranch", "refs/heads/main".into()),
        ("Build.SourceBranchName", "main".into()),
        ("Build.SourcesDirectory", path("_work/1/s")),
        ("Build.SourceVersion", "6dcb09b5b57875f334f61aebed695e2e4193db5e".into()),
        ("Build.SourceVersionMessage", "Fix all the bugs".into()),
        ("Build.StagingDirectory", path("_work/1/a")),
        ("Common.TestResultsDirectory", path("_work/1/TestResults")),
        ("Pipeline.Workspace", path("_work/1")),
        ("System", "build".into()),
        ("System.ArtifactsDirectory", path("_work/1/a")),
        ("System.CollectionId", "b1cd4a4e-6d6c-4b0f-8a3c-1f6a6a1d9f51".into()),
        ("System.CollectionUri", collection.into()),
        ("System.Culture", "en-US".into()),
        ("System.DefaultWorkingDirectory", path("_work/1/s")),
        ("System.DefinitionId", "12".into()),
        ("System.DefinitionName", "fabrikam-fiber".into()),
        ("System.HostType", "build".into()),
        ("System.JobAttempt", "1".into()),
        ("System.JobDisplayName", "Job".into()),
        ("System.JobId", JOB_ID.into()),
        ("System.JobName", "__default".into()),
        ("System.OidcRequestUri", oidc),
        ("System.PhaseAttempt", "1".into()),
        ("System.PhaseDisplayName", "Job".into()),
        ("System.PhaseName", "Job".into()),
        ("System.PlanId", PLAN_ID.into()),
        ("System.PullRequest.IsFork", "False".into()),
        ("System.ServerType", "Hosted".into()),
        ("System.StageAttempt", "1".into()),
        ("System.StageDisplayName", "__default".into()),
        ("System.StageName", "__default".into()),
        ("System.TeamFoundationCollectionUri", collection.into()),
        ("System.TeamFoundationServerUri", collection.into()),
        ("System.TeamProject", "fabrikam".into()),
        ("System.TeamProjectId", PROJECT_ID.into()),
        ("System.TimelineId", PLAN_ID.into()),
        ("System.WorkFolder", path("_work")),
        ("VSTS_PROCESS_LOOKUP_ID", lookup_id),
    ];
    pairs.map(|(name, value)| Variable { read_only: true, ..Variable::public(name, value) }).into()
}

const JOB_ID: &str = "12f1170f-54f2-53f3-20dd-22fc7dff55f9";
const PLAN_ID: &str = "f8a6f6f2-6f0e-4f5a-9d7e-3a7c6a4d2b10";
const PROJECT_ID: &str = "8d3e9a3b-2f9c-4c07-8f2b-6f2f0c5e7a44";
