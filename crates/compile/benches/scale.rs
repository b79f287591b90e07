//! How the time of a compilation grows with the cluster: 500, 1,000, 2,000 routes over half as many
//! Services. Each doubling should take about twice as long.
//!
//! ```console
//! $ cargo bench -p waypoint-l4-compile --bench scale
//! $ cargo bench -p waypoint-l4-compile --bench scale -- 1000 10000    # other sizes
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a program for developers, with small numbers"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use waypoint_l4_compile::{
    ClusterDomain, Objects, Options, Output, Plan, Source, UnknownKinds, compile,
};

fn main() {
    let arguments = std::env::args().skip(1);
    let mut sizes: Vec<usize> = arguments
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if sizes.is_empty() {
        sizes = vec![500, 1_000, 2_000];
    }
    for shape in SHAPES {
        println!("{}\n", shape.name);
        println!("   routes     read            plan            wasmplugin      status");
        let mut before = None;
        for routes in &sizes {
            let sources = sources(*routes, shape);
            let times = measure(&sources);
            let mut line = format!("   {routes:>6}");
            for (index, time) in times.iter().enumerate() {
                let milliseconds = time.as_secs_f64() * 1e3;
                let ratio = before
                    .as_ref()
                    .and_then(|before: &Vec<Duration>| before.get(index));
                let ratio = ratio.map_or_else(String::new, |before| {
                    format!("x{:.1}", time.as_secs_f64() / before.as_secs_f64())
                });
                write!(line, " {milliseconds:>9.1} {ratio:<5}").unwrap();
            }
            println!("{line}");
            before = Some(times);
        }
        println!();
    }
    println!("Milliseconds, the best of {RUNS} runs, and how many times the size before.");
}

const RUNS: usize = 5;

/// What the routes of a cluster look like.
struct Shape {
    name: &'static str,
    /// Of so many routes.
    services: fn(usize) -> usize,
    /// In each namespace, which has a waypoint of its own.
    services_together: usize,
    /// The route of a number for the Service of a number, in that one's namespace.
    route: fn(usize, usize, &str) -> String,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "TCPRoutes, two for each Service, one of which has conditions",
        services: |routes| routes.div_ceil(2),
        services_together: 250,
        route: |route, service, namespace| tcp_route(route, service, namespace, route != service),
    },
    Shape {
        name: "The same, with a waypoint for each Service",
        services: |routes| routes.div_ceil(2),
        services_together: 1,
        route: |route, service, namespace| tcp_route(route, service, namespace, route != service),
    },
    Shape {
        name: "VirtualServices, two for each Service",
        services: |routes| routes.div_ceil(2),
        services_together: 250,
        route: virtual_service,
    },
    Shape {
        name: "TCPRoutes, all of one Service, each with another condition",
        services: |_| 1,
        services_together: 1,
        route: |route, service, namespace| tcp_route(route, service, namespace, true),
    },
];

fn tcp_route(route: usize, service: usize, namespace: &str, has_condition: bool) -> String {
    let annotations = match has_condition {
        true => format!("waypoint-l4.io/source-namespaces: client{route}"),
        false => String::new(),
    };
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {{name: r{route}, namespace: {namespace}, annotations: {{{annotations}}}}}
spec:
  parentRefs: [{{group: '', kind: Service, name: s{service}, port: 9000}}]
  rules:
  - backendRefs:
    - {{name: s{service}, port: 9000, weight: 90}}
    - {{name: s0, namespace: n0, port: 9000, weight: 10}}
"
    )
}

fn virtual_service(route: usize, service: usize, namespace: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: r{route}, namespace: {namespace}}}
spec:
  hosts: [s{service}]
  tcp:
  - match: [{{sourceNamespace: client{route}}}]
    route:
    - {{destination: {{host: s{service}, port: {{number: 9000}}}}, weight: 90}}
    - {{destination: {{host: s0.n0.svc.cluster.local, port: {{number: 9000}}}}, weight: 10}}
"
    )
}

fn sources(routes: usize, shape: &Shape) -> [Source; 1] {
    let services = (shape.services)(routes);
    let namespace = |service: usize| format!("n{}", service / shape.services_together);
    let mut yaml = String::new();
    for service in 0..services {
        let namespace = namespace(service);
        if service % shape.services_together == 0 {
            yaml += &format!(
                "---
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{istio.io/use-waypoint: waypoint}}}}
"
            );
        }
        yaml += &format!(
            "---
apiVersion: v1
kind: Service
metadata: {{name: s{service}, namespace: {namespace}}}
spec: {{ports: [{{name: tcp, port: 9000}}]}}
"
        );
    }
    for route in 0..routes {
        let service = route % services;
        yaml += &(shape.route)(route, service, &namespace(service));
    }
    [Source {
        name: String::from("cluster.yaml"),
        content: Ok(yaml.into_bytes()),
    }]
}

/// The best times to read, to plan and to compile to two outputs.
fn measure(sources: &[Source]) -> Vec<Duration> {
    let objects = Objects::read(sources, UnknownKinds::Refuse).unwrap();
    let compiled = |output| {
        let options = Options {
            output,
            ..Options::default()
        };
        best(|| compile(sources, &options).unwrap())
    };
    vec![
        best(|| Objects::read(sources, UnknownKinds::Refuse).unwrap()),
        best(|| Plan::new(&objects, &ClusterDomain::default())),
        compiled(Output::WasmPlugin),
        compiled(Output::Status),
    ]
}

fn best<T>(run: impl Fn() -> T) -> Duration {
    let times = (0..RUNS).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    });
    times.min().unwrap_or_default()
}
