//! What the scripts of several modules use inside a lab.

/// `on NUMBER COMMAND` runs a command as root on the node with this last number of its address, `kubectl` on the first one;
/// `seen COMMAND` waits until a command succeeds, at most five minutes.
pub const TOOLS: &str = r#"
cd "$(mktemp -d)"
key=$(sed -n 's/^identity = "\(.*\)"/\1/p' $I)
on() { a=$1; shift; ssh -F none -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=3 root@10.77.0.$a "$@"; }
kubectl() { on 11 /snap/bin/microk8s kubectl "$@"; }
seen() { for n in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.5; done; echo "never seen: $*"; return 1; }
"#;

/// A volume on several nodes, and a pod that keeps bytes on it and says their hash whenever it starts. `album` makes both and
/// waits for the bytes, `hash` is what the pod that runs now has read, `modes` how the volume's replicas are.
pub const ALBUM: &str = r#"
album() {
	kubectl apply -f - <<Y
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: album, namespace: default}
spec: {accessModes: [ReadWriteOnce], storageClassName: homeprov-jiva-retain, resources: {requests: {storage: 64Mi}}}
Y
	kubectl apply -f - <<Y
apiVersion: batch/v1
kind: Job
metadata: {name: album, namespace: default}
spec:
  backoffLimit: 20
  template:
    metadata: {labels: {app: album}}
    spec:
      restartPolicy: OnFailure
      terminationGracePeriodSeconds: 1
      containers:
      - name: album
        image: docker.io/library/busybox:1
        command: [sh, -c, "[ -e /data/picture ] || { head -c 300000 /dev/urandom >/data/picture; sync; }; sha256sum /data/picture; sleep 100000"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: album}}]
Y
	seen hashed; seen whole
}
pod() { kubectl get pods -n default -l app=album --field-selector=status.phase=Running -o "jsonpath='{.items[0].metadata.name}'"; }
hash() { kubectl logs -n default $(pod) | tail -n 1; }
hashed() { hash | grep -q picture; }
modes() { kubectl get jivavolumes -n openebs -o "jsonpath='{range .items[*]}{range .status.replicaStatus[*]}{.mode} {end}{end}'"; }
whole() { [ "$(modes | tr ' ' '\n' | grep -c '^RW$')" = 3 ]; }
"#;
