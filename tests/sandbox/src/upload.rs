//! Python packages as twine uploads them: the "legacy" form of `PyPI`, and what became of it.

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard},
};

use futures_util::{FutureExt, stream};
use hyper::{Response, StatusCode, body::Bytes};
use multer::Multipart;

use crate::{packaging::FeedRequest, reply, server::Body, wheel::Wheel};

/// One file that came.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The feed, `project/feed` or `feed`.
    pub feed: String,
    /// The file's name.
    pub file_name: String,
    /// The file.
    pub file: Bytes,
    /// All other fields of the form, in their order.
    pub fields: Vec<(String, String)>,
}

impl Upload {
    /// A field of the form.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The package, which the feed lists from now on.
    fn wheel(&self) -> Option<Wheel> {
        Some(Wheel::from_file(self.field("name")?, self.field("version")?, &self.file_name, &self.file))
    }
}

/// All files that came to one server.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<Vec<Upload>>);

impl Uploads {
    /// In order of arrival.
    pub(crate) fn all(&self) -> Vec<Upload> {
        self.lock().clone()
    }

    /// The Python packages that came for the feed at `path`.
    pub(crate) fn wheels(&self, path: &str) -> Vec<Wheel> {
        self.lock().iter().filter(|upload| upload.feed == path).filter_map(Upload::wheel).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Upload>> {
        self.0.lock().expect("no thread panics with the uploads")
    }
}

/// Answers a `POST …/pypi/upload/`.
pub(crate) fn answer(request: &FeedRequest) -> Response<Body> {
    if !request.writes {
        return request.forbid("AddPackage");
    }
    let refuse = |status, type_key, message: &str| reply::service_error(status, type_key, message);
    let upload = match read(request) {
        Ok(upload) => upload,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, "InvalidFormatException", &message),
    };
    if request.wheels().iter().any(|wheel| wheel.file_name() == upload.file_name) {
        let message = format!("The feed already contains file '{}'.", upload.file_name);
        return refuse(StatusCode::CONFLICT, "PackageExistsException", &message);
    }
    request.uploads.lock().push(upload);
    reply::text(200, reply::JSON, "")
}

/// Takes the form apart; it is in memory, so nothing here waits.
fn read(request: &FeedRequest) -> Result<Upload, String> {
    let boundary = multer::parse_boundary(request.content_type).map_err(|error| error.to_string())?;
    let body = stream::iter([Ok::<_, Infallible>(request.body.clone())]);
    let parts = async {
        let mut form = Multipart::new(body, boundary);
        let (mut file, mut fields) = (None, Vec::new());
        while let Some(field) = form.next_field().await? {
            let name = field.name().unwrap_or_default().to_owned();
            match field.file_name().map(str::to_owned) {
                Some(file_name) => file = Some((file_name, field.bytes().await?)),
                None => fields.push((name, field.text().await?)),
            }
        }
        Ok((file, fields))
    };
    let parts = parts.now_or_never().expect("a body in memory is never waited for");
    let (file, fields) = parts.map_err(|error: multer::Error| error.to_string())?;
    let (file_name, file) = file.ok_or("The form has no file.")?;
    let upload = Upload { feed: request.feed.path(), file_name, file, fields };
    if upload.field(":action") != Some("file_upload") {
        return Err("The form's ':action' is not 'file_upload'.".to_owned());
    }
    let wheel = upload.wheel().ok_or("The form has no 'name' or no 'version'.")?;
    match upload.field("sha256_digest") {
        Some(digest) if digest != wheel.sha256() => Err("The file's digest is another.".to_owned()),
        _ => Ok(upload),
    }
}
