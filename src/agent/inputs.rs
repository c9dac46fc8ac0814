//! The task's inputs, parsed once into types. Names and meanings are those of `task.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::arguments::Arguments;
use super::build_options::Given;
use super::env::Env;
use super::push_arguments;
use super::reader::{Reader, unknown_value};
use super::registry_connection::RegistryConnection;
use super::secret_inputs::{renamed, user_secrets};
use super::sources::SourceInputs;
use crate::buildx::options::BuildOptions;
use crate::error::hinted;
use crate::guard::policy::Policy;
use crate::registry::reference::Repository;
use crate::secret::catalogue::Asked;
use crate::secret::choice::MissingSecrets;
use crate::secret::user::UserSecret;
use crate::tags::Rules;

/// What the step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Build, then push.
    BuildAndPush,
    /// Build into the engine's store.
    Build,
    /// Push what an earlier step built.
    Push,
}

/// Which labels the image gets besides the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelInputs {
    /// `addPipelineData`.
    pub pipeline_data: bool,
    /// `addBaseImageData`.
    pub base_image_data: bool,
}

/// Where the image says what it is under the keys of the OCI image specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciInputs {
    /// `ociLabels`.
    pub labels: bool,
    /// `ociAnnotations`.
    pub annotations: bool,
}

