//! A client of the API server on one of the world's machines.

use std::time::Duration;

use homeprov_lab::kubernetes::Request;
use kube::client::Body;
use tokio::time::sleep;
use tower::BoxError;

use super::homelab::Homelab;

const CONFIG: &str = "/var/snap/microk8s/current/credentials/client.config";
/// How long an answer takes on a home network.
const TRIP: Duration = Duration::from_millis(4);
/// After this homeprov's own client gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client through the machine's loopback, with the credentials in `kubeconfig`.
pub fn client(lab: &Homelab, machine: &str, kubeconfig: &str) -> kube::Client {
    let (lab, machine, kubeconfig) = (lab.clone(), machine.to_owned(), kubeconfig.to_owned());
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (lab, machine, kubeconfig) = (lab.clone(), machine.clone(), kubeconfig.clone());
        async move { answer(&lab, &machine, &kubeconfig, request).await }
    });
    kube::Client::new(service, "default")
}

async fn answer(
    lab: &Homelab,
    machine: &str,
    kubeconfig: &str,
    request: http::Request<Body>,
) -> Result<http::Response<Body>, BoxError> {
    sleep(TRIP).await;
    if !lab.reaches(machine) {
        sleep(PATIENCE).await;
        return Err("the API server did not answer within 30 s".into());
    }
    if !lab.with(|world| world.listening_local(machine).contains(&16_443)) {
        return Err("tcp connect error: Connection refused (os error 111)".into());
    }
    let own = lab.with(|world| world.machine(machine).files().read(CONFIG));
    if own.as_deref() != Some(kubeconfig.as_bytes()) {
        return Err("invalid peer certificate: UnknownIssuer".into());
    }
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        content_type: header("content-type"),
        accept: header("accept"),
        user_agent: header("user-agent"),
        body: body.collect_bytes().await?.to_vec(),
    };
    let (response, now) = lab.with(|world| (world.api(machine, &request), world.machine_clock(machine)));
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    Ok(http::Response::builder()
        .status(response.status)
        .header("content-type", response.content_type)
        .header("date", date)
        .body(Body::from(response.body))?)
}
