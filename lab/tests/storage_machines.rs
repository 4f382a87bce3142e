//! Packages, addons and helm as far as storage needs them: texts, exit statuses and lies.

use homeprov_lab::kubernetes::Content;
use homeprov_lab::world::{Config, Notice, Os, Output, World};
use serde_json::Value;

fn homelab(members: u8, faults: &[&str]) -> World {
    let mut config = Config::homelab(members, Os::Ubuntu2404, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = faults.iter().map(|name| name.parse().unwrap()).collect();
    let mut world = World::in_memory(config);
    world.prepare_cluster(usize::from(members), 0);
    world
}

/// Runs `microk8s` with words that hold no blanks.
fn microk8s(world: &mut World, line: &str) -> Output {
    let argv: Vec<&str> = ["microk8s"].into_iter().chain(line.split(' ')).collect();
    world.run("nuc1", &argv, b"")
}

fn fine(world: &mut World, line: &str) -> String {
    let output = microk8s(world, line);
    assert_eq!(output.exit, 0, "{line}: {output:?}");
    output.stdout
}

fn object(world: &World, kind: &str, namespace: &str, name: &str) -> Value {
    let found = world.cluster_of("nuc1").unwrap().kubernetes.object(kind, namespace, name);
    found.unwrap_or_else(|| panic!("{kind} {namespace}/{name} should be there"))
}

fn is_there(world: &World, kind: &str, namespace: &str, name: &str) -> bool {
    world.cluster_of("nuc1").unwrap().kubernetes.object(kind, namespace, name).is_some()
}

/// Switches iscsid on and enables the addon.
fn with_openebs(world: &mut World, line: &str) -> Output {
    assert_eq!(world.run("nuc1", &["systemctl", "enable", "--now", "iscsid"], b"").exit, 0);
    fine(world, "enable community");
    microk8s(world, line)
}

const JIVA: &str = "helm3 upgrade --install openebs openebs/openebs -n openebs --create-namespace --version 3.3.x --set jiva.enabled=true --set jiva.csiNode.kubeletDir=/var/snap/microk8s/common/var/lib/kubelet/";

#[test]
fn the_addon_gives_up_with_status_zero_where_iscsid_is_off() {
    let mut world = homelab(1, &[]);
    fine(&mut world, "enable community");
    let output = microk8s(&mut world, "enable community/openebs");
    assert_eq!(output.exit, 0);
    insta::assert_snapshot!(output.stdout, @r"
    iscsid is not available or enabled.
    Make sure iscsi is installed on all nodes.
    To enable iscsid: 
          sudo systemctl enable iscsid
    Please refer to the OpenEBS prerequisites (https://docs.openebs.io/docs/next/prerequisites.html)
    ");
    assert!(!is_there(&world, "namespaces", "", "openebs"));
}

#[test]
fn the_addon_installs_the_release_and_says_so_before_anything_runs() {
    let mut world = homelab(3, &[]);
    let output = with_openebs(&mut world, "enable community/openebs -j 2");
    assert_eq!(output.exit, 0, "{output:?}");
    let timeless = |line: &&str| !line.starts_with("LAST DEPLOYED: Sat Nov 21 01:4");
    let said: Vec<&str> = output.stdout.lines().filter(timeless).take(13).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    Addon core/dns is already enabled
    Addon core/helm3 is already enabled
    "openebs" has been added to your repositories
    Hang tight while we grab the latest from your chart repositories...
    ...Successfully got an update from the "openebs" chart repository
    Update Complete. ⎈Happy Helming!⎈
    NAME: openebs
    NAMESPACE: openebs
    STATUS: deployed
    REVISION: 1
    TEST SUITE: None
    NOTES:
    Successfully installed OpenEBS.
    "#);
    assert!(output.stdout.contains("\nOpenEBS is installed\n"), "{output:?}");
    let policy = object(&world, "jivavolumepolicies", "openebs", "openebs-jiva-default-policy");
    assert_eq!(policy["spec"]["target"]["replicationFactor"], 2);
    world.advance(world.now() + 180_000);
    for (kind, name) in [
        ("deployments", "openebs-jiva-operator"),
        ("deployments", "openebs-localpv-provisioner"),
        ("deployments", "openebs-ndm-operator"),
        ("deployments", "openebs-cstor-cspc-operator"),
    ] {
        assert_eq!(object(&world, kind, "openebs", name)["status"]["availableReplicas"], 1, "{name}");
    }
    for name in ["openebs-ndm", "openebs-jiva-csi-node"] {
        assert_eq!(object(&world, "daemonsets", "openebs", name)["status"]["numberReady"], 3, "{name}");
    }
    assert_eq!(object(&world, "statefulsets", "openebs", "openebs-jiva-csi-controller")["status"]["readyReplicas"], 1);
    assert_eq!(object(&world, "csidrivers", "", "jiva.csi.openebs.io")["spec"]["attachRequired"], false);
    let class = object(&world, "storageclasses", "", "openebs-jiva-csi-default");
    assert_eq!(
        (&class["reclaimPolicy"], &class["parameters"]["policy"]),
        (&"Delete".into(), &"openebs-jiva-default-policy".into())
    );
    let hostpath = object(&world, "storageclasses", "", "openebs-hostpath");
    let config = hostpath["metadata"]["annotations"]["cas.openebs.io/config"].as_str().unwrap();
    assert!(config.contains("value: \"/var/snap/microk8s/common/var/openebs/local\""), "{config}");
    assert_eq!(kubelet_directories(&world), ["/var/snap/microk8s/common/var/lib/kubelet/"; 2]);

    assert_eq!(fine(&mut world, "status --addon community/openebs"), "enabled\n");
    let again = microk8s(&mut world, "enable community/openebs -j 3");
    assert_eq!((again.exit, again.stdout.as_str()), (0, "Addon community/openebs is already enabled\n"));
}

/// Host path and mount path of the CSI node pods' volume `pods-mount-dir`.
fn kubelet_directories(world: &World) -> [String; 2] {
    let pod = &object(world, "daemonsets", "openebs", "openebs-jiva-csi-node")["spec"]["template"]["spec"];
    let named = |list: &Value| list.as_array().unwrap().iter().find(|entry| entry["name"] == "pods-mount-dir").cloned();
    let plugin =
        pod["containers"].as_array().unwrap().iter().find(|container| container["name"] == "jiva-csi-plugin").unwrap();
    let volume = named(&pod["volumes"]).unwrap()["hostPath"]["path"].as_str().unwrap().to_owned();
    let mount = named(&plugin["volumeMounts"]).unwrap()["mountPath"].as_str().unwrap().to_owned();
    [volume, mount]
}

/// A claim of Jiva's class with a pod that uses it.
const CONSUMER: &str = "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec:
  storageClassName: openebs-jiva-csi-default
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: consumer, namespace: default}
spec:
  nodeName: nuc2
  containers:
  - {name: pause, image: registry.k8s.io/pause:3.10, volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
";

/// Brings the addon up on three machines, and a pod with a volume of Jiva's on the second.
fn with_consumer(faults: &[&str]) -> World {
    let mut world = homelab(3, faults);
    for name in ["nuc2", "nuc3"] {
        assert_eq!(world.run(name, &["systemctl", "enable", "--now", "iscsid"], b"").exit, 0);
    }
    let output = with_openebs(&mut world, "enable community/openebs");
    assert_eq!(output.exit, 0, "{output:?}");
    world.advance(world.now() + 180_000);
    let applied = world.run("nuc1", &["microk8s", "kubectl", "apply", "-f", "-"], CONSUMER.as_bytes());
    assert_eq!(applied.exit, 0, "{applied:?}");
    world.advance(world.now() + 180_000);
    assert_eq!(object(&world, "pods", "default", "consumer")["status"]["phase"], "Running");
    world
}

/// Where a block volume is mounted, once for each mount.
fn nodes_with_jiva_mounts(world: &World) -> Vec<String> {
    let views = world.storage();
    let mounts = views.iter().flat_map(|(_, view)| &view.mounts);
    mounts.filter(|mount| matches!(mount.content, Content::Volume(_))).map(|mount| mount.node.clone()).collect()
}

#[test]
fn a_volume_of_the_charts_classes_is_mounted_through_a_session() {
    let mut world = with_consumer(&[]);
    let claim = object(&world, "persistentvolumeclaims", "default", "data");
    let volume = claim["spec"]["volumeName"].as_str().unwrap();
    let sessions = world.run("nuc2", &["iscsiadm", "-m", "session"], b"").stdout;
    assert!(sessions.starts_with("tcp: [1] 10.152.183."), "{sessions}");
    assert!(sessions.ends_with(&format!(":3260,1 iqn.2016-09.com.openebs.jiva:{volume} (non-flash)\n")), "{sessions}");
    assert_eq!(world.run("nuc1", &["iscsiadm", "-m", "session"], b"").exit, 21);
    assert_eq!(nodes_with_jiva_mounts(&world), ["nuc2", "nuc2"], "staged and published");
    let listed = fine(&mut world, "kubectl get jivavolumes -n openebs");
    assert!(listed.starts_with("NAME ") && listed.contains("REPLICACOUNT") && listed.contains(" Ready "), "{listed}");
}

#[test]
fn with_the_wrong_kubelet_directory_nothing_is_mounted_though_all_looks_well() {
    let mut world = with_consumer(&["kubelet-dir"]);
    assert!(fine(&mut world, "kubectl get jivavolumes -n openebs").contains(" Ready "));
    assert_eq!(nodes_with_jiva_mounts(&world), Vec::<String>::new());
}

#[test]
fn a_chart_that_ignores_the_kubelet_directory_keeps_the_values_that_were_asked_for() {
    let mut world = homelab(1, &["kubelet-dir"]);
    with_openebs(&mut world, "enable community/openebs -j 1");
    assert_eq!(kubelet_directories(&world), ["/var/lib/kubelet/"; 2]);
    let values: Value = serde_json::from_str(&fine(&mut world, "helm3 get values openebs -n openebs -o json")).unwrap();
    assert_eq!(values["jiva"]["csiNode"]["kubeletDir"], "/var/snap/microk8s/common/var/lib/kubelet/");
    fine(&mut world, JIVA);
    assert_eq!(kubelet_directories(&world), ["/var/lib/kubelet/"; 2]);
}

#[test]
fn a_failed_release_is_in_the_way_of_the_addon_but_not_of_an_upgrade() {
    let mut world = homelab(1, &["helm-name-in-use"]);
    let output = with_openebs(&mut world, "enable community/openebs");
    assert_eq!(output.exit, 1);
    assert!(
        output.stderr.ends_with("Error: INSTALLATION FAILED: cannot re-use a name that is still in use\n"),
        "{output:?}"
    );
    let listed: Value = serde_json::from_str(&fine(&mut world, "helm3 list -A -o json")).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["status"], &listed[0]["revision"]),
        (&"openebs".into(), &"failed".into(), &"1".into())
    );
    let said = fine(&mut world, JIVA);
    assert!(said.starts_with("Release \"openebs\" has been upgraded. Happy Helming!\nNAME: openebs\n"), "{said}");
    assert!(is_there(&world, "daemonsets", "openebs", "openebs-jiva-csi-node"));
    assert!(is_there(&world, "jivavolumepolicies", "openebs", "openebs-jiva-default-policy"));
    let history = fine(&mut world, "helm3 history openebs -n openebs -o json");
    let history: Value = serde_json::from_str(&history).unwrap();
    let states: Vec<&str> = history.as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["superseded", "deployed"]);
}

