//! The stages of a Dockerfile: what each is built from, which ones a target reaches, what their variables hold.
//!
//! Rule: a stage that may be needed counts as needed.
//!
//! It follows `frontend/dockerfile/dockerfile2llb/convert.go` of moby/buildkit.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::syntax::{Dockerfile, Instruction};
use super::word::{self, Value};
use crate::error::hinted;

/// Arguments that BuildKit gives a value of its own: to every `FROM`, and to stages that declare them.
const BUILTIN_ARGS: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// The stages of one Dockerfile, in its order.
pub(super) struct Stages<'a> {
    in_order: Vec<Stage>,
    /// Arguments declared before the first `FROM`, and the built-in ones.
    global_args: Variables,
    build_args: &'a BTreeMap<String, String>,
    escape: char,
}

/// One stage: a `FROM` and the instructions up to the next.
pub(super) struct Stage {
    /// In lower case.
    name: Option<String>,
    base: Base,
    /// Triggers of the base stage first.
    pub(super) instructions: Vec<Instruction>,
}

/// What a `FROM` names.
enum Base {
    /// An image by its reference, as the `FROM` writes it with its variables replaced.
    Image(String),
    /// An earlier stage.
    Stage(usize),
    /// An image or any earlier stage: the name hangs on what only the build knows.
    Unresolved,
}

/// The variables at one place of a Dockerfile.
#[derive(Default, Clone)]
pub(super) struct Variables(BTreeMap<String, Value>);

impl<'a> Stages<'a> {
    pub(super) fn parse(text: &str, build_args: &'a BTreeMap<String, String>) -> anyhow::Result<Self> {
        let Dockerfile { escape, instructions } = Dockerfile::parse(text);
        let mut all =
            Self { in_order: Vec::new(), global_args: Variables::builtin(build_args), build_args, escape };
        for instruction in instructions {
            match (instruction.keyword.as_str(), all.in_order.last_mut()) {
                ("FROM", _) => all.begin(&instruction),
                ("ARG", None) => all.global_args.declare(&instruction.arguments, escape, build_args, None),
                (_, Some(stage)) => stage.instructions.push(instruction),
                (_, None) => {}
            }
        }
        if all.in_order.is_empty() {
            bail!("the Dockerfile has no `FROM`");
        }
        Ok(all)
    }

    fn begin(&mut self, from: &Instruction) {
        let mut words = from.arguments.split_whitespace();
        let base = word::expand(words.next().unwrap_or_default(), self.escape, &|name| {
            self.global_args.global(name)
        });
        let name = words.next().filter(|word| word.eq_ignore_ascii_case("as")).and(words.next());
        let base = match base {
            None => Base::Unresolved,
            Some(base) => self.find(&base).map_or(Base::Image(base), Base::Stage),
        };
        let instructions = match base {
            Base::Stage(base) => {
                self.in_order[base].instructions.iter().filter_map(|i| i.trigger(self.escape)).collect()
            }
            Base::Image(_) | Base::Unresolved => Vec::new(),
        };
        self.in_order.push(Stage { name: name.map(str::to_lowercase), base, instructions });
    }

    /// A later stage of the same name hides the earlier one.
    fn find(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.in_order.iter().rposition(|stage| stage.name.as_ref() == Some(&name))
    }

    /// The index of the stage that a build of `target` ends with, the last one without a target.
    fn target(&self, target: Option<&str>) -> anyhow::Result<usize> {
        match target.filter(|target| !target.is_empty()) {
            None => Ok(self.in_order.len() - 1),
            Some(target) => self.find(target).ok_or_else(|| self.unknown_target(target)),
        }
    }

    /// The reference of the image that a build of `target` ends up on, if it can be known before the build.
    pub(super) fn base_image(&self, target: Option<&str>) -> anyhow::Result<Option<&str>> {
        let mut stage = self.target(target)?;
        loop {
            match &self.in_order[stage].base {
                Base::Image(reference) => return Ok(Some(reference)),
                Base::Stage(earlier) => stage = *earlier,
                Base::Unresolved => return Ok(None),
            }
        }
    }

    /// The indices of the stages that one of `target` is built from, itself the last.
    pub(super) fn chain(&self, target: Option<&str>) -> anyhow::Result<Vec<usize>> {
        let mut chain = vec![self.target(target)?];
        while let Base::Stage(base) = self.in_order[chain[chain.len() - 1]].base {
            chain.push(base);
        }
        chain.reverse();
        Ok(chain)
    }

    /// The indices of the stages that a build of `target` runs.
    pub(super) fn reached(&self, target: Option<&str>) -> anyhow::Result<BTreeSet<usize>> {
        let mut reached = BTreeSet::new();
        let mut open = vec![self.target(target)?];
        while let Some(index) = open.pop() {
            if reached.insert(index) {
                open.extend(self.needs(index));
            }
        }
        Ok(reached)
    }

    fn needs(&self, index: usize) -> Vec<usize> {
        let stage = &self.in_order[index];
        let mut needs = match stage.base {
            Base::Image(_) => Vec::new(),
            Base::Stage(base) => vec![base],
            Base::Unresolved => (0..index).collect(),
        };
        for instruction in &stage.instructions {
            match instruction.keyword.as_str() {
                // `--from` expands no variables; a number is an index for COPY alone.
                "COPY" => needs.extend(instruction.flag_values("from").filter_map(|from| self.source(from))),
                "RUN" => needs.extend(
                    instruction.mounts().filter_map(|fields| self.find(fields.get("from")?.as_ref()?)),
                ),
                _ => {}
            }
        }
        needs
    }

