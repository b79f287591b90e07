//! Conditions on connections: which of them leave nothing to others, and what two of them have in
//! common.

use waypoint_l4_config::{Cidr, Match, Namespace, ServiceAccount, SniPattern};

/// Whether every connection that meets the second match meets the first.
pub(crate) fn covers(first: &Match, second: &Match) -> bool {
    all_within(&first.sni, &second.sni, sni_within)
        && all_within(&first.source_namespaces, &namespaces(second), Namespace::eq)
        && all_within(
            &first.source_service_accounts,
            &second.source_service_accounts,
            ServiceAccount::eq,
        )
        && all_within(
            &first.source_cidrs,
            &second.source_cidrs,
            |first: &Cidr, second| first.0.contains(&second.0),
        )
}

/// Whether one of the first is enough for each of the second; an empty list is no condition.
fn all_within<T>(first: &[T], second: &[T], within: impl Fn(&T, &T) -> bool) -> bool {
    let enough = |item: &T| first.iter().any(|first| within(first, item));
    first.is_empty() || (!second.is_empty() && second.iter().all(enough))
}

fn sni_within(first: &SniPattern, second: &SniPattern) -> bool {
    let suffix = first.as_str().strip_prefix('*');
    first == second || suffix.is_some_and(|suffix| second.as_str().ends_with(suffix))
}

/// The namespaces that clients have to be of, be it by their service accounts.
fn namespaces(matches: &Match) -> Vec<Namespace> {
    if !matches.source_namespaces.is_empty() {
        return matches.source_namespaces.clone();
    }
    let accounts = matches.source_service_accounts.iter();
    accounts.map(|account| account.namespace.clone()).collect()
}

/// What meets both matches; none if nothing can.
pub(crate) fn both(first: &Match, second: &Match) -> Option<Match> {
    let namespace = |a: &Namespace, b: &Namespace| (a == b).then(|| a.clone());
    let account = |a: &ServiceAccount, b: &ServiceAccount| (a == b).then(|| a.clone());
    let sni = |a: &SniPattern, b: &SniPattern| narrower(a, b, sni_within);
    let cidr = |a: &Cidr, b: &Cidr| narrower(a, b, |a, b| a.0.contains(&b.0));
    Some(Match {
        sni: common(&first.sni, &second.sni, sni)?,
        source_namespaces: common(
            &first.source_namespaces,
            &second.source_namespaces,
            namespace,
        )?,
        source_service_accounts: common(
            &first.source_service_accounts,
            &second.source_service_accounts,
            account,
        )?,
        source_cidrs: common(&first.source_cidrs, &second.source_cidrs, cidr)?,
    })
}

/// The one that is within the other.
fn narrower<T: Clone>(a: &T, b: &T, within: impl Fn(&T, &T) -> bool) -> Option<T> {
    if within(a, b) {
        Some(b.clone())
    } else {
        within(b, a).then(|| a.clone())
    }
}

/// What two lists have in common, an empty one being no condition; none if that is nothing.
fn common<T: Clone + Ord>(
    first: &[T],
    second: &[T],
    common: impl Fn(&T, &T) -> Option<T>,
) -> Option<Vec<T>> {
    let mut items: Vec<_> = match (first, second) {
        ([], any) | (any, []) => return Some(any.to_vec()),
        (first, second) => {
            let pairs = first
                .iter()
                .flat_map(|a| second.iter().map(move |b| (a, b)));
            pairs.filter_map(|(a, b)| common(a, b)).collect()
        }
    };
    items.sort();
    items.dedup();
    (!items.is_empty()).then_some(items)
}

/// Whether some server name fits both of two lists.
pub(crate) fn sni_overlap(first: &[SniPattern], second: &[SniPattern]) -> bool {
    first.is_empty()
        || second.is_empty()
        || first
            .iter()
            .any(|a| second.iter().any(|b| sni_within(a, b) || sni_within(b, a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(json: &str) -> Match {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_match_covers_what_it_leaves_nothing_of() {
        for (first, second) in [
            ("{}", r#"{"sni": ["a.example"]}"#),
            (
                r#"{"sni": ["*.example", "b"]}"#,
                r#"{"sni": ["*.a.example", "b"]}"#,
            ),
            (
                r#"{"sourceCidrs": ["10.1.2.3/8"]}"#,
                r#"{"sourceCidrs": ["10.0.0.0/8", "10.1.0.0/16"]}"#,
            ),
            (
                r#"{"sourceNamespaces": ["a", "b"]}"#,
                r#"{"sourceServiceAccounts": ["a/x", "b/x"]}"#,
            ),
            (
                r#"{"sourceNamespaces": ["a"]}"#,
                r#"{"sourceNamespaces": ["a"], "sni": ["x"]}"#,
            ),
        ] {
            let (first, second) = (matches(first), matches(second));
            assert!(covers(&first, &second), "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_match_does_not_cover_what_it_leaves_a_part_of() {
        for (first, second) in [
            (r#"{"sni": ["*.example"]}"#, "{}"),
            (r#"{"sni": ["*.example"]}"#, r#"{"sni": ["example"]}"#),
            (
                r#"{"sni": ["*.example"]}"#,
                r#"{"sni": ["a.example", "b"]}"#,
            ),
            (
                r#"{"sourceCidrs": ["10.0.0.0/16"]}"#,
                r#"{"sourceCidrs": ["10.0.0.0/8"]}"#,
            ),
            (r#"{"sourceCidrs": ["10.0.0.0/8"]}"#, r#"{"sni": ["a"]}"#),
            (
                r#"{"sourceServiceAccounts": ["a/x"]}"#,
                r#"{"sourceNamespaces": ["a"]}"#,
            ),
            (
                r#"{"sourceNamespaces": ["a"], "sni": ["x"]}"#,
                r#"{"sourceNamespaces": ["a"]}"#,
            ),
        ] {
            let (first, second) = (matches(first), matches(second));
            assert!(!covers(&first, &second), "{first:?} {second:?}");
        }
    }
}
