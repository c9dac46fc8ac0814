//! The software bill of materials (CycloneDX 1.6, JSON): what is linked into the binaries. Pure.
//!
//! Rule: it holds no time and no random number, so the same sources give the same bill; its serial number is left out
//! for that reason, which the format allows.

use serde_json::{Value, json};

use crate::dependency::Dependency;
use crate::notices::{Runtime, runtimes};
use crate::platform::Platform;

/// The bill of the task in `version`, built by `rustc` (as that names itself) for these platforms.
pub(crate) fn render(
    version: &str,
    rustc: &str,
    dependencies: &[Dependency],
    platforms: &[&'static Platform],
) -> Vec<u8> {
    let task = format!("pkg:generic/feedbuild@{version}");
    let components: Vec<Value> =
        dependencies.iter().map(component).chain(runtimes(platforms).map(runtime)).collect();
    let references: Vec<&Value> = components.iter().map(|component| &component["bom-ref"]).collect();
    let bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": "rustc", "version": rustc }] },
            "component": {
                "type": "application",
                "bom-ref": task,
                "name": "feedbuild",
                "version": version,
                "licenses": [{ "expression": "MIT" }],
                "purl": task,
                "properties": platforms.iter().map(|platform| json!({
                    "name": "feedbuild:platform",
                    "value": platform.name,
                })).collect::<Value>(),
            },
        },
        "components": components,
        "dependencies": [{ "ref": task, "dependsOn": references }],
    });
    format!("{bill:#}\n").into_bytes()
}

fn component(dependency: &Dependency) -> Value {
    let Dependency { name, version, license, repository, checksum, .. } = dependency;
    // A `+` in a version is written by its code there.
    let purl = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "hashes": [{ "alg": "SHA-256", "content": checksum }],
        "licenses": [{ "expression": license }],
        "purl": purl,
    });
    if let Some(repository) = repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn runtime(runtime: &Runtime) -> Value {
    json!({
        "type": "library",
        "bom-ref": format!("runtime:{}", runtime.name),
        "name": runtime.name,
        "licenses": [{ "expression": runtime.license }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::tests::dependency;
    use crate::platform;

    #[test]
    fn a_crate_is_named_by_its_package_url_and_its_digest() {
        let platforms = [platform::named("linux-x64").unwrap()];
        let bill: Value =
            serde_json::from_slice(&render("0.1.0", "rustc 1", &[dependency("a", &["x"])], &platforms))
                .unwrap();
        assert_eq!(
            bill["components"][0],
            json!({
                "type": "library",
                "bom-ref": "pkg:cargo/a@1.2.3%2Bx",
                "name": "a",
                "version": "1.2.3+x",
                "hashes": [{ "alg": "SHA-256", "content": "00".repeat(32) }],
                "licenses": [{ "expression": "MIT" }],
                "purl": "pkg:cargo/a@1.2.3%2Bx",
                "externalReferences": [{ "type": "vcs", "url": "https://example.org/" }],
            })
        );
        assert_eq!(
            bill["dependencies"][0]["dependsOn"],
            json!([
                "pkg:cargo/a@1.2.3%2Bx",
                "runtime:Rust standard library",
                "runtime:LLVM runtimes (compiler-rt, libunwind)",
                "runtime:musl",
            ])
        );
    }
}