/// All inputs.
#[derive(Debug)]
pub struct Inputs {
    /// `command`.
    pub command: Command,
    /// Feeds, service connections and what opens them.
    pub sources: SourceInputs,
    /// `containerRegistry`; the first is pushed to.
    pub registries: Vec<RegistryConnection>,
    /// `repository`, with the registry's host before it.
    pub repository: Option<Repository>,
    /// `tags` and `flavor`.
    pub tags: Rules,
    /// `defaultBranch`.
    pub default_branch: Option<String>,
    /// `Dockerfile`: a path or a glob.
    pub dockerfile: String,
    /// `buildContext`; `None` is the Dockerfile's folder.
    pub context: Option<String>,
    /// Which labels the image gets besides the user's.
    pub labels: LabelInputs,
    /// Where the image says what it is.
    pub oci: OciInputs,
    /// The options of the build, also those in `arguments`.
    pub options: BuildOptions,
    /// `secretIds`.
    pub renamed: BTreeMap<String, Asked>,
    /// `secrets`, `secretFiles` and `secretEnvs`.
    pub secrets: Vec<UserSecret>,
    /// `--secret` in `arguments`.
    pub secret_flags: Vec<UserSecret>,
    /// `missingSecrets`.
    pub missing_secrets: MissingSecrets,
    /// `leakCheck`, `leakCheckAllow` and `keepLeakedImage`.
    pub policy: Policy,
    /// `buildRecord`.
    pub build_record: bool,
    /// `allowInsecureBuilder`.
    pub allow_insecure_builder: bool,
    /// Where relative paths begin: the sources folder.
    pub root: PathBuf,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

impl Inputs {
    /// Parses the inputs; `root` is where the agent started us if it names no folder itself.
    pub fn parse(env: &Env, root: PathBuf) -> anyhow::Result<Self> {
        let mut reader = Reader::new(env);
        let mut command = command(env.strict_input("command")?)?;
        let only_extra = reader.boolean("onlyAddExtraIndex")?;
        let sources = SourceInputs::parse(env, only_extra)?;
        let registries =
            RegistryConnection::list(env, env.strict_input("containerRegistry")?.unwrap_or_default())?;
        let registry = registries.first().map(|connection| connection.registry.as_str());
        let repository =
            env.strict_input("repository")?.map(|text| Repository::parse(text, registry)).transpose()?;
        let flags = reader.lenient("arguments").unwrap_or_default();
        let arguments = match command {
            Command::Push => push_arguments::parse(flags)?,
            Command::Build | Command::BuildAndPush => Arguments::parse(flags)?,
        };
        let secret_flags: Vec<UserSecret> = arguments
            .secrets
            .iter()
            .map(|value| UserSecret::parse_flag(value, env))
            .collect::<anyhow::Result<_>>()?;
        let root = env
            .variable("System.DefaultWorkingDirectory")
            .or_else(|| env.variable("Build.SourcesDirectory"))
            .map_or(root, PathBuf::from);
        let options = Given {
            reader: &mut reader,
            flags: &arguments.options,
            root: &root,
            pushes: command == Command::BuildAndPush,
        }
        .parse(arguments.forwarded)?;
        if options.call.is_some() && command == Command::BuildAndPush {
            // A call builds nothing, so there is nothing to push.
            command = Command::Build;
        }
        check_destination(command, registry.is_some(), repository.as_ref())?;
        let notices = arguments
            .ignored
            .iter()
            .map(|flag| format!("`{flag}` in `arguments` is left out: the step shows the progress itself"));
        Ok(Self {
            command,
            sources,
            registries,
            repository,
            tags: tags(env)?,
            default_branch: env.strict_input("defaultBranch")?.map(str::to_owned),
            dockerfile: env.strict_input("Dockerfile")?.unwrap_or("**/Dockerfile").to_owned(),
            context: env
                .strict_input("buildContext")?
                .filter(|text| !is_default_context(text, &root))
                .map(str::to_owned),
            labels: LabelInputs {
                pipeline_data: reader.boolean_or("addPipelineData", true)?,
                base_image_data: reader.boolean_or("addBaseImageData", true)?,
            },
            oci: OciInputs {
                labels: reader.boolean("ociLabels")?,
                annotations: reader.boolean("ociAnnotations")?,
            },
            options,
            renamed: renamed(env.strict_input("secretIds")?.unwrap_or_default())?,
            secrets: user_secrets(env, &secret_flags)?,
            secret_flags,
            missing_secrets: match reader.lenient("missingSecrets") {
                None | Some("error") => MissingSecrets::Error,
                Some("warn") => MissingSecrets::Warn,
                Some(other) => return Err(unknown_value("missingSecrets", other, "`error` or `warn`")),
            },
            policy: Policy::parse(env)?,
            build_record: reader.boolean("buildRecord")?,
            allow_insecure_builder: reader.boolean("allowInsecureBuilder")?,
            notices: notices.collect(),
            warnings: reader.warnings,
            root,
        })
    }
}

fn command(text: Option<&str>) -> anyhow::Result<Command> {
    match text.unwrap_or("buildAndPush") {
        text if text.eq_ignore_ascii_case("buildAndPush") => Ok(Command::BuildAndPush),
        text if text.eq_ignore_ascii_case("build") => Ok(Command::Build),
        text if text.eq_ignore_ascii_case("push") => Ok(Command::Push),
        other => Err(hinted(
            format!("input `command` does not know `{other}`"),
            "write `buildAndPush`, `build` or `push`; for `login`, `logout`, `start`, `stop` and other docker commands \
             use the task `Docker@2`",
        )),
    }
}

/// A push needs a registry that somebody named: a bare `repository` would go to Docker Hub by accident.
fn check_destination(
    command: Command,
    has_connection: bool,
    repository: Option<&Repository>,
) -> anyhow::Result<()> {
    if command == Command::Build {
        return Ok(());
    }
    let Some(repository) = repository else {
        return Err(hinted(
            "input `repository` is empty, so there is nowhere to push to",
            "set `repository`, e.g. `repository: my-service`, or build without a push by `command: build`",
        ));
    };
    if !has_connection && !repository.has_registry_host() {
        return Err(hinted(
            format!("no registry to push `{repository}` to: `containerRegistry` is not set"),
            "set `containerRegistry` to a Docker registry service connection, or name the registry in `repository` \
             (`docker.io/` for Docker Hub), or build without a push by `command: build`",
        ));
    }
    Ok(())
}

fn tags(env: &Env) -> anyhow::Result<Rules> {
    let text = env.strict_input("tags")?.or_else(|| env.variable("Build.BuildId"));
    let rules = Rules::parse(text.unwrap_or_default(), env.strict_input("flavor")?.unwrap_or_default())?;
    if rules.is_empty() {
        return Err(hinted("input `tags` is empty", "set `tags`, e.g. `tags: $(Build.BuildId)`"));
    }
    Ok(rules)
}

/// `**`, alone or in the sources folder, is what `Docker@2` has as its default and takes as the Dockerfile's folder.
fn is_default_context(text: &str, root: &std::path::Path) -> bool {
    text.strip_suffix("**").is_some_and(|folder| {
        folder.is_empty() || std::path::Path::new(folder) == root || folder.trim_end_matches('/') == "."
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::error;
    use crate::tags::Run;

    fn parse(inputs: &[(&str, &str)]) -> anyhow::Result<Inputs> {
        let mut pairs = vec![("SYSTEM_DEFAULTWORKINGDIRECTORY".to_owned(), "/agent/1/s".to_owned())];
        pairs.extend(
            inputs
                .iter()
                .map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), (*value).to_owned())),
        );
        Inputs::parse(&pairs.into_iter().collect(), PathBuf::from("/"))
    }

