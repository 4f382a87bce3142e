//! Plain requests by path, for objects whose types are not compiled in.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::is_absent;

fn request(
    method: &str,
    path: &str,
    content_type: Option<&str>,
    body: Vec<u8>,
) -> kube::Result<http::Request<Vec<u8>>> {
    let mut builder = http::Request::builder().method(method).uri(path);
    if let Some(content_type) = content_type {
        builder = builder.header("Content-Type", content_type);
    }
    builder.body(body).map_err(kube::Error::HttpError)
}

/// GET; absent when the server answers 404.
pub async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> kube::Result<Option<T>> {
    match client.request(request("GET", path, None, Vec::new())?).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct MetadataList {
    items: Vec<WithMetadata>,
}

#[derive(Deserialize)]
struct WithMetadata {
    metadata: ObjectMeta,
}

/// GET of the metadata of a list's objects; none when the server answers 404.
pub async fn list_metadata(client: &Client, path: &str) -> kube::Result<Vec<ObjectMeta>> {
    const KINDS: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
    let mut request = request("GET", path, None, Vec::new())?;
    request.headers_mut().insert(http::header::ACCEPT, http::HeaderValue::from_static(KINDS));
    match client.request(request).await {
        Ok(MetadataList { items }) => Ok(items.into_iter().map(|item| item.metadata).collect()),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Server-side apply under the field manager `homeprov`, which takes the fields it names from other managers.
pub async fn apply(client: &Client, path: &str, object: &Value) -> kube::Result<Value> {
    apply_at(client, &format!("{path}?fieldManager=homeprov&force=true"), object).await
}

/// Server-side apply with a query of the caller's own.
pub async fn apply_at(client: &Client, path: &str, object: &Value) -> kube::Result<Value> {
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    client.request(request("PATCH", path, Some("application/apply-patch+yaml"), body)?).await
}

/// POST of an object, or of a request such as an eviction.
pub async fn create(client: &Client, path: &str, object: &Value) -> kube::Result<Value> {
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    client.request(request("POST", path, Some("application/json"), body)?).await
}

/// JSON merge patch.
pub async fn merge(client: &Client, path: &str, patch: &Value) -> kube::Result<Value> {
    let body = serde_json::to_vec(patch).map_err(kube::Error::SerdeError)?;
    client.request(request("PATCH", path, Some("application/merge-patch+json"), body)?).await
}

/// Strategic merge patch: lists are merged by their keys.
pub async fn strategic(client: &Client, path: &str, patch: &Value) -> kube::Result<Value> {
    let body = serde_json::to_vec(patch).map_err(kube::Error::SerdeError)?;
    client.request(request("PATCH", path, Some("application/strategic-merge-patch+json"), body)?).await
}

/// DELETE; an absent object is as good as a deleted one.
pub async fn delete(client: &Client, path: &str) -> kube::Result<()> {
    match client.request::<Value>(request("DELETE", path, None, Vec::new())?).await {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

/// DELETE with options: a precondition, a grace period. An absent object is as good as a deleted one.
pub async fn delete_with(client: &Client, path: &str, options: &Value) -> kube::Result<()> {
    let body = serde_json::to_vec(options).map_err(kube::Error::SerdeError)?;
    match client.request::<Value>(request("DELETE", path, Some("application/json"), body)?).await {
        Err(error) if !is_absent(&error) => Err(error),
        _ => Ok(()),
    }
}

/// What the API server's clock shows, to the second, from the header `Date` of an answer: the times in objects are of that clock.
pub async fn clock(client: &Client) -> kube::Result<Option<jiff::Timestamp>> {
    let request = http::Request::get("/version").body(kube::client::Body::empty()).map_err(kube::Error::HttpError)?;
    let answer = client.send(request).await?;
    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    Ok(date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp()))
}

/// GET of plain text, such as a pod's log; absent when the server answers 404.
pub async fn text(client: &Client, path: &str) -> kube::Result<Option<String>> {
    match client.request_text(request("GET", path, None, Vec::new())?).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
