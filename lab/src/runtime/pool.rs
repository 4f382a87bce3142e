//! The addresses of the pool on the real network of the lab.
//!
//! Every node answers for them to itself, as kube-proxy makes it; only the announcing one answers to ARP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::homelab::Homelab;
use super::{http, network};
use crate::world::Site;

/// What is announced now.
#[derive(Debug, Default)]
pub struct Announced {
    /// By node and interface.
    addresses: BTreeSet<(String, i32, &'static str, Ipv4Addr)>,
    /// Those of devices that are none of the nodes.
    neighbours: BTreeSet<Ipv4Addr>,
    /// By node, address and what answers there.
    ports: BTreeMap<(String, i32, SocketAddr, Option<Site>), JoinHandle<()>>,
}

/// Puts addresses on interfaces and takes them off again.
pub fn keep(lab: &Arc<Homelab>, announced: &mut Announced) -> Result<()> {
    let mut addresses = BTreeSet::new();
    let mut ports = BTreeSet::new();
    let neighbours: BTreeSet<Ipv4Addr> = lab.world().neighbours().keys().copied().collect();
    for new in neighbours.difference(&announced.neighbours) {
        network::neighbour(*new)?;
    }
    announced.neighbours = neighbours;
    {
        let nodes = lab.nodes();
        let world = lab.world();
        for balanced in world.load_balanced() {
            let open = SocketAddr::new(IpAddr::V4(balanced.address), balanced.port);
            for node in nodes.iter().filter(|node| node.on()) {
                addresses.insert((node.name.clone(), node.pid, "lo", balanced.address));
                ports.insert((node.name.clone(), node.pid, open, balanced.site));
            }
        }
        for announcement in world.announcements() {
            if let Some(node) = nodes.iter().find(|node| node.on() && node.name == announcement.node) {
                addresses.insert((node.name.clone(), node.pid, "eth0", announcement.address));
            }
        }
    }
    for gone in announced.addresses.difference(&addresses) {
        let _ = network::ip_within(gone.1, &format!("addr del {}/32 dev {}", gone.3, gone.2));
    }
    for new in addresses.difference(&announced.addresses) {
        let _ = network::ip_within(new.1, &format!("addr add {}/32 dev {}", new.3, new.2));
        if new.2 == "eth0" {
            network::announce(new.1, new.3);
        }
    }
    announced.addresses = addresses;
    announced.ports.retain(|key, task| {
        let stays = ports.contains(key);
        if !stays {
            task.abort();
        }
        stays
    });
    for key in ports {
        if announced.ports.contains_key(&key) {
            continue;
        }
        if let Ok(listener) = network::listen(key.1, key.2) {
            let listener = TcpListener::from_std(listener)?;
            let task = match key.3 {
                Some(site) => http::serve(lab, site, listener),
                None => tokio::spawn(serve(listener, key.0.clone(), key.2.port())),
            };
            announced.ports.insert(key, task);
        }
    }
    Ok(())
}

async fn serve(listener: TcpListener, node: String, port: u16) {
    while let Ok((stream, _)) = listener.accept().await {
        let node = node.clone();
        tokio::spawn(async move {
            let _ = if port == 53 { dns(stream).await } else { hello(stream, &node).await };
        });
    }
}

/// DNS over TCP: the question back, as an answer without records.
async fn dns(mut stream: TcpStream) -> std::io::Result<()> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    if let Some(flags) = message.get_mut(2) {
        *flags |= 0x80;
    }
    stream.write_u16(length).await?;
    stream.write_all(&message).await
}

async fn hello(mut stream: TcpStream, node: &str) -> std::io::Result<()> {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await?;
    let body = format!("hello from {node}\n");
    stream
        .write_all(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).as_bytes(),
        )
        .await
}
