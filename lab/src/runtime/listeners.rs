//! The TCP ports that are open on the nodes, as the world has them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::homelab::Homelab;
use super::{api, http, network};
use crate::world::Site;

const API: u16 = 16443;

/// The ports that are open now, with the tasks that serve them.
#[derive(Debug, Default)]
pub struct Open(BTreeMap<(String, SocketAddr, Option<Site>), (i32, JoinHandle<()>)>);

/// Opens and closes what has changed.
pub fn keep(lab: &Arc<Homelab>, open: &mut Open) -> Result<()> {
    let mut wanted = BTreeMap::new();
    {
        let nodes = lab.nodes();
        let world = lab.world();
        for node in nodes.iter().filter(|node| node.on()) {
            let local =
                world.listening_local(&node.name).into_iter().map(|port| (IpAddr::V4(Ipv4Addr::LOCALHOST), port));
            let own = world.listening(&node.name).into_iter().map(|port| (IpAddr::V4(node.address), port));
            for (address, port) in local.chain(own) {
                let site = world.site_at(&node.name, port);
                wanted.insert((node.name.clone(), SocketAddr::new(address, port), site), node.pid);
            }
        }
    }
    open.0.retain(|key, (pid, task)| {
        let stays = wanted.get(key) == Some(pid) && !task.is_finished();
        if !stays {
            task.abort();
        }
        stays
    });
    for (key, pid) in wanted {
        if open.0.contains_key(&key) {
            continue;
        }
        // The node may have lost its power in this moment; the next beat knows.
        let Ok(listener) = network::listen(pid, key.1) else { continue };
        let listener = TcpListener::from_std(listener)?;
        let task = match key.2 {
            Some(site) => http::serve(lab, site, listener),
            None if key.1.port() == API => api::serve(lab, &key.0, listener),
            None => tokio::spawn(accept(listener)),
        };
        open.0.insert(key, (pid, task));
    }
    Ok(())
}

/// A port that only needs to accept connections.
async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream);
    }
}
