//! pip, uv, Poetry and twine.

use crate::client::{Client, run};

const WHEEL: &str = "GET …/pypi/download/…/private_greeting-1.0.0-py3-none-any.whl";

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        heading: "pip",
        project: &[("README", "")],
        before: "",
        unmounted: "ENV PIP_INDEX_URL=https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/simple/ PIP_NO_INPUT=1",
        agent: "pip/",
        request: WHEEL,
        status: 200,
    },
    Client {
        heading: "uv",
        project: &[(
            "pyproject.toml",
            r#"[project]
name = "app"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["private-greeting"]

[[tool.uv.index]]
name = "shared"
url = "https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/simple/"
default = true
"#,
        )],
        before: "ENV UV_NO_MANAGED_PYTHON=1 PYTHONPATH=",
        unmounted: "ENV UV_DEFAULT_INDEX=https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/simple/",
        agent: "uv/",
        request: WHEEL,
        status: 200,
    },
    Client {
        heading: "Poetry",
        project: &[(
            "pyproject.toml",
            r#"[project]
name = "app"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["private-greeting==1.0.0"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "shared"
url = "https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/simple/"
priority = "primary"
"#,
        )],
        before: "",
        unmounted: "",
        agent: "poetry/",
        request: WHEEL,
        status: 200,
    },
    Client {
        heading: "twine",
        project: &[("wheel.py", WHEEL_PY)],
        before: "RUN PYTHONPATH= python /work/twine/wheel.py {n}",
        unmounted: "ENV TWINE_USERNAME=nobody TWINE_PASSWORD=none \
                    TWINE_REPOSITORY_URL=https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/upload/",
        agent: "twine/",
        request: "POST …/_packaging/shared/pypi/upload",
        status: 200,
    },
];

/// Makes a wheel of the package `upload-N` in `dist`.
const WHEEL_PY: &str = r#"import os, sys, zipfile
name = f"upload_{sys.argv[1]}"
os.makedirs("dist")
with zipfile.ZipFile(f"dist/{name}-1.0.0-py3-none-any.whl", "w") as wheel:
    info = f"{name}-1.0.0.dist-info"
    wheel.writestr(f"{name}.py", "")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;

#[test]
fn pip_and_uv_install_and_fail_without_mounts() {
    run(&CLIENTS[..2]);
}

#[test]
fn poetry_installs_and_twine_uploads_and_both_fail_without_mounts() {
    run(&CLIENTS[2..]);
}
