//! The definitions of Flux 2.9.4: which kinds are served in which versions, and what their objects may hold
//! (fluxcd/source-controller, kustomize-controller and helm-controller `config/crd/bases`).

use serde_json::{Value, json};

use super::schema::schema;

/// A kind of Flux's.
struct Definition {
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    group: &'static str,
    /// The served versions, the stored one first.
    versions: &'static [&'static str],
    /// The controller that brings it along; its label `app.kubernetes.io/component`.
    component: &'static str,
    /// Printed between the name and the age.
    columns: &'static [(&'static str, &'static str)],
    spec: &'static str,
    status: &'static str,
}

const SOURCE: &str = "source.toolkit.fluxcd.io";
const CONDITIONS: &str =
    "[{lastTransitionTime!,message!,observedGeneration:i,reason!,status!:(True|False|Unknown),type!}]";
const ARTIFACT: &str = "{digest!,lastUpdateTime!,metadata:m,path!,revision!,size:i,url!}";

const DEFINITIONS: [Definition; 11] = [
    Definition {
        kind: "Bucket",
        plural: "buckets",
        short: &[],
        group: SOURCE,
        versions: &["v1"],
        component: "source-controller",
        columns: &[("Endpoint", ".spec.endpoint")],
        spec: "*",
        status: "*",
    },
    Definition {
        kind: "ExternalArtifact",
        plural: "externalartifacts",
        short: &["ea"],
        group: SOURCE,
        versions: &["v1"],
        component: "source-controller",
        columns: &[],
        spec: "*",
        status: "*",
    },
    Definition {
        kind: "GitRepository",
        plural: "gitrepositories",
        short: &["gitrepo"],
        group: SOURCE,
        versions: &["v1"],
        component: "source-controller",
        columns: &[("URL", ".spec.url")],
        spec: "{ignore,include:[{fromPath,repository!:{name!},toPath}],interval!,provider:(generic|aws|azure|github),proxySecretRef:{name!},\
            recurseSubmodules:b,ref:{branch,commit,name,semver,tag},secretRef:{name!},serviceAccountName,sparseCheckout:[s],suspend:b,\
            timeout:s=60s,url!,verify:{mode:(head|HEAD|Tag|TagAndHEAD)=HEAD,secretRef!:{name!}}}",
        status: "{artifact:ARTIFACT,conditions:CONDITIONS,includedArtifacts:[ARTIFACT],lastHandledReconcileAt,observedGeneration:i,\
            observedIgnore,observedInclude:[{fromPath,repository!:{name!},toPath}],observedRecurseSubmodules:b,observedSparseCheckout:[s],\
            sourceVerificationMode}",
    },
    Definition {
        kind: "HelmChart",
        plural: "helmcharts",
        short: &["hc"],
        group: SOURCE,
        versions: &["v1"],
        component: "source-controller",
        columns: &[
            ("Chart", ".spec.chart"),
            ("Version", ".spec.version"),
            ("Source Kind", ".spec.sourceRef.kind"),
            ("Source Name", ".spec.sourceRef.name"),
        ],
        spec: "{chart!,ignoreMissingValuesFiles:b,interval!,reconcileStrategy:(ChartVersion|Revision)=ChartVersion,\
            sourceRef!:{apiVersion,kind!:(HelmRepository|GitRepository|Bucket),name!},suspend:b,valuesFiles:[s],\
            verify:{matchOIDCIdentity:[{issuer!,subject!}],provider!:(cosign|notation)=cosign,secretRef:{name!}},version:s=*}",
        status: "{artifact:ARTIFACT,conditions:CONDITIONS,lastHandledReconcileAt,observedChartName,observedGeneration:i,\
            observedSourceArtifactRevision,observedValuesFiles:[s],url}",
    },
    Definition {
        kind: "HelmRepository",
        plural: "helmrepositories",
        short: &["helmrepo"],
        group: SOURCE,
        versions: &["v1"],
        component: "source-controller",
        columns: &[("URL", ".spec.url")],
        spec: "{accessFrom:{namespaceSelectors!:[{matchLabels:m}]},certSecretRef:{name!},insecure:b,interval,passCredentials:b,\
            provider:(generic|aws|azure|gcp)=generic,secretRef:{name!},suspend:b,timeout,type:(default|oci),url!}",
        status: "{artifact:ARTIFACT,conditions:CONDITIONS,lastHandledReconcileAt,observedGeneration:i,url}",
    },
    Definition {
        kind: "OCIRepository",
        plural: "ocirepositories",
        short: &["ocirepo"],
        group: SOURCE,
        versions: &["v1"],
        component: "source-controller",
        columns: &[("URL", ".spec.url")],
        spec: "*",
        status: "*",
    },
    Definition {
        kind: "Kustomization",
        plural: "kustomizations",
        short: &["ks"],
        group: "kustomize.toolkit.fluxcd.io",
        versions: &["v1"],
        component: "kustomize-controller",
        columns: &[],
        spec: "{buildMetadata:[(originAnnotations|transformerAnnotations)],commonMetadata:{annotations:m,labels:m},components:[s],\
            decryption:{provider!:(sops),secretRef:{name!},serviceAccountName},deletionPolicy:(MirrorPrune|Delete|WaitForTermination|Orphan),\
            dependsOn:[{name!,namespace,readyExpr}],force:b=false,healthCheckExprs:[{apiVersion!,current!,failed,inProgress,kind}],\
            healthChecks:[{apiVersion,kind!,name!,namespace}],ignore:[{paths!:[s],target:SELECTOR}],ignoreMissingComponents:b,\
            images:[{digest,name!,newName,newTag}],interval!,kubeConfig:{configMapRef:{name!},secretRef:{key,name!}},namePrefix,nameSuffix,\
            patches:[{patch!,target:SELECTOR}],path,postBuild:{substitute:m,substituteFrom:[{kind!:(Secret|ConfigMap),name!,optional:b=false}],\
            substituteStrategy:(WithVariables|Always)},prune!:b,retryInterval,serviceAccountName,\
            sourceRef!:{apiVersion,kind!:(OCIRepository|GitRepository|Bucket|ExternalArtifact),name!,namespace},suspend:b,targetNamespace,\
            timeout,wait:b}",
        status: "{conditions:CONDITIONS,history:[{digest!,firstReconciled!,lastReconciled!,lastReconciledDuration!,lastReconciledStatus!,\
            metadata:m,totalReconciliations!:i}],inventory:{entries!:[{id!,v!}]},lastAppliedOriginRevision,lastAppliedRevision,\
            lastAttemptedRevision,lastHandledReconcileAt,observedGeneration:i}",
    },
    Definition {
        kind: "HelmRelease",
        plural: "helmreleases",
        short: &["hr"],
        group: "helm.toolkit.fluxcd.io",
        versions: &["v2"],
        component: "helm-controller",
        columns: &[],
        spec: "{chart:{metadata:{annotations:m,labels:m},spec!:{chart!,ignoreMissingValuesFiles:b,interval,\
            reconcileStrategy:(ChartVersion|Revision)=ChartVersion,sourceRef!:{apiVersion,kind!:(HelmRepository|GitRepository|Bucket),name!,namespace},\
            valuesFiles:[s],verify:{provider!:(cosign|notation)=cosign,secretRef:{name!}},version:s=*}},\
            chartRef:{apiVersion,kind!:(OCIRepository|HelmChart|ExternalArtifact),name!,namespace},commonMetadata:{annotations:m,labels:m},\
            dependsOn:[{name!,namespace,readyExpr}],driftDetection:{ignore:[{paths!:[s],target:SELECTOR}],mode:(enabled|warn|disabled)},\
            healthCheckExprs:[{apiVersion!,current!,failed,inProgress,kind}],\
            install:{crds:(Skip|Create|CreateReplace),createNamespace:b,disableHooks:b,disableOpenAPIValidation:b,disableSchemaValidation:b,\
            disableTakeOwnership:b,disableWait:b,disableWaitForJobs:b,remediation:{ignoreTestFailures:b,remediateLastFailure:b,retries:i},replace:b,\
            serverSideApply:b,skipCRDs:b,strategy:{name!:(RemediateOnFailure|RetryOnFailure),retryInterval},timeout},interval!,\
            kubeConfig:{configMapRef:{name!},secretRef:{key,name!}},maxHistory:i,persistentClient:b,postRenderStrategy:(nohooks|combined|separate),\
            postRenderers:[{kustomize:{images:[{digest,name!,newName,newTag}],patches:[{patch!,target:SELECTOR}]}}],releaseName,\
            rollback:{cleanupOnFail:b,disableHooks:b,disableWait:b,disableWaitForJobs:b,force:b,recreate:b,serverSideApply:(enabled|disabled|auto),timeout},\
            serviceAccountName,storageNamespace,suspend:b,targetNamespace,test:{enable:b,filters:[{exclude:b,name!}],ignoreFailures:b,timeout},timeout,\
            uninstall:{deletionPropagation:(background|foreground|orphan)=background,disableHooks:b,disableWait:b,keepHistory:b,timeout},\
            upgrade:{chartNameChangeStrategy:(InPlaceUpdate|Reinstall),cleanupOnFail:b,crds:(Skip|Create|CreateReplace),disableHooks:b,\
            disableOpenAPIValidation:b,disableSchemaValidation:b,disableTakeOwnership:b,disableWait:b,disableWaitForJobs:b,force:b,preserveValues:b,\
            remediation:{ignoreTestFailures:b,remediateLastFailure:b,retries:i,strategy:(rollback|uninstall)},serverSideApply:(enabled|disabled|auto),\
            strategy:{name!:(RemediateOnFailure|RetryOnFailure),retryInterval},timeout},values:*,\
            valuesFrom:[{kind!:(Secret|ConfigMap),literal:b,name!,optional:b,targetPath,valuesKey}],waitStrategy:{name!:(poller|legacy)}}",
        status: "{conditions:CONDITIONS,failures:i,helmChart,history:[{action,apiVersion,appVersion,chartName!,chartVersion!,configDigest!,deleted,\
            digest!,firstDeployed!,lastDeployed!,name!,namespace!,ociDigest,status!,testHooks:*,version!:i}],installFailures:i,\
            inventory:{entries!:[{id!,v!}]},lastAttemptedConfigDigest,lastAttemptedGeneration:i,lastAttemptedReleaseAction:(install|upgrade),\
            lastAttemptedReleaseActionDuration,lastAttemptedRevision,lastAttemptedRevisionDigest,lastAttemptedValuesChecksum,lastHandledForceAt,\
            lastHandledReconcileAt,lastHandledResetAt,lastReleaseRevision:i,observedCommonMetadataDigest,observedGeneration:i,\
            observedPostRenderersDigest,storageNamespace,upgradeFailures:i}",
    },
    Definition {
        kind: "Alert",
        plural: "alerts",
        short: &[],
        group: "notification.toolkit.fluxcd.io",
        versions: &["v1beta3"],
        component: "notification-controller",
        columns: &[],
        spec: "*",
        status: "",
    },
    Definition {
        kind: "Provider",
        plural: "providers",
        short: &[],
        group: "notification.toolkit.fluxcd.io",
        versions: &["v1beta3"],
        component: "notification-controller",
        columns: &[],
        spec: "*",
        status: "",
    },
    Definition {
        kind: "Receiver",
        plural: "receivers",
        short: &[],
        group: "notification.toolkit.fluxcd.io",
        versions: &["v1"],
        component: "notification-controller",
        columns: &[],
        spec: "*",
        status: "*",
    },
];

