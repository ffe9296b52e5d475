//! One row per way in which a member has another form: the error's words, as they have been from the first
//! version on.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Sets `pointer` in the good policy, and expects exactly these errors.
fn told(pointer: &str, value: Value, expect: &[&str]) {
    let mut policy = good();
    set(&mut policy, pointer, value.clone());
    let errors = load(Some(policy.to_string().as_bytes()), None).expect_err(pointer);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expect, "{pointer} = {value}");
}

#[test]
fn a_member_of_another_form_says_what_it_is_and_what_was_expected() {
    for (pointer, value, expect) in [
        ("/version", json!("1"), "version: invalid type: string \"1\", expected u64"),
        ("/version", json!(-1), "version: invalid value: integer `-1`, expected u64"),
        ("/version", json!(1.5), "version: invalid type: floating point number, expected u64"),
        ("/version", json!(1e20), "version: invalid type: floating point number, expected u64"),
        ("/realm", json!(true), "realm: invalid type: boolean `true`, expected a string"),
        ("/realm", json!([]), "realm: invalid type: sequence, expected a string"),
        ("/realm", json!({}), "realm: invalid type: map, expected a string"),
        ("/hold_headers", json!("a\"b"), r#"hold_headers: invalid type: string "a\"b", expected a boolean"#),
        ("/public_hosts", json!("a"), "public_hosts: invalid type: string \"a\", expected a sequence"),
        ("/upstreams", json!([]), "upstreams: invalid type: sequence, expected a map"),
        ("/upstreams/x", json!(1), "upstreams.x: invalid type: integer `1`, expected a string"),
        ("/cors", json!([]), "cors: invalid type: sequence, expected an object"),
        ("/routes/0", json!("all"), "routes[0]: invalid type: string \"all\", expected an object"),
        ("/mode", json!("Enforce"), "mode: unknown variant `Enforce`, expected `enforce` or `shadow`"),
        (
            "/verifier",
            json!("x"),
            "verifier: unknown variant `x`, expected one of `auto`, `native`, `portable`",
        ),
        ("/mode", json!(1), "mode: invalid type: integer `1`, expected string or map"),
        ("/mode", json!({}), "mode: invalid value: map, expected map with a single key"),
        ("/mode", json!({ "shadow": 1 }), "mode: invalid type: integer `1`, expected unit"),
        (
            "/audit",
            json!({ "x": 1 }),
            "audit.x: unknown field `x`, expected one of `subject`, `address`, `to`, `required`, `log`, `key_file`, `checkpoint`, `keep`, `witness`",
        ),
        (
            "/sidecar",
            json!({ "x": 1 }),
            "sidecar.x: unknown field `x`, expected one of `cluster`, `port`, `data_dir`",
        ),
        (
            "/identity/x",
            json!(1),
            "identity.x: unknown field `x`, expected one of `user_header`, `tenant_header`, `agent_header`, `client_header`, `groups_header`, `user_query`",
        ),
        (
            "/timeout",
            json!(-5),
            "timeout: invalid type: integer `-5`, expected a duration such as \"500ms\", \"60s\", \"5m\" or \"24h\"",
        ),
        ("/realm", json!(null), "realm: has no value: give it one, or leave it out"),
    ] {
        told(pointer, value, &[expect]);
    }
}

#[test]
fn each_wrong_element_of_a_list_is_told_once_and_what_is_right_around_it_is_read() {
    told(
        "/public_hosts",
        json!(["a", 1, "b c", null]),
        &[
            "public_hosts[1]: invalid type: integer `1`, expected a string",
            "public_hosts[3]: invalid type: null, expected a string",
        ],
    );
    told(
        "/routes",
        json!([1, { "path": "nowhere" }]),
        &[
            "routes[0]: invalid type: integer `1`, expected an object",
            "routes[1].path: expected a path pattern that begins with /, such as /v1/tools/*",
        ],
    );
}

#[test]
fn a_policy_has_at_most_a_hundred_errors_of_form() {
    let mut policy = good();
    for n in 0..150 {
        set(&mut policy, &format!("/unknown_{n}"), json!(1));
    }
    assert_eq!(loaded(&policy).unwrap_err().len(), 100);
}
