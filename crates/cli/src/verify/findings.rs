//! What verify has to say, for people and for programs.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Serialize, Serializer};
use waypoint_l4_compile::{ObjectId, ObjectName};

use super::istiod::Readers;

/// All there is to say of one waypoint.
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(serialize_with = "as_text")]
    pub(crate) waypoint: ObjectName,
    /// The filter chains that were looked at.
    pub(crate) chains: Vec<String>,
    /// Empty if all is well.
    pub(crate) findings: Vec<Finding>,
    /// What is not wrong, or could not be judged.
    pub(crate) notes: Vec<String>,
}

/// One reason why connections do not go, or soon will not go, where the manifests say.
pub(crate) struct Finding {
    /// None if it is a matter of the whole waypoint.
    pub(crate) chain: Option<String>,
    /// Those to look at.
    pub(crate) objects: Vec<ObjectId>,
    pub(crate) matter: Matter,
}

/// What is the matter. Plugins are shown as istiod names them: `demo.waypoint-l4`.
pub(crate) enum Matter {
    NoPlugin,
    /// Although other chains have it.
    NoPluginHere,
    /// Something else stands where the filter should be.
    Replaced {
        plugin: String,
    },
    /// ECDS has not brought it.
    Absent {
        plugin: String,
    },
    BehindTcpProxy {
        plugin: String,
    },
    /// The filter does not take the configuration.
    Refused {
        plugin: String,
        cause: String,
    },
    /// `--annotate` was given on one side only.
    Annotate {
        plugin: String,
        annotates: bool,
    },
    Differs {
        plugin: String,
        difference: String,
    },
    NotNamed {
        plugin: String,
    },
    /// By the plugin, not by the manifests.
    RoutedFurther {
        plugin: String,
    },
    /// `weight name` of each.
    WeightedClusters {
        clusters: Vec<String>,
        readers: Readers,
    },
    /// One that is not the chain's own.
    OtherCluster {
        cluster: String,
        readers: Readers,
    },
    NoChain {
        service: ObjectId,
        port: NonZeroU16,
    },
    NoTcpProxy,
    NoCluster {
        cluster: String,
    },
    NoEndpoints {
        cluster: String,
    },
}

const APPLY: &str = "apply what `waypoint-l4 compile` prints";

