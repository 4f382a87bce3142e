//! The API client goes over the node's connection, and checks the server's certificate.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use homeprov::ssh::{Transport, TransportError};

use crate::api::{Api, authority, kubeconfig};
use crate::exec::names;
use crate::sshd::{Sshd, free_port, open, quick};

/// What kube-apiserver offers.
const BOTH: [&str; 2] = ["h2", "http/1.1"];

async fn version(client: &kube::Client) -> Result<String, kube::Error> {
    client.apiserver_version().await.map(|info| info.git_version)
}

#[tokio::test]
async fn requests_made_together_share_one_forward_and_one_tls_connection() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut api = Api::start(&BOTH).await;
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let kubeconfig = api.kubeconfig.clone().into();
    for _ in 0..3 {
        let client = ssh.kubernetes("nuc1", &kubeconfig).await.unwrap();
        let versions = try_join_all((0..8).map(|_| version(&client))).await.unwrap();
        assert_eq!(versions, ["v1.35.0"; 8]);
    }
    assert_eq!(names(&mut events), ["connected", "forwarded"]);
    assert_eq!(api.connections(), 1);
    assert_eq!(api.requests.recv().await.unwrap(), "HTTP/2.0 /version Bearer s3cret");
    ssh.close().await;
}

#[tokio::test]
async fn an_api_server_without_http_2_is_served_as_well() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut api = Api::start(&[]).await;
    let (ssh, _events) = open(sshd.inventory(), quick());
    let client = ssh.kubernetes("nuc1", &api.kubeconfig.clone().into()).await.unwrap();
    let versions = try_join_all((0..8).map(|_| version(&client))).await.unwrap();
    assert_eq!(versions, ["v1.35.0"; 8]);
    assert_eq!(api.requests.recv().await.unwrap(), "HTTP/1.1 /version Bearer s3cret");
    ssh.close().await;
}

#[tokio::test]
async fn after_a_loss_the_next_client_comes_over_a_new_connection() {
    let Some(sshd) = Sshd::start("") else { return };
    let api = Api::start(&BOTH).await;
    let (ssh, mut events) = open(sshd.inventory(), quick());
    let kubeconfig = api.kubeconfig.clone().into();
    let client = ssh.kubernetes("nuc1", &kubeconfig).await.unwrap();
    version(&client).await.unwrap();
    sshd.cut();
    let began = Instant::now();
    loop {
        let client = ssh.kubernetes("nuc1", &kubeconfig).await.unwrap();
        if version(&client).await.is_ok() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(names(&mut events), ["connected", "forwarded", "connected", "forwarded"]);
    ssh.close().await;
}

#[tokio::test]
async fn another_port_has_a_forward_of_its_own() {
    let Some(sshd) = Sshd::start("") else { return };
    let (one, other) = (Api::start(&BOTH).await, Api::start(&BOTH).await);
    let (ssh, mut events) = open(sshd.inventory(), quick());
    for api in [&one, &other, &one] {
        let client = ssh.kubernetes("nuc1", &api.kubeconfig.clone().into()).await.unwrap();
        version(&client).await.unwrap();
    }
    assert_eq!(other.connections(), 1);
    assert_eq!(names(&mut events), ["connected", "forwarded", "forwarded"]);
    ssh.close().await;
}

#[tokio::test]
async fn a_changed_kubeconfig_makes_a_new_client() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut api = Api::start(&BOTH).await;
    let (ssh, _events) = open(sshd.inventory(), quick());
    for token in ["s3cret", "renewed"] {
        let text = api.kubeconfig.replace("s3cret", token);
        version(&ssh.kubernetes("nuc1", &text.into()).await.unwrap()).await.unwrap();
        assert_eq!(api.requests.recv().await.unwrap(), format!("HTTP/2.0 /version Bearer {token}"));
    }
    ssh.close().await;
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let Some(sshd) = Sshd::start("") else { return };
    let api = Api::start(&BOTH).await;
    let (ssh, _events) = open(sshd.inventory(), quick());
    let client = ssh.kubernetes("nuc1", &kubeconfig(&authority(), api.port).into()).await.unwrap();
    let error = version(&client).await.unwrap_err();
    assert!(format!("{error:?}").contains("InvalidCertificate"), "{error:?}");
    ssh.close().await;
}

#[tokio::test]
async fn an_api_server_that_is_not_there_fails_at_once() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let config = kubeconfig(&authority(), free_port()).into();
    let began = Instant::now();
    let client = ssh.kubernetes("nuc1", &config).await.unwrap();
    assert!(version(&client).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(20));
    ssh.close().await;
}

#[tokio::test]
async fn a_kubeconfig_that_is_none_is_refused_and_never_quoted() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let good = kubeconfig(&authority(), 16443);
    let texts = [
        "rubbish s3cret".to_owned(),
        String::new(),
        "users: [{name: admin, user: {token: s3cret".to_owned(),
        good.replace("user:\n    token", "user: s3cret\n    token"),
        good.replace("token: s3cret", "token: [s3cret]"),
        good.replace("current-context: microk8s", "current-context: s3cret"),
        good.replace("https://127.0.0.1:16443", "'https://s3cret host'"),
        good.replace("certificate-authority-data: ", "certificate-authority-data: s3cret!"),
        good.replace("token: s3cret", "client-certificate-data: s3cret!\n    client-key-data: s3cret!"),
        good.replace("token: s3cret", "token: \"s3cret\\n\""),
    ];
    for text in texts {
        let error = ssh.kubernetes("nuc1", &text.clone().into()).await.err().unwrap_or_else(|| panic!("{text}"));
        assert!(matches!(error, TransportError::BadAnswer { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    ssh.close().await;
}

#[tokio::test]
async fn a_kubeconfig_runs_no_program_and_reads_no_file_here() {
    let Some(sshd) = Sshd::start("") else { return };
    let (ssh, _events) = open(sshd.inventory(), quick());
    let good = kubeconfig(&authority(), 16443);
    let (ran, file) = (sshd.path("ran"), sshd.path("client.pub"));
    let exec = format!(
        "exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: touch\n      args: ['{}']",
        ran.display()
    );
    for instead in [exec, format!("tokenFile: {}", file.display()), format!("client-key: {}", file.display())] {
        let text = good.replace("token: s3cret", &instead);
        let error = ssh.kubernetes("nuc1", &text.into()).await.err().unwrap();
        assert!(error.to_string().contains("names programs or files"), "{instead}: {error}");
    }
    assert!(!ran.exists());
    ssh.close().await;
}
