//! The cluster's own page with the real program: what its buttons do.

use super::desk::Desk;
use super::encrypted;
use super::spawn::eventually;
use super::visitor::{Visitor, ask};

const FROM: &str = "1.8.4-tectonic.1";
const TO: &str = "1.8.9-tectonic.4";

#[test]
fn a_page_is_served_to_this_machine_alone_and_a_link_needs_one() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "true", &[]);
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        let told = desk.refused(&["cluster", "run", "c", "--listen", listen]);
        assert!(told.contains(&format!("other machines can reach `{listen}`")), "{told}");
        for way in ["--tls-cert FILE", "--tls-key FILE", "ssh -L 8080:127.0.0.1:8080 HOST"] {
            assert!(told.contains(way), "{told}");
        }
    }
    for (arguments, why) in [
        (&["--listen", "localhost:80"][..], "write `IP:PORT`"),
        (&["--listen", "127.0.0.1:0", "--tls-cert", "a"], "--tls-key <FILE>"),
        (&["--listen", "127.0.0.1:0", "--tls-key", "a"], "--tls-cert <FILE>"),
        (&["--tls-cert", "a", "--tls-key", "a"], "--listen <ADDR>"),
    ] {
        let arguments = [&["cluster", "run", "c"], arguments].concat();
        let output = super::spawn::tidegate(desk.folder.path()).args(arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && told.contains(why), "{told}");
    }
    let socket = ["cluster", "run", "c", "--listen", "unix:s", "--tls-cert", "a", "--tls-key", "a"];
    assert!(desk.refused(&socket).contains("a Unix socket has no TLS"));
    let told = desk.refused(&["cluster", "open", "c"]);
    assert!(told.contains("no agent serves a page") && told.contains("--listen"), "{told}");
    let agent = desk.agent();
    desk.until_state("UpdateAvailable");
    assert!(desk.refused(&["cluster", "open", "c"]).contains("no agent serves a page"));
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn an_operator_updates_a_cluster_with_its_page() {
    let desk = Desk::new();
    let slow = "echo 'progress: 40 node <3> of 5'; until test -e go; do sleep 0.05; done; printf %s \"$TIDEGATE_VERSION\" > version";
    desk.add("1.8-production", FROM, slow, &[]);
    let (agent, line) = desk.serving("127.0.0.1:0");
    let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
    let told = desk.json(&["cluster", "open", "c"]);
    let url = told["url"].as_str().unwrap().to_owned();
    let (base, token) = url.split_once("/?token=").unwrap();
    assert_eq!(base, format!("http://{address}"));
    let entrance = ask(&address, "GET", &format!("/?token={token}"), &[], "").body;
    assert!(entrance.contains(&format!("name=\"token\" value=\"{token}\"")), "{entrance}");
    let visitor = Visitor::enter(&address, token);

    // The agent has checked by itself, since it never did before.
    visitor.until("Update available");
    let checked = desk.status()["lastChecked"].clone();
    assert!(visitor.press("check", &[]).contains("The agent checks now"));
    assert!(checked.is_string());
    assert!(visitor.press("approve", &[("version", "1.8.7-tectonic.1")]).contains("Refused"));
    assert!(visitor.page().contains(&format!("name=\"version\" value=\"{TO}\"")));
    let gate = visitor.press("ask", &[("channel", "1.9-production")]);
    assert!(gate.contains("can only be entered from"), "{gate}");
    visitor.press("approve", &[("version", TO)]);
    visitor.until("40%: node &lt;3&gt; of 5");
    assert!(visitor.page().contains("Updating"));
    assert_eq!(desk.status()["taskStatuses"][2]["reason"], "40%: node <3> of 5");

    visitor.press("pause", &[("reason", "the canary is ill")]);
    visitor.until("Resume updates");
    desk.until_state("Paused");
    assert_eq!(desk.status()["pauseReason"], "the canary is ill");
    assert!(visitor.page().contains("the canary is ill"));
    desk.write("go", "");
    visitor.press("resume", &[]);
    visitor.until("Up to date");
    assert_eq!(desk.read("version"), TO);
    let history = visitor.page();
    assert!(!history.contains("role=\"status\""), "what was ordered is done: {history}");
    visitor.until("<p class=\"soft small\">The server may know of one: <code>curl ");
    assert!(history.contains("Updated") && history.contains(FROM), "{history}");
    for order in ["Updates paused on this page: the canary is ill", "Updates resumed on this page"] {
        assert!(history.contains(order), "{order}: {history}");
    }
    assert!(history.contains(&format!("Approved <span class=\"v\">{TO}</span> on this page")), "{history}");
    desk.run(&["cluster", "pause", "c"]);
    desk.run(&["cluster", "resume", "c"]);
    let history = visitor.page();
    let resumed = history.split("Updates resumed ").nth(1).and_then(|rest| rest.split('<').next());
    assert!(resumed.is_some_and(|by| by.ends_with("with a command")), "{history}");

    let asked = visitor.press("ask", &[("channel", "1.9-production")]);
    assert!(asked.contains("Follow 1.9-production"), "{asked}");
    assert_eq!(desk.json(&["cluster", "status", "c"])["spec"]["channel"], "1.8-production", "only asked");
    assert!(visitor.press("ask", &[("channel", "1.9-nothing")]).contains("Refused"));
    visitor.press("follow", &[("channel", "1.9-production")]);
    assert_eq!(desk.json(&["cluster", "status", "c"])["spec"]["channel"], "1.9-production");
    let to = "to <span class=\"v\">1.9-production</span> on this page";
    assert!(
        visitor
            .page()
            .contains(&format!("Channel changed from <span class=\"v\">1.8-production</span> {to}"))
    );
    // Whoever switches to automatic need not start anything.
    visitor.press("approval", &[("approval", "automatic")]);
    eventually("an update", || {
        let version = desk.read("version");
        if version.starts_with("1.9.") { Ok(()) } else { Err((version, desk.read("agent.log"))) }
    });
    visitor.until("Up to date");
    assert_eq!(desk.json(&["cluster", "status", "c"])["spec"]["approval"], "automatic");

    assert_eq!(agent.stop(), Some(0));
    let log = desk.read("agent.log");
    assert!(log.contains("/SESSION/approve"), "{log}");
    for secret in [token, &visitor.path, visitor.path.trim_matches('/'), &visitor.cookie, &visitor.csrf] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(desk.refused(&["cluster", "open", "c"]).contains("no agent serves a page"));
}