#[test]
fn without_its_repository_a_chart_comes_from_a_file_or_another_server() {
    let mut world = homelab(1, &["chart-repo-down"]);
    let output = with_openebs(&mut world, "enable community/openebs");
    assert_eq!(output.exit, 1);
    let why = "Error: looks like \"https://openebs.github.io/charts\" is not a valid chart repository or cannot be reached: Get \
               \"https://openebs.github.io/charts/index.yaml\": dial tcp: lookup openebs.github.io on 127.0.0.53:53: no such host\n";
    assert!(output.stderr.ends_with(why), "{output:?}");
    let text = b"name: openebs\nversion: 3.10.0\n";
    world.machine_mut("nuc1").files_mut().write("/srv/charts/openebs/Chart.yaml", text, 0o644);
    let from_folder = JIVA.replace("openebs/openebs", "/srv/charts/openebs");
    assert!(fine(&mut world, &from_folder).starts_with("Release \"openebs\" does not exist. Installing it now.\n"));
    let listed = fine(&mut world, "helm3 list -n openebs");
    assert!(listed.contains("\tdeployed\topenebs-3.10.0\t3.10.0"), "{listed}");
    let github = microk8s(
        &mut world,
        &JIVA.replace(
            "openebs/openebs",
            "https://github.com/openebs/charts/releases/download/openebs-3.3.1/openebs-3.3.1.tgz",
        ),
    );
    assert!(github.stderr.contains("lookup github.com"), "{github:?}");
    fine(&mut world, "helm3 pull https://charts.example.org/openebs-3.3.1.tgz -d /srv");
    fine(&mut world, &JIVA.replace("openebs/openebs", "/srv/openebs-3.3.1.tgz"));
    assert!(fine(&mut world, "helm3 list -n openebs").contains("\topenebs-3.3.1\t3.3.0"));
}

