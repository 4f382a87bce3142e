//! `microk8s config` and the admin's kubeconfig.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::pki::Pair;
use super::super::process::{Call, Next, after};
use super::super::{DATA, World};

/// The admin's kubeconfig for the API server on `host`.
pub(super) fn kubeconfig(authority: &str, client: &Pair, host: &str) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: https://{host}:16443\n  \
         name: microk8s-cluster\ncontexts:\n- context:\n    cluster: microk8s-cluster\n    user: admin\n  name: microk8s\n\
         current-context: microk8s\nkind: Config\npreferences: {{}}\nusers:\n- name: admin\n  user:\n    \
         client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(authority),
        STANDARD.encode(&client.certificate),
        STANDARD.encode(&client.key)
    )
}

/// `microk8s config [-l]`
pub(super) fn config(world: &mut World, _call: &mut Call, args: Vec<String>) -> Next {
    let took = world.around(85);
    after(took, move |world, call| {
        let machine = world.machine(&call.machine);
        if machine.is_worker() {
            return call.quit(
                0,
                "This MicroK8s deployment is acting as a node in a cluster. Please use the microk8s config on the master.",
            );
        }
        let text = machine.text(&format!("{DATA}/credentials/client.config")).unwrap_or_default();
        let loopback = args.iter().any(|arg| arg == "-l" || arg == "--use-loopback");
        let address = machine.spec.address.to_string();
        call.say(if loopback { text } else { text.replace("127.0.0.1", &address) });
        Next::Exit(0)
    })
}
