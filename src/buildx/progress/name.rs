//! What the name of a step of the build says: `[linux/arm64 builder 2/4] RUN make` is the second of four instructions
//! of stage `builder` for a platform (BuildKit `frontend/dockerfile/dockerfile2llb`, `prefixCommand`).

/// An instruction of the Dockerfile, as BuildKit names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The platform, if the build has several.
    pub platform: Option<String>,
    /// The stage, if the Dockerfile has several; `stage-N` for one without a name.
    pub stage: Option<String>,
    /// The instruction itself, e.g. `RUN make`.
    pub text: String,
}

impl Instruction {
    /// The instruction that `name` stands for; `None` for steps of BuildKit's own, e.g. `[internal] load .dockerignore`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (head, text) = name.strip_prefix('[')?.split_once("] ")?;
        let mut words: Vec<&str> = head.split(' ').collect();
        let (number, total) = words.pop()?.split_once('/')?;
        number.parse::<u32>().ok().and(total.parse::<u32>().ok())?;
        // No name of a stage has a slash.
        let (platforms, stages): (Vec<&str>, Vec<&str>) =
            words.into_iter().filter(|word| !word.is_empty()).partition(|word| word.contains('/'));
        Some(Self {
            platform: platforms.first().map(|&word| word.to_owned()),
            stage: stages.first().map(|&word| word.to_owned()),
            text: text.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_may_be_missing() {
        for (name, platform, stage, text) in [
            ("[2/3] RUN make", None, None, "RUN make"),
            ("[stage-1 1/2] COPY a b", None, Some("stage-1"), "COPY a b"),
            ("[linux/arm64 2/3] RUN [x] y", Some("linux/arm64"), None, "RUN [x] y"),
            ("[linux/amd64->arm64 build  1/10] FROM a", Some("linux/amd64->arm64"), Some("build"), "FROM a"),
        ] {
            let expected = Instruction {
                platform: platform.map(str::to_owned),
                stage: stage.map(str::to_owned),
                text: text.to_owned(),
            };
            assert_eq!(Instruction::parse(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn steps_of_the_builder_are_no_instructions() {
        for name in [
            "",
            "[",
            "[] x",
            "[internal] load .dockerignore",
            "[linux/amd64 internal] load metadata for base",
            "[auth] library/base:pull token for registry",
            "exporting to image",
            "[a b/c] x",
        ] {
            assert_eq!(Instruction::parse(name), None, "{name}");
        }
    }
}