#[test]
fn an_upgrade_changes_what_the_values_change_and_an_uninstallation_keeps_the_definitions() {
    let mut world = homelab(1, &[]);
    fine(&mut world, "helm3 repo add openebs https://openebs.github.io/charts");
    fine(&mut world, JIVA);
    assert!(!is_there(&world, "daemonsets", "openebs", "openebs-cstor-csi-node"));
    let more = "helm3 upgrade openebs openebs/openebs -n openebs --version 3.3.x --reuse-values --set jiva.defaultPolicy.replicas=1,cstor.enabled=true";
    let other = microk8s(&mut world, &more.replace("--version 3.3.x", "--version 9.x"));
    assert!(other.stderr.starts_with("Error: chart \"openebs\" matching 9.x not found in openebs index."), "{other:?}");
    fine(&mut world, more);
    let policy = object(&world, "jivavolumepolicies", "openebs", "openebs-jiva-default-policy");
    assert_eq!(policy["spec"]["target"]["replicationFactor"], 1);
    assert_eq!(kubelet_directories(&world)[0], "/var/snap/microk8s/common/var/lib/kubelet/");
    assert!(is_there(&world, "daemonsets", "openebs", "openebs-cstor-csi-node"));
    fine(&mut world, JIVA);
    assert!(!is_there(&world, "daemonsets", "openebs", "openebs-cstor-csi-node"));
    let refused = microk8s(&mut world, "helm3 upgrade nosuch openebs/openebs -n openebs");
    assert_eq!(
        (refused.exit, refused.stderr.as_str()),
        (1, "Error: UPGRADE FAILED: \"nosuch\" has no deployed releases\n")
    );
    assert_eq!(fine(&mut world, "helm3 uninstall openebs -n openebs"), "release \"openebs\" uninstalled\n");
    assert!(!is_there(&world, "daemonsets", "openebs", "openebs-jiva-csi-node"));
    assert!(!is_there(&world, "storageclasses", "", "openebs-jiva-csi-default"));
    assert!(is_there(&world, "customresourcedefinitions", "", "jivavolumes.openebs.io"));
    assert_eq!(microk8s(&mut world, "helm3 status openebs -n openebs").stderr, "Error: release: not found\n");
}

