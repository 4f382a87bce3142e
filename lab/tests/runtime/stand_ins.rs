//! What stands in for the system's programs answers, and acts on the node only.

use super::lab::Lab;

#[test]
fn a_bare_machine_has_snapd_and_no_microk8s() {
    let said = Lab::of(1).run(
        "show list on nuc1 'snap list 2>&1'
         show microk8s on nuc1 'command -v microk8s; ls /snap/bin /var/snap 2>/dev/null; microk8s status 2>&1'",
    );
    assert_eq!(
        (said.status("list"), said.text("list")),
        (0, "No snaps are installed yet. Try 'snap install hello-world'.")
    );
    assert_eq!(said.status("microk8s"), 127, "{said:?}");
}

#[test]
fn a_machine_of_a_cluster_has_microk8s() {
    let said = Lab::of(3).with(&["--state", "cluster"]).run(
        "show list on nuc2 'snap list microk8s'
         show status on nuc2 '/snap/bin/microk8s status'
         show service on nuc2 'systemctl is-active snap.microk8s.daemon-kubelite'
         show ports on nuc3 'for port in 16443 19001 25000; do (: </dev/tcp/10.77.0.11/$port) && echo $port; done'",
    );
    assert!(said.text("list").starts_with("Name") && said.text("list").contains("|microk8s "), "{said:?}");
    assert!(said.text("status").contains("microk8s is running|high-availability: yes"), "{said:?}");
    assert_eq!(said.text("service"), "active");
    assert_eq!(said.text("ports"), "16443|19001|25000");
}

#[test]
fn services_are_known_and_change() {
    let said = Lab::of(1).run(
        "show ssh on nuc1 'systemctl is-active ssh'
         show absent on nuc1 'systemctl is-active nothing-of-that-name'
         show stop on nuc1 'systemctl stop nothing-of-that-name 2>&1'
         on nuc1 'systemctl disable --now systemd-timesyncd' 2>/dev/null
         show stopped on nuc1 'systemctl is-active systemd-timesyncd; systemctl is-enabled systemd-timesyncd'",
    );
    assert_eq!((said.status("ssh"), said.text("ssh")), (0, "active"));
    assert_eq!((said.status("absent"), said.text("absent")), (3, "inactive"));
    assert_eq!(said.status("stop"), 5);
    let complaint = "Failed to stop nothing-of-that-name.service: Unit nothing-of-that-name.service not loaded.";
    assert_eq!(said.text("stop"), complaint);
    assert_eq!(said.text("stopped"), "inactive|disabled");
}

#[test]
fn packages_are_installed() {
    let said = Lab::of(1).with(&["--os", "debian"]).run(
        "show before on nuc1 'dpkg-query -W -f \"\\${Status}\" nfs-common 2>&1'
         show install on nuc1 'DEBIAN_FRONTEND=noninteractive apt-get install -y nfs-common'
         show after on nuc1 'dpkg-query -W -f \"\\${Status}\" nfs-common'
         show unknown on nuc1 'apt-get install -y no-such-package 2>&1'",
    );
    assert_eq!((said.status("before"), said.text("before")), (1, "dpkg-query: no packages found matching nfs-common"));
    assert_eq!(said.status("install"), 0, "{said:?}");
    assert_eq!(said.text("after"), "install ok installed");
    assert_eq!(said.status("unknown"), 100);
    assert!(said.text("unknown").ends_with("E: Unable to locate package no-such-package"), "{said:?}");
}

#[test]
fn kernel_parameters_and_modules_are_the_nodes_only() {
    let real = || (std::fs::read("/proc/sys/vm/max_map_count").unwrap(), std::fs::read("/proc/modules").ok());
    let before = real();
    let said = Lab::of(2).run(
        "show write on nuc1 'sysctl -w vm.max_map_count=777777'
         for node in nuc1 nuc2; do show $node on $node 'sysctl -n vm.max_map_count'; done
         show load on nuc1 'modprobe nbd && lsmod | grep -c ^nbd && until ls -d /sys/module/nbd 2>/dev/null; do sleep 0.01; done'
         show other on nuc2 'lsmod | grep -c ^nbd; ls -d /sys/module/nbd 2>/dev/null'
         show unknown on nuc1 'modprobe no_such_module 2>&1'",
    );
    assert_eq!(said.text("write"), "vm.max_map_count = 777777");
    assert_eq!(said.text("nuc1"), "777777");
    assert_ne!(said.text("nuc2"), "777777");
    assert_eq!(said.text("load"), "1|/sys/module/nbd");
    assert_eq!(said.text("other"), "0");
    assert_eq!(said.status("unknown"), 1);
    assert!(said.text("unknown").starts_with("modprobe: FATAL: Module no_such_module not found"), "{said:?}");
    assert_eq!(real(), before);
}

#[test]
fn a_host_name_is_really_changed() {
    let real = nix::unistd::gethostname().unwrap();
    let said = Lab::of(2).run(
        "show change on nuc1 'hostnamectl set-hostname attic'
         show now on nuc1 'uname -n; hostname; cat /etc/hostname; hostnamectl --static'
         show other on nuc2 'uname -n'",
    );
    assert_eq!(said.status("change"), 0, "{said:?}");
    assert_eq!(said.text("now"), "attic|attic|attic|attic");
    assert_eq!(said.text("other"), "nuc2");
    assert_eq!(nix::unistd::gethostname().unwrap(), real);
}

#[test]
fn a_script_on_standard_input_is_not_swallowed() {
    let said = Lab::of(1).run(
        "script() { printf '%s\\n' 'systemctl is-active ssh' 'snap list 2>/dev/null' 'echo after'; }
         over() { script | on nuc1 'sh -s'; }
         show said over",
    );
    assert_eq!(said.text("said"), "active|after");
}

#[test]
fn a_node_has_the_programs_and_files_of_its_storage_packages() {
    let said = Lab::of(1).run(
        "show before on nuc1 'test -x /sbin/iscsiadm && ! test -e /sbin/mount.nfs4'
         show client on nuc1 'apt-get install -y nfs-common >/dev/null && test -x /sbin/mount.nfs4'
         show sessions on nuc1 'iscsiadm -m session 2>&1'
         show name on nuc1 'sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi'",
    );
    assert_eq!((said.status("before"), said.status("client")), (0, 0), "{said:?}");
    assert_eq!((said.status("sessions"), said.text("sessions")), (21, "iscsiadm: No active sessions."), "{said:?}");
    assert!(said.text("name").starts_with("iqn.2004-10.com.ubuntu:01:"), "{said:?}");
}

#[test]
fn helm_reads_values_and_charts_wherever_the_node_sees_them() {
    let said = Lab::of(1).with(&["--state", "cluster"]).run(
        "show install on nuc1 'cd /tmp && mkdir chart && printf \"name: nfs-provisioner\\nversion: 0.11.0\\n\" > chart/Chart.yaml && \
         tar czf nfs.tgz chart && printf \"nfsStorageClass: {name: from-a-file}\\n\" > values.yaml && \
         /snap/bin/microk8s helm3 install nfs ./nfs.tgz -n openebs --create-namespace -f values.yaml'
         show class on nuc1 '/snap/bin/microk8s kubectl get storageclass from-a-file -o name'",
    );
    assert_eq!(said.status("install"), 0, "{said:?}");
    assert_eq!(said.text("class"), "storageclass.storage.k8s.io/from-a-file", "{said:?}");
}
