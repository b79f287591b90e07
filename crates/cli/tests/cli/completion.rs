//! `waypoint-l4 completion`, as a shell makes use of it.

use std::process::Command;

use crate::run;

#[test]
fn bash_completes_commands_options_and_values() {
    let script = run(&["completion", "bash"]);
    assert_eq!((script.code, script.stderr.as_str()), (0, ""));
    for (typed, expected) in [
        ("waypoint-l4 comp", "compile completion"),
        ("waypoint-l4 compile --fail", "--fail-strategy"),
        ("waypoint-l4 compile --output wasm", "wasmplugin"),
    ] {
        // What bash does when the tab key is pressed after these words.
        let ask = format!(
            "{}\nset -- {typed}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
            function=$(complete -p waypoint-l4 | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            $function waypoint-l4 \"${{!#}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
            echo \"${{COMPREPLY[*]}}\"",
            script.stdout
        );
        let bash = Command::new("bash").args(["-c", &ask]).output().unwrap();
        let stderr = String::from_utf8_lossy(&bash.stderr);
        let answer = String::from_utf8_lossy(&bash.stdout);
        assert_eq!((answer.trim(), &*stderr), (expected, ""), "{typed}");
    }
}

#[test]
fn other_shells_have_scripts_too() {
    for shell in ["zsh", "fish"] {
        let script = run(&["completion", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{shell}");
        assert!(script.stdout.contains("fail-strategy"), "{shell}");
    }
}