#[test]
fn an_upgrade_brings_no_definitions() {
    let mut world = homelab(1, &[]);
    fine(&mut world, "helm3 repo add openebs https://openebs.github.io/charts");
    fine(&mut world, &JIVA.replace("jiva.enabled=true", "jiva.enabled=false"));
    let refused = microk8s(&mut world, JIVA);
    assert_eq!(refused.exit, 1);
    assert!(refused.stderr.contains("no matches for kind \"JivaVolumePolicy\""), "{refused:?}");
    assert!(refused.stderr.ends_with("ensure CRDs are installed first\n"), "{refused:?}");
}

#[test]
fn a_class_of_somebody_else_is_not_taken_over() {
    let mut world = homelab(1, &["rwx-on-hostpath"]);
    let class = object(&world, "storageclasses", "", "openebs-rwx");
    assert!(
        class["metadata"]["annotations"]["cas.openebs.io/config"].as_str().unwrap().contains("\"openebs-hostpath\"")
    );
    fine(&mut world, "helm repo add nfs https://openebs.github.io/dynamic-nfs-provisioner");
    let install =
        "helm install nfs-provisioner nfs/nfs-provisioner -n openebs --create-namespace --set nfsStorageClass.name=";
    let refused = microk8s(&mut world, &format!("{install}openebs-rwx"));
    assert_eq!(refused.exit, 1);
    let why = "Error: INSTALLATION FAILED: Unable to continue with install: StorageClass \"openebs-rwx\" in namespace \"\" exists and cannot be \
               imported into the current release: invalid ownership metadata; label validation error: missing key \
               \"app.kubernetes.io/managed-by\": must be set to \"Helm\";";
    assert!(refused.stderr.starts_with(why), "{refused:?}");
    fine(&mut world, &format!("{install}other --wait"));
    assert_eq!(object(&world, "deployments", "openebs", "nfs-provisioner")["status"]["availableReplicas"], 1);
}

