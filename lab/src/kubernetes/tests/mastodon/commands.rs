//! What can be asked of the pods: by commands, and over HTTP.

use super::bench::name;
use crate::kubernetes::HttpAnswer;
use crate::kubernetes::tests::bench::Bench;

#[test]
fn an_owner_is_made_once_and_its_role_by_its_exact_name() {
    let mut bench = Bench::running();
    let create = "tootctl accounts create alice --email alice@example.org --confirmed --role";
    let refused = bench.exec("mastodon-web", &format!("{create} owner"));
    assert_eq!(refused, (String::new(), "Cannot find user role with that name\n".to_owned(), 1));
    let (out, _, status) = bench.exec("mastodon-web", &format!("{create} Owner"));
    let password = out.strip_prefix("OK\nNew password: ").and_then(|rest| rest.strip_suffix('\n')).expect("a password");
    assert!(status == 0 && password.len() == 32 && password.chars().all(|digit| digit.is_ascii_hexdigit()), "{out}");
    let (_, err, status) = bench.exec("mastodon-web", &format!("bin/{create} Owner"));
    assert_eq!(
        (err.as_str(), status),
        ("Failure/Error: account.username\n    taken\nFailure/Error: email\n    taken\n\n", 1)
    );
    let (out, _, _) = bench
        .exec("mastodon-web", "bundle exec bin/tootctl accounts modify Alice --reset-password --approve --role Admin");
    assert!(out.starts_with("OK\nNew password: ") && !out.contains(password), "{out}");
    assert_eq!(bench.exec("mastodon-web", "tootctl accounts modify bob").1, "No user with such username\n");
    assert_eq!(bench.exec("mastodon-sidekiq", "tootctl --version").0, "4.6.3\n");
}

#[test]
fn pods_know_the_programs_of_their_images_only() {
    let mut bench = Bench::running();
    assert_eq!(
        bench.exec("mastodon-postgresql", "pg_isready"),
        ("127.0.0.1:5432 - accepting connections\n".to_owned(), String::new(), 0)
    );
    let web = bench.pod("mastodon-web");
    let mut ask = |pod: &str, container: &str, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        bench.cluster.exec(bench.now, "mastodon", pod, container, &words, b"")
    };
    let absent = ask(name(&web), "mastodon-web", &["psql"]).unwrap_err();
    assert!(absent.ends_with("exec: \"psql\": executable file not found in $PATH: unknown"), "{absent}");
    let shell = ask(name(&web), "", &["sh", "-c", "cd /opt/mastodon && psql -c 'select 1'"]).unwrap();
    assert_eq!((shell.status, shell.stderr.as_slice()), (127, b"sh: 1: psql: not found\n".as_slice()));
    assert_eq!(ask("x", "", &["true"]).unwrap_err(), "Error from server (NotFound): pods \"x\" not found");
    assert!(ask(name(&web), "redis", &["true"]).is_err());
    let query = "psql -U mastodon -d mastodon_production -Atc 'select count(*) from users;'";
    let locked = ask("mastodon-postgresql-0", "", &["sh", "-c", query]).unwrap();
    assert_eq!(locked.status, 2, "{locked:?}");
    let query = format!("PGPASSWORD=\"$POSTGRES_PASSWORD\" {query}");
    let count = ask("mastodon-postgresql-0", "", &["sh", "-c", &query]).unwrap();
    assert_eq!(count.stdout, b"0\n");
}

#[test]
fn web_answers_its_own_hosts_over_tls_and_names_assets_that_load() {
    let mut bench = Bench::running();
    let web = format!("mastodon/{}", name(&bench.pod("mastodon-web")));
    let get =
        |bench: &Bench, host: &str, path: &str, https: bool| bench.cluster.web_answer(&web, 3000, host, path, https);
    let body = |answer: &HttpAnswer| String::from_utf8(answer.body.clone()).unwrap();
    let health = get(&bench, "10.1.2.3", "/health", false);
    assert_eq!((health.status, body(&health).as_str()), (200, "OK"));
    assert_eq!(get(&bench, "elsewhere.org", "/", true).status, 403);
    let moved = get(&bench, "social.example.org", "/about", false);
    assert_eq!(moved.status, 301);
    assert!(moved.headers.contains(&("location".to_owned(), "https://social.example.org/about".to_owned())));
    let page = get(&bench, "social.example.org", "/", true);
    assert_eq!(page.status, 200);
    let html = body(&page);
    let assets: Vec<&str> = html.split('"').filter(|part| part.starts_with("/packs/")).collect();
    assert!(assets.len() >= 3, "{html}");
    for asset in assets {
        assert_eq!(get(&bench, "example.org", asset, true).status, 200, "{asset}");
    }
    assert_eq!(get(&bench, "example.org", "/packs/assets/application-0.js", true).status, 404);
    let instance: serde_json::Value =
        serde_json::from_slice(&get(&bench, "example.org", "/api/v2/instance", true).body).unwrap();
    assert_eq!((&instance["domain"], &instance["version"]), (&"example.org".into(), &"4.6.3".into()));
    let streaming = format!("mastodon/{}", name(&bench.pod("mastodon-streaming")));
    let answer = bench.cluster.web_answer(&streaming, 4000, "example.org", "/api/v1/streaming/health", true);
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"OK".as_slice()));
    assert_eq!(bench.cluster.web_answer(&streaming, 3000, "example.org", "/", true).status, 502);
}
