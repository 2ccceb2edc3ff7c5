//! Source address → view: the narrowest prefix wins, whatever the order of the declaration.
//!
//! Prefixes are flattened into sorted, disjoint ranges once, so that a choice is one binary search.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::ViewId;

/// Chooses the view of a client by its source address.
#[derive(Debug, Default)]
pub struct Selector {
    rules: Box<[SelectorRule]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// A prefix and the view of the clients in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorRule {
    /// The prefix.
    pub prefix: IpNet,
    /// The view.
    pub view: ViewId,
}

/// Each start holds until the next one; a rule of `None` is a gap.
#[derive(Debug, Default)]
struct Ranges<N> {
    starts: Box<[N]>,
    rules: Box<[Option<u32>]>,
}

impl Selector {
    /// Flattens prefixes. Of several rules with the same prefix the first counts.
    pub fn new(rules: impl IntoIterator<Item = SelectorRule>) -> Self {
        let mut rules: Vec<_> =
            rules.into_iter().map(|rule| SelectorRule { prefix: rule.prefix.trunc(), ..rule }).collect();
        // The sort keeps the given order among equal prefixes.
        rules.sort_by_key(|rule| (rule.prefix.network(), rule.prefix.prefix_len()));
        rules.dedup_by_key(|rule| rule.prefix);
        let bounds = |rule: (usize, &SelectorRule)| match (rule.1.prefix.network(), rule.1.prefix.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Bounds::V4(first.to_bits(), last.to_bits(), rule.0 as u32),
            (IpAddr::V6(first), IpAddr::V6(last)) => Bounds::V6(first.to_bits(), last.to_bits(), rule.0 as u32),
            _ => unreachable!("both ends of a prefix are of one family"),
        };
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for rule in rules.iter().enumerate() {
            match bounds(rule) {
                Bounds::V4(first, last, rule) => v4.push((first, last, rule)),
                Bounds::V6(first, last, rule) => v6.push((first, last, rule)),
            }
        }
        Self {
            v4: Ranges::flatten(&v4, |last| last.checked_add(1)),
            v6: Ranges::flatten(&v6, |last| last.checked_add(1)),
            rules: rules.into(),
        }
    }

    /// The rule with the narrowest prefix that holds the address. An IPv4-mapped IPv6 address is taken as IPv4.
    pub fn select(&self, source: IpAddr) -> Option<&SelectorRule> {
        let rule = match source.to_canonical() {
            IpAddr::V4(address) => self.v4.find(Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => self.v6.find(Ipv6Addr::to_bits(address)),
        };
        rule.map(|rule| &self.rules[rule as usize])
    }
}

enum Bounds {
    V4(u32, u32, u32),
    V6(u128, u128, u32),
}

impl<N: Copy + Ord> Ranges<N> {
    /// Flattens nested ranges, sorted so that an outer one stands before those inside it.
    fn flatten(nested: &[(N, N, u32)], successor: impl Fn(N) -> Option<N>) -> Self {
        let mut flat: Vec<(N, Option<u32>)> = Vec::new();
        let mut open: Vec<(N, u32)> = Vec::new();
        let mut start = |at: N, rule: Option<u32>| {
            // A range that begins where another does is narrower and takes its place.
            while flat.pop_if(|(last, _)| *last == at).is_some() {}
            if flat.last().is_none_or(|(_, last)| *last != rule) {
                flat.push((at, rule));
            }
        };
        let close = |open: &mut Vec<(N, u32)>, before: Option<N>, start: &mut dyn FnMut(N, Option<u32>)| {
            while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|first| *last < first)) {
                if let Some(next) = successor(last) {
                    start(next, open.last().map(|(_, rule)| *rule));
                }
            }
        };
        for &(first, last, rule) in nested {
            close(&mut open, Some(first), &mut start);
            start(first, Some(rule));
            open.push((last, rule));
        }
        close(&mut open, None, &mut start);
        let (starts, rules): (Vec<_>, Vec<_>) = flat.into_iter().unzip();
        Self { starts: starts.into(), rules: rules.into() }
    }

    fn find(&self, address: N) -> Option<u32> {
        let after = self.starts.partition_point(|start| *start <= address);
        self.rules[after.checked_sub(1)?]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(prefix: &str, view: u32) -> SelectorRule {
        SelectorRule { prefix: prefix.parse().unwrap(), view: ViewId(view) }
    }

    fn selected(selector: &Selector, source: &str) -> Option<u32> {
        selector.select(source.parse().unwrap()).map(|rule| rule.view.0)
    }

    #[test]
    fn the_narrowest_prefix_wins_whatever_the_order() {
        let mut rules = vec![rule("10.0.0.0/8", 1), rule("10.1.0.0/16", 2), rule("10.1.2.0/24", 3), rule("::/0", 4)];
        for _ in 0..rules.len() {
            let selector = Selector::new(rules.clone());
            assert_eq!(selected(&selector, "10.0.0.1"), Some(1));
            assert_eq!(selected(&selector, "10.1.0.1"), Some(2));
            assert_eq!(selected(&selector, "10.1.2.255"), Some(3));
            assert_eq!(selected(&selector, "10.1.3.0"), Some(2));
            assert_eq!(selected(&selector, "10.255.255.255"), Some(1));
            assert_eq!(selected(&selector, "11.0.0.0"), None);
            assert_eq!(selected(&selector, "9.255.255.255"), None);
            assert_eq!(selected(&selector, "2001:db8::1"), Some(4));
            rules.rotate_left(1);
        }
    }

    #[test]
    fn the_ends_of_the_address_space_are_covered() {
        let selector = Selector::new([rule("0.0.0.0/0", 1), rule("255.255.255.255/32", 2), rule("::/0", 3)]);
        assert_eq!(selected(&selector, "0.0.0.0"), Some(1));
        assert_eq!(selected(&selector, "255.255.255.254"), Some(1));
        assert_eq!(selected(&selector, "255.255.255.255"), Some(2));
        assert_eq!(selected(&selector, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some(3));
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        let selector = Selector::new([rule("10.0.0.0/8", 1), rule("::/0", 2)]);
        assert_eq!(selected(&selector, "::ffff:10.0.0.1"), Some(1));
        assert_eq!(selected(&selector, "::ffff:11.0.0.1"), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_search(
            rules in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            sources in proptest::collection::vec(any::<u32>(), 1..40),
        ) {
            let rules: Vec<_> = rules.iter().enumerate().map(|(view, (address, len))| {
                let prefix = IpNet::new(Ipv4Addr::from_bits(*address).into(), *len).unwrap().trunc();
                SelectorRule { prefix, view: ViewId(view as u32) }
            }).collect();
            let selector = Selector::new(rules.clone());
            let ends = rules.iter().flat_map(|rule| [rule.prefix.network(), rule.prefix.broadcast()]);
            for source in sources.iter().map(|source| IpAddr::from(Ipv4Addr::from_bits(*source))).chain(ends) {
                let longest = rules.iter().rev().filter(|rule| rule.prefix.contains(&source))
                    .max_by_key(|rule| rule.prefix.prefix_len());
                prop_assert_eq!(selector.select(source), longest);
            }
        }
    }
}
