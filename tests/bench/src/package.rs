//! What the package weighs, and what is in it.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use zip::ZipArchive;

use crate::bound::Bound;

/// The only scripts that the task needs: the agent starts native code by them.
const SCRIPTS: [&str; 2] = ["task/launcher.js", "task/post-job.js"];

/// The bounds of an extension with the linux-x64 binary, and maybe with others.
pub(crate) fn bounds(vsix: &Path) -> Result<Vec<Bound>> {
    let file = File::open(vsix).with_context(|| format!("cannot read `{}`", vsix.display()))?;
    let bytes = file.metadata().context("cannot learn its size")?.len();
    let archive = ZipArchive::new(file).context("the extension is no zip archive")?;
    let names: Vec<_> =
        archive.file_names().collect::<Result<_, _>>().context("it has names that are no text")?;
    ensure!(
        names.iter().any(|name| name.ends_with("bin/linux-x64/feedbuild")),
        "`{}` has no binary for linux-x64",
        vsix.display()
    );
    let binaries = names.iter().filter(|name| name.starts_with("task/bin/") && !name.ends_with('/')).count();
    let files = names.iter().filter(|name| name.starts_with("task/") && !name.ends_with('/')).count();
    let strange = names.iter().filter(|name| is_script(name) && !SCRIPTS.contains(&name.as_ref())).count();
    Ok(vec![
        Bound {
            what: "size of the .vsix".to_owned(),
            measured: as_float(bytes) / 1e6,
            at_best: None,
            // A binary, and what all share: pictures, notices. All six are 11.7, under the bound of 12.
            limit: 1.9 * as_float(binaries as u64) + 0.3,
            unit: "MB",
        },
        Bound {
            what: "files of the unpacked task".to_owned(),
            measured: as_float(files as u64),
            at_best: None,
            limit: 20.0,
            unit: "",
        },
        Bound {
            what: "JavaScript files beyond the launcher".to_owned(),
            measured: as_float(strange as u64),
            at_best: None,
            limit: 0.0,
            unit: "",
        },
    ])
}

fn is_script(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["js", "cjs", "mjs", "ts", "node", "wasm"].iter().any(|script| extension.eq_ignore_ascii_case(script))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^53")]
fn as_float(number: u64) -> f64 {
    number as f64
}
