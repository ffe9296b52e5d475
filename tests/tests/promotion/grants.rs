//! The client grant: one for users, widened and never narrowed.

use super::*;

/// What it is called, what is there (kind and scopes), and what there is then: the scopes that users get, how
/// many grants, how many changes.
type Row =
    (&'static str, Option<(&'static str, &'static [&'static str])>, &'static [&'static str], usize, usize);

const BOTH: &[&str] = &["tool:read", "tool:write"];

#[tokio::test]
async fn a_grant_that_is_there_is_widened_and_one_of_the_other_kind_left_alone() {
    let rows: [Row; 7] = [
        ("none", None, BOTH, 1, 0),
        ("all there", Some(("user", BOTH)), BOTH, 1, 0),
        ("one missing", Some(("user", &["tool:read"])), BOTH, 1, 1),
        (
            "more than ours",
            Some(("user", &["tool:admin", "tool:read"])),
            &["tool:admin", "tool:read", "tool:write"],
            1,
            1,
        ),
        ("a machine's", Some(("client", &["tool:admin"])), BOTH, 2, 0),
        ("of the old kind, one missing", Some(("", &["tool:write"])), &["tool:write", "tool:read"], 1, 1),
        ("of the old kind, all there", Some(("", BOTH)), BOTH, 1, 0),
    ];
    for (what, there, scopes, count, changed) in rows {
        for is_repetition in [false, true] {
            let (auth0, promoter) = domain_level().await;
            auth0.add_api(AUDIENCE, &["tool:read", "tool:write", "tool:admin"]);
            let id = auth0.register("Claude", &[CLAUDE]);
            if is_repetition {
                promoter.promote(&id).await.unwrap();
                auth0.remove_grants(&id);
            }
            if let Some((kind, scopes)) = there {
                auth0.add_grant(&id, AUDIENCE, scopes, kind);
            }
            // Another API's is none of ours.
            auth0.add_grant(&id, "https://other.example", &["x"], "user");
            assert_eq!(promoter.promote(&id).await, Ok(()), "{what}");
            let ours: Vec<Value> = auth0.grants().into_iter().filter(|g| g["audience"] == AUDIENCE).collect();
            assert_eq!(ours.len(), count, "{what}: {ours:?}");
            let users: Vec<&Value> = ours.iter().filter(|g| g["subject_type"] != "client").collect();
            assert_eq!(users.len(), 1, "{what}: {ours:?}");
            assert_eq!(users[0]["scope"], json!(scopes), "{what}");
            let patches: Vec<_> =
                auth0.calls().into_iter().filter(|c| c.matches("PATCH", "/api/v2/client-grants/")).collect();
            assert_eq!(patches.len(), changed, "{what}");
            for call in patches {
                assert_eq!(call.body.as_object().unwrap().keys().collect::<Vec<_>>(), ["scope"], "{what}");
            }
            if let Some(machine) = ours.iter().find(|g| g["subject_type"] == "client") {
                assert_eq!(machine["scope"], json!(["tool:admin"]), "{what}");
            }
        }
    }
}
