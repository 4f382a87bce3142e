//! The API client goes over the node's connection, and checks the server's certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use homeprov::ssh::{Transport, TransportError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::exec::names;
use crate::sshd::{Sshd, open, quick};

const VERSION: &str = r#"{"major":"1","minor":"35","gitVersion":"v1.35.0","gitCommit":"","gitTreeState":"clean","buildDate":"","goVersion":"","compiler":"gc","platform":"linux/amd64"}"#;

/// A server for `GET /version`; it hands out the heads of the requests.
struct Api {
    kubeconfig: String,
    heads: UnboundedReceiver<String>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn kubeconfig(authority: &CertifiedIssuer<'static, KeyPair>, port: u16) -> String {
    let encoded = base64(&authority.pem());
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: microk8s\nclusters:\n- name: microk8s-cluster\n  cluster:\n    \
         certificate-authority-data: {encoded}\n    server: https://127.0.0.1:{port}\ncontexts:\n- name: microk8s\n  \
         context:\n    cluster: microk8s-cluster\n    user: admin\nusers:\n- name: admin\n  user:\n    token: s3cret\n"
    )
}

async fn serve() -> Api {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubeconfig = kubeconfig(&authority, listener.local_addr().unwrap().port());
    let (sink, heads) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sink) = (acceptor.clone(), sink.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while let Ok(byte) = stream.read_u8().await {
                    head.push(byte);
                    if head.ends_with(b"\r\n\r\n") {
                        let _ = sink.send(String::from_utf8(std::mem::take(&mut head)).unwrap());
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{VERSION}",
                            VERSION.len()
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                }
            });
        }
    });
    Api { kubeconfig, heads }
}

fn base64(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let output = std::process::Command::new("base64").arg("-w0").arg(file.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn one_forward_serves_every_request() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut api = serve().await;
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let kubeconfig = api.kubeconfig.clone().into();
    for _ in 0..3 {
        let client = ssh.kubernetes("nuc1", &kubeconfig).await.unwrap();
        assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.35.0");
    }
    assert_eq!(names(&mut events), ["connected", "forwarded"]);
    let head = api.heads.recv().await.unwrap();
    assert!(head.starts_with("GET /version HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer s3cret\r\n"), "{head}");

    // After a loss the next client comes over a new connection.
    sshd.cut();
    let began = Instant::now();
    loop {
        let client = ssh.kubernetes("nuc1", &kubeconfig).await.unwrap();
        if client.apiserver_version().await.is_ok() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(names(&mut events), ["connected", "forwarded"]);
    ssh.close().await;
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let Some(sshd) = Sshd::start("") else { return };
    let api = serve().await;
    let port = api.kubeconfig.split("127.0.0.1:").nth(1).unwrap();
    let port = port.split('\n').next().unwrap().parse().unwrap();
    let (ssh, _events) = open(sshd.inventory(), quick());
    let client = ssh.kubernetes("nuc1", &kubeconfig(&authority(), port).into()).await.unwrap();
    let error = client.apiserver_version().await.unwrap_err();
    assert!(format!("{error:?}").contains("InvalidCertificate"), "{error:?}");
    ssh.close().await;
}

#[tokio::test]
async fn an_api_server_that_is_not_there_fails_at_once() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let config = kubeconfig(&authority(), crate::sshd::free_port());
    let client = ssh.kubernetes("nuc1", &config.into()).await.unwrap();
    let began = Instant::now();
    assert!(client.apiserver_version().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(6));
    let rubbish = ssh.kubernetes("nuc1", &"rubbish".into()).await.err().unwrap();
    assert!(matches!(rubbish, TransportError::BadAnswer { .. }), "{rubbish}");
    ssh.close().await;
}
