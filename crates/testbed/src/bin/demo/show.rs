//! What the reader sees.

use waypoint_l4_testbed::split::Tally;

const WIDTH: usize = 40;

/// A line of the last table.
pub(crate) struct Line {
    pub(crate) act: &'static str,
    pub(crate) asked: &'static str,
    pub(crate) seen: String,
    pub(crate) cut: String,
}

pub(crate) fn title() {
    println!(
        "waypoint-l4: TCP traffic shifting through an Istio waypoint, on Envoy {}",
        version()
    );
    println!(
        "TCPRoute tcp-echo-ew: Service tcp-echo -> tcp-echo-v1 (pod one), tcp-echo-v2 (pod two)"
    );
}

pub(crate) fn act(letter: char, text: &str) {
    println!("\n({letter}) {text}");
}

/// A bar for each pod.
pub(crate) fn bars(tally: &Tally) {
    for name in ["one", "two"] {
        let count = tally.answers(name);
        println!(
            "    {name}  {}  {count:>5}  {:>6.2} %",
            bar(tally, name),
            100.0 * share(tally, name)
        );
    }
}

/// One moment of a time line.
pub(crate) fn moment(seconds: f64, event: &str, alive: usize, held: usize) {
    println!("    {seconds:>5.1} s  {event:<44} held: {alive:>3} of {held} answer");
}

pub(crate) fn summary(lines: &[Line]) {
    println!(
        "\n    {:<42} {:>7}  {:>15}  {:>10}",
        "", "asked", "new connections", "held, cut"
    );
    for line in lines {
        println!(
            "    {:<42} {:>7}  {:>15}  {:>10}",
            line.act, line.asked, line.seen, line.cut
        );
    }
}

/// `90.30/9.70`: of pod one and pod two.
pub(crate) fn percent(tally: &Tally) -> String {
    format!(
        "{:.2}/{:.2}",
        100.0 * share(tally, "one"),
        100.0 * share(tally, "two")
    )
}

fn bar(tally: &Tally, name: &str) -> String {
    let full = (share(tally, name) * WIDTH as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full))
}

fn share(tally: &Tally, name: &str) -> f64 {
    tally.answers(name) as f64 / tally.total().max(1) as f64
}

fn version() -> &'static str {
    include_str!("../../../../../envoy/VERSION").trim()
}