impl Matter {
    /// For programs: stays as it is from version to version.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoPlugin | Self::NoPluginHere => "PluginMissing",
            Self::Replaced { .. } | Self::Absent { .. } => "PluginNotLoaded",
            Self::BehindTcpProxy { .. } => "PluginBehindTcpProxy",
            Self::Refused { .. }
            | Self::Annotate { .. }
            | Self::Differs { .. }
            | Self::NotNamed { .. }
            | Self::RoutedFurther { .. } => "ConfigDiffers",
            Self::WeightedClusters { .. } => "Inert",
            Self::OtherCluster { .. } => "RoutedByIstiod",
            Self::NoChain { .. } => "ChainMissing",
            Self::NoTcpProxy => "TcpProxyMissing",
            Self::NoCluster { .. } => "ClusterMissing",
            Self::NoEndpoints { .. } => "NoEndpoints",
        }
    }

    pub(crate) fn remedy(&self) -> String {
        let remedy = match self {
            Self::NoPlugin
            | Self::Refused { .. }
            | Self::Differs { .. }
            | Self::NotNamed { .. } => APPLY,
            Self::NoPluginHere => "see that the plugin has no `match` that leaves this port out",
            Self::Replaced { .. } => {
                "see in the waypoint's log why, and that the image is where the plugin's `url` says"
            }
            Self::Absent { .. } => "see in the waypoint's log what keeps it",
            Self::BehindTcpProxy { .. } => "see which EnvoyFilter put it there",
            Self::Annotate { .. } => "compile and verify both with --annotate or both without",
            Self::RoutedFurther { .. } => {
                return format!(
                    "see that the manifests hold all routes of the waypoint, and {APPLY}"
                );
            }
            Self::WeightedClusters { readers, .. } | Self::OtherCluster { readers, .. } => {
                return readers.remedy();
            }
            Self::NoChain { .. } => {
                "see that this is the waypoint's dump, and that the Service in the cluster has this \
                 port and uses this waypoint"
            }
            Self::NoTcpProxy => {
                "see which EnvoyFilter or setting of Istio put another filter there"
            }
            // istiod makes these for a VirtualService only.
            Self::NoCluster { cluster } if cluster.starts_with("outbound|") => {
                return format!(
                    "{APPLY}, the VirtualService too, and see that the backend's Service is in the \
                     cluster"
                );
            }
            Self::NoCluster { .. } => {
                return format!(
                    "see that the backend's Service is in the cluster and uses this waypoint, and \
                     {APPLY}"
                );
            }
            Self::NoEndpoints { .. } => "see that pods of the backend's Service are ready",
        };
        remedy.to_owned()
    }
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlugin => f.write_str("no filter chain has the plugin"),
            Self::NoPluginHere => {
                f.write_str("it lacks the plugin, which other filter chains have")
            }
            Self::Replaced { plugin } => write!(
                f,
                "another filter stands in for plugin {plugin}: Istio's agent puts one there when it \
                 cannot fetch the image"
            ),
            Self::Absent { plugin } => write!(
                f,
                "filter chains name plugin {plugin} and the dump does not hold it: the waypoint \
                 waits for it"
            ),
            Self::BehindTcpProxy { plugin } => write!(
                f,
                "plugin {plugin} comes after tcp_proxy, so it decides nothing"
            ),
            Self::Refused { plugin, cause } => {
                write!(
                    f,
                    "the filter refuses the configuration of plugin {plugin}: {cause}"
                )
            }
            Self::Annotate { plugin, annotates } => {
                let how = if *annotates { "with" } else { "without" };
                write!(f, "plugin {plugin} was compiled {how} --annotate")
            }
            Self::Differs { plugin, difference } => write!(
                f,
                "plugin {plugin} has another configuration than the manifests give: {difference}"
            ),
            Self::NotNamed { plugin } => {
                write!(
                    f,
                    "the configuration of plugin {plugin} does not name this chain"
                )
            }
            Self::RoutedFurther { plugin } => {
                write!(
                    f,
                    "plugin {plugin} routes this chain, and the manifests do not"
                )
            }
            Self::WeightedClusters { clusters, .. } => write!(
                f,
                "istiod routes it natively and the plugin has no effect, as tcp_proxy has \
                 weighted_clusters: {}",
                clusters.join(", ")
            ),
            Self::OtherCluster { cluster, .. } => write!(
                f,
                "istiod routes it natively, to {cluster} alone: the plugin has an effect only until \
                 the route has a second backend"
            ),
            Self::NoChain { service, port } => write!(
                f,
                "the waypoint has no such filter chain for port {port} of {service}"
            ),
            Self::NoTcpProxy => f.write_str("it does not end in tcp_proxy, which the plugin needs"),
            Self::NoCluster { cluster } => write!(
                f,
                "the waypoint has no cluster {cluster}: its share of the connections is refused"
            ),
            Self::NoEndpoints { cluster } => write!(
                f,
                "cluster {cluster} has no healthy endpoint: its share of the connections fails"
            ),
        }
    }
}

/// As text, a line for each finding; notes are not among them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waypoint = &self.waypoint;
        for Finding { chain, matter, .. } in &self.findings {
            match chain {
                Some(chain) => write!(f, "finding: {chain}: ")?,
                None => write!(f, "finding: waypoint {waypoint}: ")?,
            }
            writeln!(f, "{}: {matter}; {}", matter.code(), matter.remedy())?;
        }
        if self.findings.is_empty() {
            let count = self.chains.len();
            writeln!(
                f,
                "waypoint {waypoint}: all is well, filter chains: {count}"
            )?;
        }
        Ok(())
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'f> {
            code: &'f str,
            chain: Option<&'f str>,
            objects: &'f [ObjectId],
            message: String,
            remedy: String,
        }
        let fields = Fields {
            code: self.matter.code(),
            chain: self.chain.as_deref(),
            objects: &self.objects,
            message: self.matter.to_string(),
            remedy: self.matter.remedy(),
        };
        fields.serialize(serializer)
    }
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
