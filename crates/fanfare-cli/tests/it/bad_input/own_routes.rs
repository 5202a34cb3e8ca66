//! The hub's own routes with methods and queries that they do not have.

use super::report::Trial;
use super::{Case, check, request};

#[test]
fn own_routes_take_what_they_know_and_refuse_the_rest() {
    let mut trial = Trial::at("own routes");
    let mut cases = Vec::new();
    for route in [
        "/-/health/live",
        "/-/health/ready",
        "/-/metrics",
        "/-/info",
        "/-/topics",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
            let sent = request(method, route, "", b"x");
            cases.push(Case::new(
                format!("{method} {route}"),
                sent,
                "405 method_not_allowed",
            ));
        }
        let odd = format!("{route}?%ff=%00&&==&a=b&topic=/");
        cases.push(Case::get(&format!("GET {odd}"), &odd, "200"));
        cases.push(Case::get(
            &format!("GET {route}/"),
            &format!("{route}/"),
            "404 not_found",
        ));
    }
    for (query, answer) in [
        ("limit=1", "200"),
        ("limit=0", "400 bad_query"),
        ("limit=1001", "400 bad_query"),
        ("limit=-1", "400 bad_query"),
        ("limit=99999999999999999999", "400 bad_query"),
        ("limit=", "400 bad_query"),
        ("after=", "400 bad_topic"),
        ("after=%ff", "400 bad_topic"),
        ("after=a//b", "400 bad_topic"),
        ("after=%00", "400 bad_topic"),
    ] {
        let target = format!("/-/topics?{query}");
        cases.push(Case::get(&format!("GET {target}"), &target, answer));
    }
    for target in [
        "/-/nothing",
        "/-/playground/../info",
        "/-/playground/..%2f..%2fetc/passwd",
        "/-/playground/%2e%2e/%2e%2e",
        "/-/playground//",
        "/-/%69nfo",
    ] {
        cases.push(Case::get(&format!("GET {target}"), target, "404 not_found"));
    }
    check(&mut trial, &cases);
    trial.end(16 << 10, &[]);
}
