//! Azure Repos: `{base}{project}/_git/{repository}`, each with one commit on `main`, as plain files (git's "dumb" HTTP
//! protocol), to whoever has a token.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;

use flate2::{Compression, write::ZlibEncoder};
use hyper::{Method, Response};
use sha1::{Digest as _, Sha1};

use crate::{
    azure::{Azure, nothing_here},
    reply,
    request::Request,
    server::Body,
    token::Identity,
};

/// Answers a request whose path below the base has `_git` at `at`.
pub(crate) fn answer(azure: &Azure, request: &Request, at: usize) -> Response<Body> {
    if !matches!(azure.identify(request), Identity::Known(_)) {
        return azure.unauthorized(request);
    }
    let path = request.segments.get(at + 2..).unwrap_or_default().join("/");
    match files().get(&path) {
        Some(content) if request.method == Method::GET => reply::text(200, "text/plain", content.clone()),
        _ => nothing_here(),
    }
}

/// The files of the repository: a commit with a `README`, each object by itself.
fn files() -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let mut files = BTreeMap::from([("HEAD".to_owned(), b"ref: refs/heads/main\n".to_vec())]);
        let blob = add(&mut files, "blob", b"A private library.\n");
        let tree = [b"100644 README\0".as_slice(), &blob].concat();
        let tree = hex(&add(&mut files, "tree", &tree));
        let who = "Jo <jo@fabrikam.example> 1767225600 +0000";
        let commit = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nStart\n");
        let commit = hex(&add(&mut files, "commit", commit.as_bytes()));
        files.insert("info/refs".to_owned(), format!("{commit}\trefs/heads/main\n").into_bytes());
        files
    })
}

/// Adds an object and returns its id.
fn add(files: &mut BTreeMap<String, Vec<u8>>, kind: &str, content: &[u8]) -> Vec<u8> {
    let object = [format!("{kind} {}\0", content.len()).as_bytes(), content].concat();
    let id = Sha1::digest(&object).to_vec();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&object).expect("memory takes it");
    let (folder, file) = (hex(&id[..1]), hex(&id[1..]));
    files.insert(format!("objects/{folder}/{file}"), encoder.finish().expect("memory takes it"));
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