#[test]
fn values_come_from_standard_input_as_well() {
    let mut world = homelab(1, &[]);
    fine(&mut world, "helm repo add nfs https://openebs.github.io/dynamic-nfs-provisioner");
    let argv = [
        "microk8s",
        "helm3",
        "upgrade",
        "--install",
        "nfs-provisioner",
        "nfs/nfs-provisioner",
        "-n",
        "openebs",
        "--create-namespace",
        "-f",
        "-",
    ];
    let values = b"nfsStorageClass:\n  name: openebs-rwx\n  backendStorageClass: homeprov\n  filePermissions:\n    UID: \"991\"\n";
    let output = world.run("nuc1", &argv, values);
    assert_eq!(output.exit, 0, "{output:?}");
    let class = object(&world, "storageclasses", "", "openebs-rwx");
    let config = class["metadata"]["annotations"]["cas.openebs.io/config"].as_str().unwrap();
    assert!(config.contains("value: homeprov\n") && config.contains("    UID: \"991\"\n"), "{config}");
    let computed = fine(&mut world, "helm3 get values nfs-provisioner -n openebs -a");
    assert!(computed.starts_with("COMPUTED VALUES:\nanalytics:\n  enabled: \"true\"\n"), "{computed}");
}

#[test]
fn helm_says_what_it_says() {
    let mut world = homelab(1, &[]);
    for (line, status, said) in [
        ("helm3 repo list", 1, "Error: no repositories to show\n"),
        ("helm3 repo update", 1, "Error: no repositories found. You must add one before updating\n"),
        ("helm3 install openebs openebs/openebs", 1, "Error: INSTALLATION FAILED: repo openebs not found\n"),
        (
            "helm3 repo add openebs https://openebs.github.io/charts",
            0,
            "\"openebs\" has been added to your repositories\n",
        ),
        (
            "helm3 repo add openebs https://openebs.github.io/charts",
            0,
            "\"openebs\" already exists with the same configuration, skipping\n",
        ),
        (
            "helm3 repo add openebs https://example.org/charts",
            1,
            "Error: repository name (openebs) already exists, please specify a different name\n",
        ),
        (
            "helm3 repo list",
            0,
            "NAME   \tURL                             \nopenebs\thttps://openebs.github.io/charts\n",
        ),
        (
            "helm3 install openebs openebs/openebs -n openebs",
            1,
            "Error: INSTALLATION FAILED: create: failed to create: namespaces \"openebs\" not found\n",
        ),
        (
            "helm3 uninstall openebs -n openebs",
            1,
            "Error: uninstall: Release not loaded: openebs: release: not found\n",
        ),
        ("helm3 list -A -o json", 0, "[]\n"),
        ("helm3 list --nosuch", 1, "Error: unknown flag: --nosuch\n"),
        ("helm3 repo remove openebs", 0, "\"openebs\" has been removed from your repositories\n"),
    ] {
        let output = microk8s(&mut world, line);
        assert_eq!((output.exit, format!("{}{}", output.stdout, output.stderr).as_str()), (status, said), "{line}");
    }
}

