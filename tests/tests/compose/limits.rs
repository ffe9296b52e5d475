//! The profile `limits`: a limit over machines counts, and while the service is away the gateway's own holds.

use super::asking::Asking;
use super::docker::{Docker, root};
use std::time::{Duration, Instant};

/// As docker-compose.yml says how to start it.
const UP: &str = "# RATE_LIMIT_SERVICE_URL=http://ratelimit:8081 docker compose --profile limits up --wait --force-recreate\n";

pub fn check(docker: &Docker, asking: &Asking) {
    assert!(std::fs::read_to_string(root().join("docker-compose.yml")).unwrap().contains(UP));
    let variables = [("RATE_LIMIT_SERVICE_URL", "http://ratelimit:8081")];
    let up = [
        "--profile",
        "limits",
        "up",
        "--detach",
        "--wait",
        "--force-recreate",
        "--pull",
        "never",
        "--no-build",
    ];
    docker.compose_with(&variables, &up);
    asking.until_served(Duration::from_secs(60));

    let (statuses, last) = in_one_window(asking, "dora", 32);
    assert_eq!(statuses, [vec![200; 30], vec![429; 2]].concat(), "{last}");
    assert!(last.to_ascii_lowercase().contains("ratelimit-policy: 30;w=60"), "{last}");

    // Away by an operator's wish, so that the engine leaves them so: the gateway's own limit of 60 holds.
    for service in ["redis", "ratelimit"] {
        docker.docker(&["stop", "--time", "1", docker.inspect(service)["Id"].as_str().unwrap()]);
    }
    let (statuses, last) = in_one_window(asking, "emil", 62);
    assert_eq!(statuses, [vec![200; 60], vec![429; 2]].concat(), "{last}");
    assert!(last.to_ascii_lowercase().contains("ratelimit-policy: 60;w=60"), "{last}");
}

/// The statuses of so many requests of somebody new whose window of a minute hasn't ended meanwhile.
fn in_one_window(asking: &Asking, user: &str, count: usize) -> (Vec<u16>, String) {
    for turn in 0..5 {
        let start = Instant::now();
        let found = asking.statuses_of(&format!("{user}-{turn}"), count);
        if start.elapsed() < Duration::from_secs(60) {
            return found;
        }
    }
    panic!("{count} requests take over a minute");
}
