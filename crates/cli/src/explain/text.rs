//! An explanation for people.

use std::fmt::{self, Display, Formatter};

use waypoint_l4_config::{Pick, StickyKey};

use super::explanation::Explanation;
use super::outcome::{Kind, Outcome};
use super::place::SHOWN;
use super::rule::{Asked, Backend, Rule, Verdict};
use super::simulation::Simulation;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(waypoint) = &self.waypoint {
            writeln!(f, "waypoint {waypoint}")?;
        }
        let Some(chain) = &self.chain else {
            return write!(f, "{}", self.outcome);
        };
        writeln!(f, "chain {chain}")?;
        if let Some(listener) = &self.listener
            && listener != chain
        {
            writeln!(f, "listener {listener}")?;
        }
        for (number, rule) in (1..).zip(&self.rules) {
            write!(f, "\n{number}. {rule}")?;
        }
        write!(f, "\n{}", self.outcome)?;
        for chain in self.chains.iter().take(SHOWN) {
            writeln!(f, "   there is one for {chain}")?;
        }
        let more = self.chains.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(f, "   and {more} more")?;
        }
        match &self.simulation {
            Some(simulation) => write!(f, "\n{simulation}"),
            None => Ok(()),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            // The name of a rule says it for all kinds but one.
            Some(kind) if !self.name.starts_with(kind) => write!(f, "{kind} {}", self.name)?,
            _ => f.write_str(&self.name)?,
        }
        match self.verdict {
            Verdict::Decides => writeln!(f, ": decides")?,
            Verdict::DoesNotMatch => writeln!(f, ": does not match")?,
            Verdict::NotAsked => return writeln!(f, ": not asked, as an earlier rule decides"),
        }
        if self.conditions.is_empty() {
            writeln!(f, "   no conditions: takes every connection")?;
        }
        for asked in &self.conditions {
            writeln!(f, "   {asked}")?;
        }
        if self.verdict == Verdict::Decides {
            writeln!(f, "   {}", pick(&self.pick))?;
            for backend in &self.backends {
                writeln!(f, "   {backend}")?;
            }
        }
        Ok(())
    }
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let holds = if self.holds { "holds" } else { "does not hold" };
        let any_of = self.any_of.join(", ");
        write!(f, "{} {any_of}: {holds}, {}", self.field, self.because)
    }
}

fn pick(pick: &Pick) -> &'static str {
    match pick {
        Pick::Random => "pick random",
        Pick::Exact => "pick exact",
        Pick::Sticky {
            by: StickyKey::SourceAddress,
        } => "pick sticky by sourceAddress",
        Pick::Sticky {
            by: StickyKey::SourcePrincipal,
        } => "pick sticky by sourcePrincipal",
    }
}

impl Display for Backend {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:6.2} %  {}: ", self.share, self.name)?;
        match (&self.cluster, &self.refuse) {
            (_, Some(reason)) => write!(f, "refused, {reason}"),
            (cluster, None) => write!(f, "cluster {}", cluster.as_deref().unwrap_or_default()),
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let backend = self.backend.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Default => write!(f, "Left to tcp_proxy's own cluster"),
            Kind::Cluster => write!(f, "To backend {backend}"),
            Kind::Refused => {
                let reason = self.reason.as_deref().unwrap_or_default();
                let of = if backend.is_empty() {
                    ""
                } else {
                    " by backend "
                };
                write!(f, "Refused{of}{backend}, {reason}")
            }
            Kind::Unseen => write!(f, "Not seen by the filter"),
            Kind::ByShare => write!(f, "To one of the backends, by their shares"),
        }?;
        if let Some(share) = self.refused_share {
            write!(f, ", {share:.2} % refused")?;
        }
        writeln!(f, ": {}.", self.because)
    }
}

impl Display for Simulation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections, seed {}:", self.connections, self.seed)?;
        if self.counts.iter().all(|count| count.backend.is_none()) {
            return writeln!(f, " all alike");
        }
        let width = self.connections.to_string().len();
        for count in &self.counts {
            let backend = count.backend.as_deref().unwrap_or("(none)");
            let (connections, percent) = (count.connections, count.percent);
            write!(f, "\n   {connections:width$}  {percent:6.2} %  {backend}")?;
            if let Some(reason) = &count.refuse {
                write!(f, ": refused, {reason}")?;
            }
        }
        writeln!(f)
    }
}
