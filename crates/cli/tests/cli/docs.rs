//! What the docs show of the command is what it prints.
//!
//! A `console` block shows commands after `$ ` and below each what it prints. Those that need nothing but
//! this program and the files of this folder are run; where nothing is shown, they have to succeed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a cluster, a registry or a whole build is needed for.
const ELSEWHERE: [&str; 8] = [
    "kubectl",
    "istioctl",
    "docker",
    "kind ",
    "make ",
    "export ",
    ">",
    "-f manifests/",
];

#[test]
fn commands_print_what_the_docs_show() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).unwrap();
    files.extend(docs.map(|entry| entry.unwrap().path()));
    files.sort();
    let mut run = 0;
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|it| it == "md"))
    {
        for Shown { command, output } in shown(&fs::read_to_string(file).unwrap()) {
            if !command.contains("waypoint-l4 ") || ELSEWHERE.iter().any(|it| command.contains(it))
            {
                continue;
            }
            let found = shell(&root, &command);
            let (success, printed) = found;
            let place = file.display();
            if output.is_empty() {
                assert!(success, "{place}: $ {command}\n{printed}");
            } else {
                assert_eq!(printed, output, "{place}: $ {command}");
            }
            run += 1;
        }
    }
    assert!(run >= 5, "only {run} commands");
}

struct Shown {
    command: String,
    output: String,
}

fn shown(page: &str) -> Vec<Shown> {
    let mut all = Vec::<Shown>::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut current = None::<Shown>;
        for line in block.lines() {
            let goes_on = current
                .as_ref()
                .is_some_and(|one| one.output.is_empty() && one.command.ends_with('\\'));
            if let Some(command) = line.strip_prefix("$ ") {
                all.extend(current.take());
                current = Some(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                });
            } else if let Some(one) = &mut current {
                if goes_on {
                    one.command.pop();
                    one.command.push_str(line.trim_start());
                } else {
                    one.output.push_str(line);
                    one.output.push('\n');
                }
            }
        }
        all.extend(current);
    }
    all
}

/// Whether it succeeds, and what it prints.
fn shell(root: &Path, command: &str) -> (bool, String) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_waypoint-l4"));
    let folder = program.parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(root)
        .env("PATH", format!("{folder}:{path}"))
        .env("IMAGE", "oci://registry.example.com/waypoint-l4:0.1.0")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), printed)
}
