//! What the chart renders to.

use serde_json::{Value, json};

use super::bench::{RELEASE, values};
use crate::kubernetes::mastodon::{Rendered, render};

fn rendered(values: &Value) -> Rendered {
    render(RELEASE, values, 3).expect("it renders")
}

fn object(rendered: &Rendered, kind: &str, name: &str) -> Value {
    let found = rendered.objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.cloned().unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn list(rendered: &Rendered) -> String {
    let row = |object: &Value| {
        format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    let objects = rendered.objects.iter().map(row);
    let hooks =
        rendered.hooks.iter().map(|hook| format!("{} at {} {}", row(&hook.object), hook.events.join(","), hook.weight));
    objects.chain(hooks).collect::<Vec<String>>().join("\n")
}

#[test]
fn the_objects_of_a_small_site() {
    insta::assert_snapshot!(list(&rendered(&values())));
}

#[test]
fn the_objects_of_the_charts_own_choices() {
    let secrets = json!({"mastodon": {"secrets": {"secret_key_base": "a", "otp_secret": "b", "vapid": {"private_key": "c", "public_key": "d"},
        "activeRecordEncryption": {"primaryKey": "e", "deterministicKey": "f", "keyDerivationSalt": "g"}},
        "createAdmin": {"enabled": true}, "hooks": {"deploySearch": {"enabled": true}}}});
    let rendered = rendered(&secrets);
    insta::assert_snapshot!(list(&rendered));
    let claim = object(&rendered, "PersistentVolumeClaim", "mastodon-system");
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/hook-delete-policy"], "keep");
    assert_eq!(object(&rendered, "StatefulSet", "mastodon-redis-replicas")["spec"]["replicas"], 3);
}

#[test]
fn web_as_it_is_given_to_the_cluster() {
    let rendered = rendered(&values());
    insta::assert_snapshot!(crate::kubernetes::to_yaml(&object(&rendered, "Deployment", "mastodon-web")));
}

#[test]
fn the_environment_of_a_site_with_mail_and_media_elsewhere() {
    let mut values = values();
    values["mastodon"]["smtp"] = json!({"server": "mail.example.org", "port": 465, "tls": true, "enable_starttls": "never", "existingSecret": "mastodon-smtp"});
    values["mastodon"]["singleUserMode"] = true.into();
    values["mastodon"]["locale"] = "de".into();
    insta::assert_snapshot!(crate::kubernetes::to_yaml(
        &object(&rendered(&values), "ConfigMap", "mastodon-env")["data"]
    ));
}

#[test]
fn postgresql_with_a_patient_startup_probe() {
    let mut values = values();
    values["postgresql"]["primary"] = json!({"persistence": {"size": "20Gi", "storageClass": "openebs-jiva-csi-default"},
        "startupProbe": {"enabled": true, "failureThreshold": 60}});
    insta::assert_snapshot!(crate::kubernetes::to_yaml(&object(
        &rendered(&values),
        "StatefulSet",
        "mastodon-postgresql"
    )));
}

#[test]
fn an_external_database_is_prepared_before_the_first_installation() {
    let mut values = values();
    values["postgresql"] = json!({"enabled": false, "postgresqlHostname": "db.example.org", "auth": {"existingSecret": "mastodon-db"},
        "direct": {"hostname": "direct.example.org", "port": 5433}});
    let rendered = rendered(&values);
    insta::assert_snapshot!(list(&rendered));
    let job = rendered.hooks.iter().find(|hook| hook.object["metadata"]["name"] == "mastodon-db-prepare").unwrap();
    let env = &job.object["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!((&env[0]["value"], &env[1]["value"]), (&"direct.example.org".into(), &"5433".into()));
}

#[test]
fn missing_and_impossible_values_are_refused_in_helms_words() {
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut values = values();
        change(&mut values);
        render(RELEASE, &values, 1).unwrap_err()
    };
    let refusals = [
        render(RELEASE, &json!({}), 1).unwrap_err(),
        refusal(&|values| values["mastodon"]["secrets"] = json!({"secret_key_base": "a", "otp_secret": "b"})),
        refusal(&|values| values["postgresql"]["enabled"] = false.into()),
        refusal(&|values| values["redis"]["enabled"] = false.into()),
        refusal(&|values| {
            values["mastodon"]["sidekiq"] =
                json!({"workers": [{"name": "all", "replicas": 2, "queues": ["scheduler"]}]});
        }),
        refusal(&|values| {
            values["elasticsearch"]["enabled"] = true.into();
            values["mastodon"]["s3"]["enabled"] = false.into();
            values["mastodon"]["hooks"] = json!({"deploySearch": {"enabled": true}});
            values["mastodon"]["persistence"] = json!({"assets": {"accessMode": "ReadWriteMany"}});
        }),
        refusal(&|values| values["redis"]["image"] = json!({"registry": "registry.example.org"})),
    ];
    insta::assert_snapshot!(refusals.join("\n---\n"));
}

#[test]
fn a_revision_rolls_the_pods_and_its_number_alone() {
    let first = render(RELEASE, &values(), 1).unwrap();
    let second = render(RELEASE, &values(), 2).unwrap();
    let annotations = |rendered: &Rendered| {
        object(rendered, "Deployment", "mastodon-web")["spec"]["template"]["metadata"]["annotations"].clone()
    };
    assert_eq!((&annotations(&first)["rollme"], &annotations(&second)["rollme"]), (&"1".into(), &"2".into()));
    assert_eq!(annotations(&first)["checksum/config-configmap"], annotations(&second)["checksum/config-configmap"]);
    assert_eq!(
        object(&first, "StatefulSet", "mastodon-postgresql"),
        object(&second, "StatefulSet", "mastodon-postgresql")
    );
}