#[test]
fn waiting_ends_with_the_pods_or_with_the_time() {
    let mut world = homelab(2, &[]);
    fine(&mut world, "helm3 repo add openebs https://openebs.github.io/charts");
    let short = microk8s(&mut world, &format!("{JIVA} --wait --timeout 1s"));
    assert_eq!((short.exit, short.stderr.as_str()), (1, "Error: context deadline exceeded\n"));
    assert!(fine(&mut world, "helm3 status openebs -n openebs").contains("\nSTATUS: failed\n"));
    fine(&mut world, &format!("{JIVA} --wait"));
    assert_eq!(object(&world, "daemonsets", "openebs", "openebs-jiva-csi-node")["status"]["numberReady"], 2);
}

#[test]
fn the_nfs_client_is_found_only_after_the_lists_were_updated() {
    let mut config = Config::homelab(2, Os::Debian12, "2026-11-21T01:45:00Z".parse().unwrap());
    config.faults = vec!["nfs-client-missing".parse().unwrap()];
    let mut world = World::in_memory(config);
    let install = ["apt-get", "install", "-y", "nfs-common"];
    assert_eq!(world.run("nuc1", &install, b"").exit, 0);
    assert!(world.machine("nuc1").files().exists("/sbin/mount.nfs4"));
    let refused = world.run("nuc2", &install, b"");
    assert_eq!((refused.exit, refused.stderr.as_str()), (100, "E: Unable to locate package nfs-common\n"));
    assert_eq!(world.run("nuc2", &["apt-get", "update"], b"").exit, 0);
    assert_eq!(world.run("nuc2", &install, b"").exit, 0);
    assert!(world.machine("nuc2").files().exists("/usr/sbin/mount.nfs"));
    assert!(world.take_notices().contains(&Notice::ProgramsChanged("nuc2".into())));
}

#[test]
fn ubuntu_brings_multipath_and_an_initiator_that_is_off() {
    let mut world = homelab(1, &[]);
    let asked = world.run("nuc1", &["systemctl", "is-enabled", "iscsid", "multipathd"], b"");
    assert_eq!((asked.exit, asked.stdout.as_str()), (0, "disabled\nenabled\n"));
    assert!(world.machine("nuc1").files().exists("/etc/multipath.conf"));
    let made = world.run("nuc1", &["iscsi-iname"], b"").stdout;
    assert!(made.starts_with("iqn.2004-10.com.ubuntu:01:"), "{made}");
    assert_ne!(made, world.run("nuc1", &["iscsi-iname"], b"").stdout);
}
