//! The forms in which the servers answer.

use hyper::{Response, StatusCode, header};
use serde_json::Value;

use crate::server::{Body, whole};

/// Media type of the REST answers.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// What Azure DevOps answers in place of JSON to a client that it takes for a browser.
pub(crate) const SIGN_IN_PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>\
    Azure DevOps Services | Sign In</title></head><body>Sign in to your account</body></html>\n";

/// A text of the given media type.
pub(crate) fn text(status: u16, media_type: &str, text: impl Into<hyper::body::Bytes>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        .body(whole(text))
        .expect("the parts of this response are valid")
}

/// A JSON document.
pub(crate) fn json(status: u16, value: &Value) -> Response<Body> {
    text(status, JSON, value.to_string())
}

/// An HTML page.
pub(crate) fn html(status: u16, page: impl Into<hyper::body::Bytes>) -> Response<Body> {
    text(status, "text/html; charset=utf-8", page)
}

/// An empty answer that points to `location`.
pub(crate) fn redirect(status: u16, location: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::LOCATION, location)
        .body(whole(""))
        .expect("a redirect has a valid location")
}

/// An error as Azure DevOps words it.
pub(crate) fn service_error(status: StatusCode, type_key: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({
        "$id": "1",
        "innerException": null,
        "message": message,
        "typeName": format!("Microsoft.VisualStudio.Services.WebApi.{type_key}, Microsoft.VisualStudio.Services.WebApi"),
        "typeKey": type_key,
        "errorCode": 0,
        "eventId": 3000,
    });
    json(status.as_u16(), &body)
}
