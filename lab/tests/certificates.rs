//! A node's certificates hold in a real TLS handshake, in both directions.

use std::sync::Arc;

use homeprov_lab::world::{Config, Os, World};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn key(pem: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Shakes hands with the API server of `machine` as the admin of `admin`'s credentials, at `name`.
fn handshake(world: &World, machine: &str, admin: &str, name: &str) -> Result<(), rustls::Error> {
    let read = |file: &str| {
        let bytes = world.machine(admin).files().read(&format!("/var/snap/microk8s/current/certs/{file}"));
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    let server = world.api_certificates(machine).unwrap();
    let roots = |pem: &str| {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(pem)).unwrap();
        Arc::new(roots)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(&server.authority), provider.clone()).build().unwrap();
    let accepting = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate(&server.certificate)], key(&server.key))?;
    let connecting = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(&read("ca.crt")))
        .with_client_auth_cert(vec![certificate(&read("client.crt"))], key(&read("client.key")))?;
    let mut client = ClientConnection::new(Arc::new(connecting), ServerName::try_from(name.to_owned()).unwrap())?;
    let mut server = ServerConnection::new(Arc::new(accepting))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn members_share_an_authority_and_strangers_do_not() {
    let mut world = World::in_memory(Config::homelab(3, Os::Ubuntu2404, jiff::Timestamp::now()));
    world.prepare_cluster(2, 0);
    world.prepare_microk8s("nuc3", "1.36/stable");
    for name in ["127.0.0.1", "10.77.0.12", "10.152.183.1", "kubernetes.default.svc", "localhost"] {
        handshake(&world, "nuc2", "nuc2", name).unwrap();
    }
    handshake(&world, "nuc1", "nuc2", "10.77.0.11").unwrap();
    handshake(&world, "nuc2", "nuc2", "10.77.0.11").unwrap_err();
    handshake(&world, "nuc3", "nuc1", "10.77.0.13").unwrap_err();
}