#[test]
fn a_cluster_that_is_blocked_is_led_out_by_a_button() {
    let desk = Desk::new();
    desk.add("1.6-production", "1.7.9-tectonic.3", "true", &[]);
    desk.run(&["cluster", "follow", "c", "1.8-production"]);
    assert_eq!(desk.status()["advice"]["follow"], "1.7-production");
    let (agent, line) = desk.serving("127.0.0.1:0");
    let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
    let url = desk.run(&["cluster", "open", "c"]);
    let visitor = Visitor::enter(&address, url.trim().split_once("/?token=").unwrap().1);
    let page = visitor.page();
    let blocked = "1.7.9-tectonic.3</span>. Line <code>1.8</code> can only be entered from";
    assert!(page.contains(blocked) && page.contains("<button>Follow 1.7-production</button>"), "{page}");
    let asked = visitor.press("ask", &[("channel", "1.9-production")]);
    let answer = asked.split("role=\"status\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(
        answer.contains("Not yet") && answer.contains("<button>Follow 1.7-production</button>"),
        "{answer}"
    );
    assert!(!answer.contains("blocked:"), "{answer}");
    let followed = visitor.press("follow", &[("channel", "1.7-production")]);
    assert!(followed.contains("The cluster follows <code>1.7-production</code>"), "{followed}");
    visitor.until("Start update");
    assert!(!visitor.page().contains("Follow 1.7-production"));

    // As an earlier version has left it.
    let file = ".tidegate/clusters/c/page.json";
    desk.write(file, r#"{"listen":"127.0.0.1:8080","key":"00"}"#);
    let told = desk.refused(&["cluster", "open", "c"]);
    assert!(told.contains("restart the agent") && told.matches("unknown field").count() == 1, "{told}");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_release_that_failed_is_retried_by_a_button() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "echo etcd is not healthy >&2; exit 3", &[]);
    let (agent, line) = desk.serving("127.0.0.1:0");
    let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
    let url = desk.run(&["cluster", "open", "c"]);
    let visitor = Visitor::enter(&address, url.trim().split_once("/?token=").unwrap().1);
    visitor.until("Update available");
    visitor.press("approve", &[("version", TO)]);
    visitor.until("<button>Retry</button>");
    let page = visitor.page();
    assert!(page.contains("etcd is not healthy") && page.contains("ApplyFailed"), "{page}");
    desk.write("apply.sh", "printf %s \"$TIDEGATE_VERSION\" > version");
    visitor.press("retry", &[]);
    visitor.until("Up to date");
    assert!(visitor.page().contains("to update to"), "the history keeps the failure");
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn other_machines_reach_the_page_over_tls() {
    let desk = Desk::new();
    desk.add("1.8-production", FROM, "printf %s \"$TIDEGATE_VERSION\" > version", &[]);
    let made = encrypted::folder();
    let file = |name: &str| made.join(name).into_os_string().into_string().unwrap();
    let (agent, line) =
        desk.serving_with("0.0.0.0:0", &["--tls-cert", &file("page.pem"), "--tls-key", &file("page.key")]);
    let port = line.trim().strip_prefix("listening on https://127.0.0.1:").unwrap();
    let url = desk.json(&["cluster", "open", "c"])["url"].as_str().unwrap().to_owned();
    let (base, token) = url.split_once("/?token=").unwrap();
    let (name, own) = base.strip_prefix("https://").unwrap().rsplit_once(':').unwrap();
    assert!(own == port && !name.is_empty() && name != "0.0.0.0", "{url}");
    let visitor = Visitor::enter(&format!("https://127.0.0.1:{port}"), token);
    visitor.until("Update available");
    assert!(visitor.press("pause", &[]).contains("Resume updates"));
    assert_eq!(agent.stop(), Some(0));

    // Updates go on without a page that cannot be served.
    desk.run(&["cluster", "resume", "c"]);
    let bad = ["--listen", "0.0.0.0:0", "--tls-cert", &file("page.pem"), "--tls-key", &file("other.key")];
    let agent = desk.agent_with(&bad);
    desk.until_file("agent.log", "updates go on without the page: the private key");
    assert!(desk.read("agent.log").contains("give the key that the certificate was made for"));
    assert!(desk.refused(&["cluster", "open", "c"]).contains("no agent serves a page"));
    desk.run(&["cluster", "approve", "c", TO]);
    desk.until_file("version", TO);
    assert_eq!(agent.stop(), Some(0));
}
