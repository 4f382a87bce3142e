//! The hooks of the addon `openebs` (canonical/microk8s-community-addons addons/openebs/enable and disable).

use super::super::process::{Call, Next, after};
use super::super::{COMMON, UnitFile, World};
use super::helm::{self, step, words};

/// `enable`: gives up with status 0 where iscsid is not enabled on this machine.
pub(super) fn enable(world: &mut World, call: &mut Call, args: &[String]) -> Next {
    let replicas = replicas(args);
    let unit = world.machine(&call.machine).units.get("iscsid.service");
    if unit.is_none_or(|unit| unit.file != UnitFile::Enabled) {
        call.say("iscsid is not available or enabled.");
        call.say(HELP);
        return Next::Exit(0);
    }
    for addon in ["dns", "helm3"] {
        call.complain(format!("Infer repository core for addon {addon}"));
        call.say(format!("Addon core/{addon} is already enabled"));
    }
    let took = world.around(3_000);
    after(took, move |world, call| {
        world.make_namespace(&call.machine, "openebs");
        let add = words("repo add openebs https://openebs.github.io/charts");
        step(world, add, move |world, _| {
            step(world, words("repo update"), move |world, _| {
                step(world, install(&replicas), |_, call| {
                    call.say("OpenEBS is installed");
                    call.quit(0, EXAMPLES)
                })
            })
        })
    })
}

/// `-j N` as bash's getopts takes it: anything else is passed over.
fn replicas(args: &[String]) -> String {
    let mut rest = args.iter();
    let mut replicas = "3".to_owned();
    while let Some(arg) = rest.next() {
        if let Some(number) = arg.strip_prefix("-j") {
            replicas = if number.is_empty() { rest.next().cloned().unwrap_or_default() } else { number.to_owned() };
        } else if !arg.starts_with('-') {
            break;
        }
    }
    replicas
}

fn install(replicas: &str) -> Vec<String> {
    let mut args = words("-n openebs install openebs openebs/openebs --version 3.3.x");
    for value in [
        "cstor.enabled=true".to_owned(),
        "jiva.enabled=true".to_owned(),
        format!("jiva.defaultPolicy.replicas={replicas}"),
        "legacy.enabled=false".to_owned(),
        "cstor.cleanup.image.tag=latest".to_owned(),
        format!("cstor.csiNode.kubeletDir={COMMON}/var/lib/kubelet/"),
        format!("jiva.csiNode.kubeletDir={COMMON}/var/lib/kubelet/"),
        format!("localprovisioner.basePath={COMMON}/var/openebs/local"),
        format!("ndm.sparse.path={COMMON}/var/openebs/sparse"),
        format!("varDirectoryPath.baseDir={COMMON}/var/openebs"),
    ] {
        args.extend(["--set".to_owned(), value]);
    }
    args
}

/// `disable`: whatever fails on the way, its end is the same.
pub(super) fn disable(world: &mut World, call: &mut Call) -> Next {
    call.say("Disabling OpenEBS");
    let uninstall = words("-n openebs uninstall openebs");
    helm::run(
        world,
        uninstall,
        Box::new(|world, _, _| {
            let took = world.around(8_000);
            after(took, |world, call| {
                world.delete_object(&call.machine, "/api/v1/namespaces/openebs");
                call.say("OpenEBS disabled");
                call.quit(0, format!("Manually clean up the directory {COMMON}/var/openebs/"))
            })
        }),
    )
}

const HELP: &str = "Make sure iscsi is installed on all nodes.\nTo enable iscsid: \n      sudo systemctl enable iscsid\nPlease refer to the \
                    OpenEBS prerequisites (https://docs.openebs.io/docs/next/prerequisites.html)";

const EXAMPLES: &str = r"

-----------------------

When using OpenEBS with a single node MicroK8s, it is recommended to use the openebs-hostpath StorageClass
An example of creating a PersistentVolumeClaim utilizing the openebs-hostpath StorageClass


kind: PersistentVolumeClaim
apiVersion: v1
metadata:
  name: local-hostpath-pvc
spec:
  storageClassName: openebs-hostpath
  accessModes:
    - ReadWriteOnce
  resources:
    requests:
      storage: 5G



-----------------------

If you are planning to use OpenEBS with multi nodes, you can use the openebs-jiva-csi-default StorageClass.
An example of creating a PersistentVolumeClaim utilizing the openebs-jiva-csi-default StorageClass


kind: PersistentVolumeClaim
apiVersion: v1
metadata:
  name: jiva-volume-claim
spec:
  storageClassName: openebs-jiva-csi-default
  accessModes:
    - ReadWriteOnce
  resources:
    requests:
      storage: 5G
";

#[cfg(test)]
mod tests {
    use super::replicas;

    #[test]
    fn the_number_of_replicas_comes_in_both_forms() {
        for (args, wanted) in
            [(&["-j", "2"][..], "2"), (&["-j2"], "2"), (&[], "3"), (&["2"], "3"), (&["-x", "-j", "5"], "5")]
        {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(replicas(&args), wanted, "{args:?}");
        }
    }
}
