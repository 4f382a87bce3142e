//! Mastodon as a client has it through an ingress controller, and as `kubectl exec` reaches it.

use super::bench::values;
use crate::kubernetes::HttpAnswer;
use crate::kubernetes::tests::bench::Bench;

/// A Mastodon behind ingress-nginx, whose class is the default one.
fn published() -> Bench {
    let mut bench = Bench::for_mastodon(1, &[]);
    bench.cluster.install_ingress_nginx(bench.now, None);
    bench.pass(30_000);
    let rendered = bench.install(&values());
    bench.pass(60_000);
    bench.run_hooks(&rendered.hooks, "post-install", 90_000);
    assert!(bench.ready("mastodon-web"), "{}", bench.kubectl("-n mastodon get pods", "").0);
    bench
}

fn get(bench: &Bench, host: &str, path: &str, https: bool) -> HttpAnswer {
    bench.cluster.site(host, path, https)
}

#[test]
fn the_site_is_reached_by_its_name_and_below_it_streaming() {
    let mut bench = published();
    let own = "social.example.org";
    let page = get(&bench, own, "/", true);
    assert_eq!(page.status, 200, "{page:?}");
    let html = String::from_utf8(page.body).expect("text");
    let asset = html.split('"').find(|part| part.starts_with("/packs/")).expect("an asset");
    assert_eq!(get(&bench, own, asset, true).status, 200);
    for path in ["/health", "/api/v1/streaming/health"] {
        assert_eq!(
            (get(&bench, own, path, true).status, get(&bench, own, path, true).body),
            (200, b"OK".to_vec()),
            "{path}"
        );
    }
    // Without a certificate nginx passes it on, and Rails itself sends to HTTPS.
    assert_eq!(get(&bench, own, "/", false).status, 301);
    assert_eq!(get(&bench, "10.77.0.200", "/", true).status, 404, "the address is no host of a rule");
    bench.kubectl("-n mastodon scale deployment mastodon-streaming --replicas=0", "");
    bench.pass(10_000);
    assert_eq!(get(&bench, own, "/api/v1/streaming/health", true).status, 503);
    assert_eq!(get(&bench, own, "/health", true).status, 200);
}

#[test]
fn kubectl_goes_into_a_pod_of_a_deployment() {
    let mut bench = published();
    let (out, err, status) = bench.kubectl("-n mastodon exec deploy/mastodon-web -- tootctl --version", "");
    assert_eq!((out.as_str(), err.as_str(), status), ("4.6.3\n", "", 0));
    let (out, err, status) = bench
        .kubectl("exec -i -n mastodon deployment/mastodon-web -c mastodon-web -- tootctl accounts modify nobody", "");
    assert_eq!(
        (out.as_str(), err.as_str(), status),
        ("", "No user with such username\ncommand terminated with exit code 1\n", 1)
    );
    let (_, err, status) = bench.kubectl("-n mastodon exec mastodon-postgresql-0 -- tootctl --version", "");
    assert!(err.contains("executable file not found in $PATH") && err.ends_with("unknown\n"), "{err}");
    assert_eq!(status, 1);
}

#[test]
fn a_program_that_loads_rails_takes_its_time() {
    let mut bench = published();
    let words = ["-n", "mastodon", "exec", "deploy/mastodon-web", "--", "tootctl", "--version"].map(str::to_owned);
    let mut run = crate::kubernetes::KubectlRun::new(&words, b"");
    let began = bench.now;
    assert_eq!(run.poll(&mut bench.cluster, began).exit, None);
    assert_eq!(run.poll(&mut bench.cluster, began + 2_000).exit, None);
    let step = run.poll(&mut bench.cluster, began + 10_000);
    assert_eq!((step.exit, step.stdout.as_slice()), (Some(0), b"4.6.3\n".as_slice()));
}
