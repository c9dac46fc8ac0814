//! The user's own secrets, by every input that takes them: what a `RUN` reads is what was given, byte for byte.

use std::process::Command;

use feedbuild_agent::Step;
use feedbuild_suites::reveal::{contents, reveal};
use feedbuild_suites::{Store, World, notices, only_error, succeeded};

/// A step that builds anew: a cached `RUN` reads no secret.
fn step(world: &World, dockerfile: &str) -> Step {
    world.build_step(dockerfile).input("noCache", "true")
}

#[test]
fn secrets_of_the_users_own_arrive_byte_for_byte() {
    let world = World::new(Store::Containerd);
    let odd = "quote\" ' comma, equals= percent% %0A %25 %AZP25 é漢🦀 back\\slash $HOME ${HOME} `tick` ; ] ##vso[task.x]y #";
    let lines = "-----BEGIN KEY-----\nMIIB+/==\n\n\r\ttab\n-----END KEY-----";
    let binary: Vec<u8> = (0..=255).chain([b'\n', 0, b'\n']).collect();
    std::fs::write(world.job.sources_dir().join("binary file"), &binary).unwrap();
    world.source("keys/a,b\".pem", &format!("{lines}\n"));
    let absolute = world.job.temp_dir().join("secure.txt");
    std::fs::write(&absolute, "last line without its end").unwrap();
    world.job.set_secret_variable("my.secret", "of the pipeline");

    let ids = [
        "odd",
        "team/odd-2.x",
        "lines",
        "variable",
        "binary",
        "pem",
        "absolute",
        "flag",
        "flag_env",
        "flag_src",
    ];
    let step = step(&world, &format!("FROM feedbuild-test/base:latest\n{}", reveal(&ids)))
        .input("secrets", &format!("odd={odd}\n\n  team/odd-2.x = {odd}\nunused=x"))
        .input("secretEnvs", "lines=LINES\nvariable=my.secret")
        .input(
            "secretFiles",
            "binary=binary file\npem=keys/a,b\".pem\nabsolute=$(Agent.TempDirectory)/secure.txt",
        )
        .input(
            "arguments",
            "--secret id=flag --secret=id=flag_env,env=LINES --secret \"type=file,id=flag_src,src=binary file\"",
        )
        .env("LINES", lines)
        .env("flag", odd);
    let outcome = succeeded(step.run().unwrap());
    let held = contents(&outcome);
    let pem = format!("{lines}\n");
    let expected: [(&str, &[u8]); 10] = [
        ("odd", odd.as_bytes()),
        ("team/odd-2.x", odd.as_bytes()),
        ("lines", lines.as_bytes()),
        ("variable", b"of the pipeline"),
        ("binary", &binary),
        ("pem", pem.as_bytes()),
        ("absolute", b"last line without its end"),
        ("flag", odd.as_bytes()),
        ("flag_env", lines.as_bytes()),
        ("flag_src", &binary),
    ];
    for (id, content) in expected {
        assert_eq!(
            held.get(id).map(|content| String::from_utf8_lossy(content)),
            Some(String::from_utf8_lossy(content)),
            "{id}"
        );
        assert_eq!(held[id], content, "{id}");
    }
    assert_eq!(
        notices(&outcome),
        [
            "secret `unused` is given, but no `RUN` that the target reaches mounts it",
            "secret `unused` has fewer than 8 characters and is not searched for"
        ]
    );
    assert!(!outcome.log_text().contains("MIIB+/=="), "{}", outcome.log_text());
}

#[test]
fn the_largest_secret_arrives_whole_in_parallel_stages() {
    let world = World::new(Store::Containerd);
    let mut seed = 1_u32;
    let mut byte = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    let content: Vec<u8> = (0..500 * 1024).map(|_| byte()).collect();
    let path = world.job.sources_dir().join("large");
    std::fs::write(&path, &content).unwrap();
    let sum = Command::new("sha256sum").arg(&path).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap().split(' ').next().unwrap().to_owned();

    // The first goes to the client's standard input, which can be read only once; the second does not.
    let stage = |stage| {
        format!(
            "FROM feedbuild-test/base:latest AS stage{stage}
RUN --mount=type=secret,id=first --mount=type=secret,id=second \\
    for id in first second; do echo $id {stage} $(sha256sum </run/secrets/$id); done >/sums
"
        )
    };
    let copy = |stage| format!("COPY --from=stage{stage} /sums /sums{stage}\n");
    let dockerfile = [
        (1..=4).map(stage).collect(),
        "FROM feedbuild-test/base:latest\n".to_owned(),
        (1..=4).map(copy).collect(),
        "RUN cat /sums1 /sums2 /sums3 /sums4\n".to_owned(),
    ]
    .concat();
    let build = |files: &str| step(&world, &dockerfile).input("secretFiles", files).run().unwrap();
    let outcome = succeeded(build("first=large\nsecond=large"));
    for stage in 1..=4 {
        for id in ["first", "second"] {
            let line = format!("{id} {stage} {sum} -");
            assert!(outcome.log.iter().any(|said| said.ends_with(&line)), "{line}: {}", outcome.log_text());
        }
    }

    std::fs::write(world.job.sources_dir().join("larger"), [&content[..], b"x"].concat()).unwrap();
    assert_eq!(
        only_error(&build("first=larger\nsecond=large")),
        "input `secretFiles`: secret `first` has 512001 bytes; BuildKit takes at most 512000\n\nhint: split it, or pass \
         the part of it that is not secret in the build context"
    );
}
