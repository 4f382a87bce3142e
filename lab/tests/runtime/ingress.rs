//! A site through the pool as a browser has it, and the services beside the cluster.

use super::lab::Lab;

/// Enables a pool and the ingress of 1.36, and puts a site of a generic pod behind it.
const SITE: &str = r#"
kubectl() { on nuc1 "/snap/bin/microk8s kubectl $*"; }
show metallb on nuc1 '/snap/bin/microk8s enable metallb:10.77.0.200-10.77.0.210'
show enabled on nuc2 '/snap/bin/microk8s enable ingress'
on nuc1 '/snap/bin/microk8s kubectl apply -f -' >/dev/null <<'END'
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: "registry.example/app:1", ports: [{containerPort: 8080, name: http}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app}
spec:
  ingressClassName: public
  tls: [{hosts: [app.example], secretName: app-tls}]
  rules: [{host: app.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]
END
until_so kubectl get service -n ingress traefik
address() { kubectl get service -n ingress traefik -o 'jsonpath={.status.loadBalancer.ingress[0].ip}'; }
assigned() { [ -n "$(address)" ]; }
until_so assigned
pool=$(address)
ask() { curl -sS -m 5 -k -w ' %{http_code}' --resolve "app.example:80:$pool" --resolve "app.example:443:$pool" "$@"; }
answers() { ask "$1" | grep -q 'hello from'; }
until_so answers http://app.example/
"#;

#[test]
fn a_site_is_served_on_the_pool_and_on_every_node() {
    let said = Lab::of(2).with(&["--state", "cluster", "--speed", "20"]).run(&format!(
        r#"{SITE}
show pool echo "$pool"
show plain ask http://app.example/ http://app.example/again
show secure ask https://app.example/
show head ask -I https://app.example/
show unknown ask -H 'Host: other.example' http://app.example/
show posted ask -X POST http://app.example/
show node curl -sS -m 5 -H 'Host: app.example' http://10.77.0.12/
show within on nuc2 "curl -sS -m 5 -H 'Host: app.example' http://$pool/"
subject() {{ openssl s_client -connect "$pool:443" -servername "$1" </dev/null 2>/dev/null | openssl x509 -noout -subject; }}
show own subject app.example
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$HOME/key" -out "$HOME/crt" -days 3 -subj /CN=app.example 2>/dev/null
printf 'apiVersion: v1\nkind: Secret\nmetadata: {{name: app-tls}}\ntype: kubernetes.io/tls\ndata: {{tls.crt: %s, tls.key: %s}}\n' \
  "$(base64 -w0 "$HOME/crt")" "$(base64 -w0 "$HOME/key")" | on nuc1 '/snap/bin/microk8s kubectl apply -f -' >/dev/null
show given subject app.example
show other subject other.example
show exec on nuc1 '/snap/bin/microk8s kubectl exec deploy/app -- no-such-program 2>&1'"#
    ));
    assert_eq!((said.status("metallb"), said.status("enabled")), (0, 0), "{said:?}");
    assert_eq!(said.text("pool"), "10.77.0.200");
    assert_eq!(said.text("plain").matches("| 200").count(), 2, "{said:?}");
    assert!(said.text("secure").starts_with("hello from app-") && said.text("secure").ends_with(" 200"), "{said:?}");
    assert!(said.text("head").contains(" 200") && !said.text("head").contains("hello"), "{said:?}");
    assert_eq!(said.text("unknown"), "404 page not found| 404");
    assert!(said.text("posted").ends_with(" 405"), "{said:?}");
    assert!(
        said.text("node").starts_with("hello from app-") && said.text("within").starts_with("hello from app-"),
        "{said:?}"
    );
    assert!(
        said.text("own").contains("TRAEFIK DEFAULT CERT") && said.text("other").contains("TRAEFIK DEFAULT CERT"),
        "{said:?}"
    );
    assert!(said.text("given").replace(' ', "").ends_with("CN=app.example"), "{said:?}");
    assert_eq!(said.status("exec"), 1);
}

#[test]
fn mail_and_a_store_are_at_the_controller_s_address() {
    let session = r#"show secure on nuc1 "(printf 'EHLO nuc1\r\n'; sleep 0.3; printf 'QUIT\r\n') | openssl s_client -quiet -crlf -connect 10.77.0.1:465 2>/dev/null"
show plain on nuc1 "exec 3<>/dev/tcp/10.77.0.1/587; printf 'EHLO nuc1\r\nQUIT\r\n' >&3; timeout 5 cat <&3"
show store on nuc1 "curl -sk -m 5 -w ' %{http_code}' https://10.77.0.1:9000/""#;
    let said = Lab::of(1).run(session);
    assert!(
        said.text("secure").starts_with("220 services.lab") && said.text("secure").contains("250 AUTH"),
        "{said:?}"
    );
    assert!(said.text("plain").contains("250 STARTTLS") && said.text("plain").contains("221 "), "{said:?}");
    assert!(
        said.text("store").contains("<Code>AccessDenied</Code>") && said.text("store").ends_with(" 403"),
        "{said:?}"
    );
    let said = Lab::of(1).with(&["--fault", "smtp-closed"]).run(session);
    assert_ne!(said.status("plain"), 0, "{said:?}");
    assert_eq!(said.text("secure"), "");
    assert!(said.text("store").ends_with(" 403"), "{said:?}");
}

#[test]
fn the_number_of_mappings_is_the_node_s_only() {
    let said = Lab::of(2).run(
        "real=$(cat /proc/sys/vm/max_map_count 2>/dev/null)
         show before on nuc1 'sysctl -n vm.max_map_count; cat /proc/sys/vm/max_map_count'
         on nuc1 'echo vm.max_map_count=300001 >/etc/sysctl.d/60-search.conf; sysctl --system' >/dev/null
         show after on nuc1 'sysctl -n vm.max_map_count'
         seen() { [ \"$(on nuc1 'cat /proc/sys/vm/max_map_count')\" = 300001 ]; }
         until_so seen
         show other on nuc2 'sysctl -n vm.max_map_count'
         show untouched [ \"$real\" = \"$(cat /proc/sys/vm/max_map_count 2>/dev/null)\" ]",
    );
    let (before, after) = (said.text("before"), said.text("after"));
    let halves = before.split_once('|').expect("two readings");
    assert_eq!(halves.0, halves.1, "{said:?}");
    assert_eq!(after, "300001");
    assert_eq!(said.text("other"), halves.0);
    assert_eq!(said.status("untouched"), 0, "{said:?}");
}
