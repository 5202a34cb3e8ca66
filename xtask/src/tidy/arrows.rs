//! Which crate may know which: the arrows of `house.rs` against manifests and sources.

use anyhow::{Context, Result};
use serde_json::Value;

use super::finding::Finding;
use super::house::{PURE_TOKIO_FEATURES, Room, room, room_of};
use super::rust::RustFile;
use crate::command::{ask, words};

const RULE: &str = "arrows";

pub(crate) fn check(rust: &[RustFile]) -> Result<Vec<Finding>> {
    let metadata = ask(&mut words("cargo metadata --no-deps --format-version 1"))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let root = metadata["workspace_root"]
        .as_str()
        .context("metadata without a root")?;
    let mut findings = Vec::new();
    for package in metadata["packages"]
        .as_array()
        .context("metadata without packages")?
    {
        findings.extend(check_package(package, root));
    }
    for file in rust {
        findings.extend(check_mentions(file));
    }
    Ok(findings)
}

/// Checks one package of `cargo metadata`.
fn check_package(package: &Value, root: &str) -> Vec<Finding> {
    let name = package["name"].as_str().unwrap_or_default();
    let manifest = package["manifest_path"].as_str().unwrap_or_default();
    let path = manifest
        .strip_prefix(root)
        .unwrap_or(manifest)
        .trim_start_matches('/');
    let fail = |text| Finding::fail(path, 1, RULE, text);

    let Some(own) = room(name) else {
        return vec![fail(format!(
            "`{name}` has no row in xtask/src/tidy/house.rs; decide its arrows there"
        ))];
    };
    let mut findings = Vec::new();
    let tests = targets(package, "test");
    if tests > 1 {
        let text = format!("{tests} test binaries link {tests} times; make one, tests/it/main.rs");
        findings.push(Finding::warn(path, 1, "one-test-binary", text));
    }
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        if dependency["kind"].as_str() != Some("dev") {
            findings.extend(check_dependency(own, dependency).map(fail));
        }
    }
    findings
}

fn targets(package: &Value, kind: &str) -> usize {
    let is_kind = |target: &&Value| target["kind"][0].as_str() == Some(kind);
    package["targets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(is_kind)
        .count()
}

/// Says what is wrong with a dependency that ships, or nothing.
fn check_dependency(own: &Room, dependency: &Value) -> Option<String> {
    let name = dependency["name"].as_str().unwrap_or_default();
    let may = |allowed: &[&str]| match allowed {
        [] => "no crate".to_owned(),
        allowed => allowed.join(", "),
    };
    if dependency["path"].is_string() {
        let is_allowed = own.ours.contains(&name);
        return (!is_allowed).then(|| {
            format!(
                "`{}` may not know `{name}`; of ours it may know {}",
                own.name,
                may(own.ours)
            )
        });
    }
    let allowed = own.foreign?;
    if !allowed.contains(&name) {
        return Some(format!(
            "`{}` is pure: it may use {}, not `{name}`",
            own.name,
            may(allowed)
        ));
    }
    let features = dependency["features"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut extra = features.filter(|feature| !PURE_TOKIO_FEATURES.contains(feature));
    match extra.next() {
        Some(feature) if name == "tokio" => Some(format!(
            "`{}` is pure: of tokio it may use {}, not `{feature}`; name tokio without `workspace`",
            own.name,
            may(PURE_TOKIO_FEATURES),
        )),
        _ => None,
    }
}

/// Finds what the code of a crate may not mention, written out or imported.
fn check_mentions(file: &RustFile) -> Vec<Finding> {
    let is_source = file.path.contains("/src/");
    let Some(own) = room_of(&file.path).filter(|_| is_source) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for mention in file
        .mentions()
        .filter(|mention| !file.is_test_line(mention.line))
    {
        let unmentionable = own
            .unmentionable
            .iter()
            .find(|item| is_breach(mention, item));
        if let Some(item) = unmentionable {
            let text = format!(
                "`{}` may not know `{item}`; take what it gives as an argument",
                own.name
            );
            findings.push(Finding::fail(&file.path, mention.line, RULE, text));
        }
    }
    findings.dedup();
    findings
}

/// A bare word like `http` may be a local name; only a path begins with a crate.
fn is_breach(mention: &super::rust::Mention, item: &str) -> bool {
    mention.is_within(item) && mention.path.contains("::")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, dependency: Value) -> Value {
        json!({
            "name": name,
            "manifest_path": format!("/x/crates/{name}/Cargo.toml"),
            "targets": [],
            "dependencies": [dependency],
        })
    }

    fn breaches(name: &str, dependency: Value) -> usize {
        check_package(&package(name, dependency), "/x").len()
    }

    #[test]
    fn an_arrow_that_points_back_is_caught() {
        let hub = json!({"name": "fanfare-hub", "path": "/x/crates/fanfare-hub", "kind": null});
        assert_eq!(breaches("fanfare-client", hub.clone()), 1);
        assert_eq!(breaches("fanfare-http", hub), 0);
    }

    #[test]
    fn a_pure_crate_gets_no_foreign_crate_but_its_few() {
        assert_eq!(breaches("fanfare-hub", json!({"name": "hyper"})), 1);
        assert_eq!(breaches("fanfare-hub", json!({"name": "bytes"})), 0);
        assert_eq!(breaches("fanfare-http", json!({"name": "hyper"})), 0);
        assert_eq!(
            breaches(
                "fanfare-hub",
                json!({"name": "tokio", "features": ["sync"]})
            ),
            0
        );
        assert_eq!(
            breaches(
                "fanfare-hub",
                json!({"name": "tokio", "features": ["sync", "net"]})
            ),
            1
        );
    }

    #[test]
    fn what_only_tests_use_is_free() {
        let kit =
            json!({"name": "fanfare-testkit", "path": "/x/crates/fanfare-testkit", "kind": "dev"});
        assert_eq!(breaches("fanfare-http", kit), 0);
        let kit =
            json!({"name": "fanfare-testkit", "path": "/x/crates/fanfare-testkit", "kind": null});
        assert_eq!(breaches("fanfare-http", kit), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_caught() {
        assert_eq!(breaches("fanfare-extra", json!({"name": "bytes"})), 1);
    }

    #[test]
    fn a_second_test_binary_is_told() {
        let mut package = package("fanfare-hub", json!({"name": "bytes"}));
        package["targets"] = json!([{"kind": ["test"]}, {"kind": ["lib"]}]);
        assert!(check_package(&package, "/x").is_empty());
        package["targets"] = json!([{"kind": ["test"]}, {"kind": ["test"]}]);
        assert_eq!(check_package(&package, "/x")[0].rule, "one-test-binary");
    }

    #[test]
    fn a_pure_crate_that_reads_the_clock_is_caught() {
        let lines = |path: &str, source: &str| -> Vec<usize> {
            let file = RustFile::parse(path, source).unwrap();
            check_mentions(&file)
                .iter()
                .map(|finding| finding.line)
                .collect()
        };
        let source = "use std::time::{Duration, Instant};\nfn a() { tokio::spawn(b()); }\n\
                      fn http() -> u8 { http }\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert_eq!(lines("crates/fanfare-hub/src/a.rs", source), [1, 2]);
        assert_eq!(lines("crates/fanfare-cli/src/a.rs", source), [0; 0]);
        assert_eq!(lines("crates/fanfare-hub/tests/it/a.rs", source), [0; 0]);
    }
}