/// Every definition, with the labels of the component that brings it along; ordered by name.
pub(super) fn all(labels: impl Fn(&str) -> Value) -> Vec<Value> {
    let mut objects: Vec<Value> = DEFINITIONS.iter().map(|one| object(one, &labels(one.component))).collect();
    objects.sort_by_key(|object| object["metadata"]["name"].to_string());
    objects
}

fn expanded(line: &str) -> Value {
    if line == "*" {
        return json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    let selector = "{annotationSelector,group,kind,labelSelector,name,namespace,version}";
    schema(&line.replace("SELECTOR", selector).replace("CONDITIONS", CONDITIONS).replace("ARTIFACT", ARTIFACT))
}

fn object(one: &Definition, labels: &Value) -> Value {
    let singular = one.kind.to_lowercase();
    let column = |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    let mut columns: Vec<Value> = one.columns.iter().map(|(name, path)| column(name, "string", path)).collect();
    columns.push(column("Age", "date", ".metadata.creationTimestamp"));
    let mut properties = json!({"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"},
        "spec": expanded(one.spec)});
    if !one.status.is_empty() {
        for (name, field) in [("Ready", "status"), ("Status", "message")] {
            columns.push(column(name, "string", &format!(".status.conditions[?(@.type==\"Ready\")].{field}")));
        }
        properties["status"] = expanded(one.status);
        if one.status != "*" {
            properties["status"]["default"] = json!({"observedGeneration": -1});
        }
    }
    let versions: Vec<Value> = one
        .versions
        .iter()
        .enumerate()
        .map(|(at, version)| {
            let mut version = json!({"name": version, "served": true, "storage": at == 0, "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}});
            if !one.status.is_empty() {
                version["subresources"] = json!({"status": {}});
            }
            version
        })
        .collect();
    let mut names = json!({"kind": one.kind, "listKind": format!("{}List", one.kind), "plural": one.plural, "singular": singular,
        "categories": ["all", "fluxcd"]});
    if !one.short.is_empty() {
        names["shortNames"] = json!(one.short);
    }
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{}", one.plural, one.group), "labels": labels,
            "annotations": {"controller-gen.kubebuilder.io/version": "v0.19.0"}},
        "spec": {"group": one.group, "names": names, "scope": "Namespaced", "versions": versions}})
}
