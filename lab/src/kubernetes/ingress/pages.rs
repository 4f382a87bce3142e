//! What the controllers say themselves.

use super::IngressController;
use crate::kubernetes::HttpAnswer;

/// A status page of a controller.
pub(super) fn page(controller: IngressController, status: u16) -> HttpAnswer {
    let reason = match status {
        404 => "Not Found",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        _ => "Permanent Redirect",
    };
    match controller {
        IngressController::Nginx => answer(
            status,
            "text/html",
            format!(
                "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n\
                 <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
            ),
        ),
        IngressController::Traefik => {
            let text = match status {
                404 => "404 page not found\n",
                502 => "Bad Gateway",
                _ => "no available server\n",
            };
            answer(status, "text/plain; charset=utf-8", text.to_owned())
        }
    }
}

/// ingress-nginx sends a host that has a certificate to HTTPS (its setting `ssl-redirect`).
pub(super) fn to_https(host: &str, path: &str) -> HttpAnswer {
    let mut answer = page(IngressController::Nginx, 308);
    answer.headers.push(("Location".to_owned(), format!("https://{host}{path}")));
    answer
}

fn answer(status: u16, content_type: &str, body: String) -> HttpAnswer {
    HttpAnswer { status, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body: body.into_bytes() }
}
