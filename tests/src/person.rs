//! The person at the browser.

use crate::client;

/// Ticks what was asked for on the demo issuer's consent page, and allows. Answers where the browser is sent
/// to then.
pub async fn consent(authorization_url: &str, user: &str) -> String {
    let (address, path) = authorization_url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let page = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let page = client::raw(address, page.as_bytes()).await.body;
    let (_, request) = page.split_once("name=\"request\" value=\"").unwrap_or_else(|| panic!("{page}"));
    let (request, _) = request.split_once('"').unwrap();
    let ticked: String = page
        .split("name=\"scope:")
        .filter_map(|part| part.split_once("\" value=\"on\" checked"))
        .map(|(scope, _)| format!("&scope:{scope}=on"))
        .collect();
    let form = format!("request={request}&scopes=chosen&sub={user}&decision=allow{ticked}");
    let decision = format!(
        "POST /authorize/decision HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = client::raw(address, decision.as_bytes()).await;
    answer.header("location").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