    #[test]
    fn the_least_that_is_needed_gets_the_defaults() {
        let inputs = parse(&[("command", "build"), ("tags", " 1 ,2\n1")]).expect("enough");
        let run =
            Run::from_env(&Env::default(), None, Timestamp::UNIX_EPOCH).expect("nothing is wrong in it");
        let tags = inputs.tags.apply(&run).expect("plain ones").tags;
        assert_eq!(tags.iter().map(ToString::to_string).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((inputs.dockerfile.as_str(), inputs.context), ("**/Dockerfile", None));
        assert_eq!(inputs.missing_secrets, MissingSecrets::Error);
    }

    #[test]
    fn the_default_context_has_three_spellings() {
        for (text, context) in
            [("**", None), ("/agent/1/s/**", None), ("app", Some("app")), ("/agent/1/s", Some("/agent/1/s"))]
        {
            let inputs = parse(&[("command", "build"), ("tags", "1"), ("buildContext", text)]).expect(text);
            assert_eq!(inputs.context.as_deref(), context, "{text}");
        }
    }

    #[test]
    fn a_macro_that_was_left_is_an_error_where_it_matters() {
        for name in [
            "containerRegistry",
            "repository",
            "tags",
            "flavor",
            "defaultBranch",
            "Dockerfile",
            "buildContext",
            "command",
            "artifactFeeds",
            "secretIds",
        ] {
            let mut inputs = vec![("tags", "1"), ("command", "build")];
            inputs.retain(|(other, _)| *other != name);
            inputs.push((name, "$(nope)"));
            let error = error::render(&parse(&inputs).expect_err(name));
            assert!(error.contains(&format!("`{name}` holds `$(nope)`")), "{error}");
        }
        let error = error::render(
            &parse(&[("command", "build"), ("tags", "1"), ("secrets", "a=$(nope)")]).expect_err("secret"),
        );
        assert!(error.contains("no variable `nope` exists"), "{error}");
        let inputs =
            parse(&[("command", "build"), ("tags", "1"), ("target", "$(nope)")]).expect("it counts as unset");
        assert_eq!((inputs.options.target, inputs.warnings.len()), (None, 1));
    }

    #[test]
    fn the_arguments_of_a_push_are_those_of_docker_push() {
        let push = |arguments| {
            parse(&[
                ("command", "push"),
                ("repository", "reg.io/app"),
                ("tags", "1"),
                ("arguments", arguments),
            ])
        };
        let notice = "`-q` in `arguments` is left out: the step shows the progress itself";
        assert_eq!(push("-q").expect("known").notices, [notice]);
        let error = error::render(&push("--label a=b").expect_err("of a build"));
        assert!(error.starts_with("input `arguments`: `--label` is no flag of `docker push`"), "{error}");
    }

    #[test]
    fn a_push_without_a_registry_is_an_error() {
        let error =
            error::render(&parse(&[("repository", "my-service"), ("tags", "1")]).expect_err("no registry"));
        assert!(error.contains("`containerRegistry`") && error.contains("`command: build`"), "{error}");
        parse(&[("repository", "registry.example/my-service"), ("tags", "1")]).expect("a host is named");
    }

    #[test]
    fn wrong_values_name_the_right_ones() {
        let table = [
            (("command", "login"), "`Docker@2`"),
            (("command", "bake"), "does not know `bake`"),
            (("missingSecrets", "ignore"), "`error` or `warn`"),
            (("noCache", "yes"), "`true` or `false`"),
            (("secretIds", "x"), "`my_pip_url=PIP_EXTRA_INDEX_URL`"),
            (("secretIds", "x=NOPE"), "`PIP_INDEX_URL`"),
            (("secrets", "a=1\na=2"), "secret `a` is given twice: in `secrets`"),
            (("arguments", "--secret id=a --secret id=a,src=b"), "secret `a` is given twice: in `arguments`"),
            (("secretIds", "a=netrc\na=PIP_INDEX_URL"), "`secretIds` names `a` twice"),
        ];
        for ((name, value), expected) in table {
            let mut inputs = vec![("tags", "1"), (name, value)];
            if name != "command" {
                inputs.push(("command", "build"));
            }
            let error = error::render(&parse(&inputs).expect_err(value));
            assert!(error.contains(expected), "{error}");
        }
    }
}
