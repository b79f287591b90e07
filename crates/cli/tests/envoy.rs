//! `waypoint-l4 verify` on an Envoy that runs: its admin interface prints the config dump.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml exempts test functions, not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Result;
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::waypoint::Waypoint;

const CHAIN: &str = "inbound-vip|9000|tcp|tcp-echo.istio-io-tcp-traffic-shifting.svc.cluster.local";

#[tokio::test]
async fn what_compile_prints_is_what_verify_finds() -> Result<()> {
    let wasm = root().join("target/waypoint-l4.wasm");
    assert!(
        wasm.is_file(),
        "{} is missing: run `make build`",
        wasm.display()
    );
    let config = waypoint_l4(&["compile", "-f", &manifests(), "--output", "config"]);
    let routing = Routing::Plugin {
        wasm,
        config: stdout(&config),
    };
    let play = async |waypoint: &Waypoint| {
        let dump = config_dump(waypoint, "plugin").await?;
        let well = verify(&manifests(), &dump);
        assert_eq!(
            stdout(&well),
            "waypoint istio-io-tcp-traffic-shifting/waypoint: all is well, filter chains: 1\n"
        );
        assert_eq!(
            (well.status.code(), well.stderr.as_slice()),
            (Some(0), &b""[..])
        );

        // The next step of a rollout, which nobody has applied.
        let found = verify(&edited("weight: 90", "weight: 50"), &dump);
        let expected = format!(
            "finding: {CHAIN}: ConfigDiffers: plugin istio-io-tcp-traffic-shifting.waypoint-l4 has \
             another configuration than the manifests give: rules[0].backends[0].weight: 50 in the \
             manifests, 90 in the dump; "
        );
        let text = stdout(&found);
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!((found.status.code(), text.lines().count()), (Some(1), 1));
        Ok(())
    };
    Waypoint::builder().routing(routing).run(play).await
}

#[tokio::test]
async fn native_weights_are_found() -> Result<()> {
    let weights = [
        ("tcp-echo-v1".to_owned(), 90),
        ("tcp-echo-v2".to_owned(), 10),
    ];
    let routing = Routing::Native {
        weights: weights.to_vec(),
    };
    let play = async |waypoint: &Waypoint| {
        let found = verify(&manifests(), &config_dump(waypoint, "native").await?);
        let text = stdout(&found);
        let codes = text.lines().map(|line| line.split(": ").nth(2).unwrap());
        assert_eq!(
            codes.collect::<Vec<_>>(),
            ["PluginMissing", "Inert"],
            "{text}"
        );
        assert_eq!(found.status.code(), Some(1));
        Ok(())
    };
    Waypoint::builder().routing(routing).run(play).await
}

async fn config_dump(waypoint: &Waypoint, name: &str) -> Result<String> {
    let dump = waypoint.admin().get("/config_dump?include_eds").await?;
    // Else these tests would show nothing that those on istiod's dumps do not.
    assert!(dump.contains("\"dynamic_active_clusters\""));
    let file = format!("{}/{name}.json", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, dump)?;
    Ok(file)
}

fn verify(manifests: &str, dump: &str) -> Output {
    waypoint_l4(&["verify", "-f", manifests, "--config-dump", dump])
}

fn waypoint_l4(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypoint-l4"));
    command.args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn manifests() -> String {
    let path = root().join("testdata/manifests/tcp-traffic-shifting");
    path.to_str().unwrap().to_owned()
}

/// The same manifests with another route.
fn edited(from: &str, to: &str) -> String {
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edited");
    fs::create_dir_all(&copy).unwrap();
    for entry in fs::read_dir(manifests()).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        fs::write(copy.join(entry.file_name()), text.replace(from, to)).unwrap();
    }
    copy.to_str().unwrap().to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
