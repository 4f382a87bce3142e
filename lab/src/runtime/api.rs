//! The API server of a node: the world's answers behind the TLS front.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::homelab::Homelab;
use crate::kubernetes::{Request, Response, WatchId};
use crate::server::{Api, Front, Identity};

/// Serves the API of a node on a listener until the task is ended; its connections end with it, as those of a control
/// plane that goes down.
pub fn serve(lab: &Arc<Homelab>, node: &str, listener: TcpListener) -> JoinHandle<()> {
    let certificates = lab.world().api_certificates(node);
    let api = Arc::new(NodeApi { lab: Arc::clone(lab), node: node.to_owned() });
    tokio::spawn(async move {
        let Some(certificates) = certificates else { return };
        let identity = Identity {
            certificate: certificates.certificate,
            key: certificates.key,
            client_authority: certificates.authority,
        };
        match Front::new(&identity, api) {
            Ok(front) => drop(front.serve(listener).await),
            Err(error) => eprintln!("homeprov-lab: the API server's files: {error}"),
        }
    })
}

/// What a node's API server answers.
struct NodeApi {
    lab: Arc<Homelab>,
    node: String,
}

impl Api for NodeApi {
    fn request(&self, request: &Request) -> Option<Response> {
        Some(self.lab.world().api(&self.node, request))
    }

    fn watch(&self, id: WatchId) -> Option<Vec<u8>> {
        self.lab.world().api_watch(&self.node, id)
    }

    fn close_watch(&self, id: WatchId) {
        self.lab.world().close_watch(&self.node, id);
    }

    fn clock(&self) -> Option<jiff::Timestamp> {
        Some(self.lab.world().machine_clock(&self.node))
    }

    // The lab's machines hold client certificates only.
    fn knows_token(&self, _: &str) -> bool {
        false
    }
}