    fn unknown_target(&self, target: &str) -> anyhow::Error {
        let names: Vec<_> =
            self.in_order.iter().filter_map(|s| s.name.as_ref()).map(|n| format!("`{n}`")).collect();
        let hint = if names.is_empty() {
            format!("give the stage a name in the Dockerfile: `FROM … AS {target}`")
        } else {
            format!("the Dockerfile's named stages: {}", names.join(", "))
        };
        hinted(format!("`target: {target}` is no stage of the Dockerfile"), hint)
    }

    /// The stage's name, or `stage-N` as BuildKit's log shows it.
    pub(super) fn display_name(&self, index: usize) -> String {
        self.in_order[index].name.clone().unwrap_or_else(|| format!("stage-{index}"))
    }

    /// Runs through a stage's instructions with the variables that each one sees, and returns the last ones.
    pub(super) fn walk(&self, index: usize, visit: &mut dyn FnMut(&Instruction, &Variables)) -> Variables {
        let stage = &self.in_order[index];
        let mut variables = match stage.base {
            Base::Stage(base) => self.walk(base, &mut |_, _| {}),
            Base::Image(_) | Base::Unresolved => Variables::default(),
        };
        for instruction in &stage.instructions {
            visit(instruction, &variables);
            match instruction.keyword.as_str() {
                "ARG" => {
                    let globals = Some(&self.global_args);
                    variables.declare(&instruction.arguments, self.escape, self.build_args, globals);
                }
                "ENV" => variables.set(&instruction.arguments, self.escape),
                _ => {}
            }
        }
        variables
    }

    /// The word with its variables replaced; one that can't be resolved stays as it is.
    pub(super) fn expand(&self, word: &str, variables: &Variables) -> String {
        self.resolve(word, variables).unwrap_or_else(|| word.to_owned())
    }

    /// The word with its variables replaced, if they can be resolved.
    pub(super) fn resolve(&self, word: &str, variables: &Variables) -> Option<String> {
        word::expand(word, self.escape, &|name| variables.local(name))
    }

    /// The escape character.
    pub(super) fn escape(&self) -> char {
        self.escape
    }

    /// Whether the `--from` of a `COPY` names a stage, by its name or its index.
    pub(super) fn is_stage(&self, from: &str) -> bool {
        self.source(from).is_some()
    }

    /// The stage that the `--from` of a `COPY` names, by its name or its index.
    fn source(&self, from: &str) -> Option<usize> {
        match from.parse() {
            Ok(number) => (number < self.in_order.len()).then_some(number),
            Err(_) => self.find(from),
        }
    }
}

impl Variables {
    fn builtin(build_args: &BTreeMap<String, String>) -> Self {
        let value = |name| build_args.get(name).map_or(Value::Unresolved, |value| Value::Set(value.clone()));
        Self(BUILTIN_ARGS.map(|name| (name.to_owned(), value(name))).into())
    }

    /// Before the first `FROM` there is no base image whose variables could count.
    fn global(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Unset)
    }

    fn local(&self, name: &str) -> Value {
        self.0.get(name).cloned().unwrap_or(Value::Undeclared)
    }

    /// `ARG name[=default] …`; `globals` for one inside a stage.
    fn declare(
        &mut self,
        arguments: &str,
        escape: char,
        build_args: &BTreeMap<String, String>,
        globals: Option<&Self>,
    ) {
        for argument in word::split(arguments, escape) {
            let (name, default) = match argument.split_once('=') {
                Some((name, default)) => (name.to_owned(), Some(default)),
                None => (argument.clone(), None),
            };
            let value = match (build_args.get(&name), default) {
                (Some(value), _) => Value::Set(value.clone()),
                (None, Some(default)) => {
                    let lookup =
                        |name: &str| if globals.is_some() { self.local(name) } else { self.global(name) };
                    word::expand(default, escape, &lookup).map_or(Value::Unresolved, Value::Set)
                }
                (None, None) => globals.map_or(Value::Unset, |globals| globals.global(&name)),
            };
            if value == Value::Unset {
                // Declaring it again leaves an earlier value in place.
                self.0.entry(name).or_insert(value);
            } else {
                self.0.insert(name, value);
            }
        }
    }

    /// `ENV name=value …` or `ENV name value`. Every value sees the variables from before the instruction.
    fn set(&mut self, arguments: &str, escape: char) {
        let words = word::split(arguments, escape);
        let pairs: Vec<(&str, &str)> = if words.first().is_some_and(|word| word.contains('=')) {
            words.iter().filter_map(|word| word.split_once('=')).collect()
        } else {
            arguments.split_once(char::is_whitespace).into_iter().collect()
        };
        let expand = |word: &str| word::expand(word, escape, &|name| self.local(name));
        let values: Vec<_> = pairs
            .into_iter()
            .filter_map(|(name, value)| {
                Some((expand(name)?, expand(value).map_or(Value::Unresolved, Value::Set)))
            })
            .collect();
        self.0.extend(values);
    }
}
