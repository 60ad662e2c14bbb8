//! Every command of the admin side's paper does what it says.

use super::{House, ask, commands::folder, read};
use crate::harness::{ai, command};
use crate::tidy::papers::{fenced, paper};
use serde_json::json;

const AUTHORIZATION: &str = "-H \"Authorization: Bearer $BOTGATE_ADMIN_TOKEN\"";
const URL: &str = "http://127.0.0.1:9901";

#[test]
fn every_command_of_the_admin_page_runs() {
    let house = House::new();
    let dir = folder(&house.botgate, &house.text);
    house.message("gone", "hello");
    house.until("dead", 1.0);
    let id = house.only("gone");
    let body = json!({"text": "hello", "user_id": "user-789", "channel_id": "a"});
    ai::said(&house.botgate.caller().call(&ai::post("/api/bots/webhook/custom/memo", "", &body)));
    let blocks = fenced(&paper("docs/admin.md"));
    let lines: Vec<_> = blocks
        .iter()
        .filter(|(language, _)| language == "sh")
        .flat_map(|(_, block)| block.lines())
        .map(|line| line.split(" #").next().unwrap().trim().replace("ID", &id))
        .map(|line| line.replace(" support", " well").replace("/support/", "/well/"))
        .collect();
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        // The receiver is still gone, so what was taken up again dies again.
        house.until("dead", 1.0);
        if let Some(arguments) = line.strip_prefix("botgate ") {
            let arguments: Vec<&str> =
                arguments.split(' ').filter(|word| !word.is_empty()).collect();
            let ran = command::run(dir.path(), &arguments);
            assert_eq!(ran.code, Some(0), "{line}: {}{}", ran.stdout, ran.stderr);
            continue;
        }
        let rest = line.strip_prefix("curl ").and_then(|rest| rest.strip_prefix(AUTHORIZATION));
        let rest = rest.unwrap_or_else(|| panic!("a command that no test knows: {line}"));
        let (method, url) = match rest.trim().strip_prefix("-X ") {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("GET", rest.trim()),
        };
        let target = url.trim_matches('"').strip_prefix(URL).unwrap();
        let target = target.replace("bot=support&user", "bot=memo&user");
        let target = target.replace("/bots/support/", "/bots/memo/");
        let reply = read(&ask(&house.botgate, method, &target, super::TOKEN), 200);
        if method == "DELETE" {
            assert_eq!(
                reply,
                json!({"conversations": 1, "deliveries": 0, "messages": 0, "more": false})
            );
        }
    }
}
