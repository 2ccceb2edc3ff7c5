//! Longest-prefix match: address to view, or to any other value. The order of the declaration does not matter.
//!
//! Prefixes are flattened into sorted, disjoint ranges once, so that a lookup is one binary search.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::ViewId;

/// Maps addresses to values by the longest prefix; by default to the view of a client.
#[derive(Debug)]
pub struct Selector<T = ViewId> {
    rules: Box<[SelectorRule<T>]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// A prefix and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectorRule<T = ViewId> {
    /// The prefix.
    pub prefix: IpNet,
    /// The value for addresses in the prefix.
    pub leads_to: T,
}

/// Ranges, each of which reaches to the start of the next one; `None` for addresses without a rule.
#[derive(Debug)]
struct Ranges<N> {
    starts: Box<[N]>,
    rules: Box<[Option<u32>]>,
    /// An index into `starts`: the span from the first start to the last in equal steps, about two for each start. An entry is
    /// the number of starts before its step; the entry of the next step bounds the search.
    steps: Box<[u32]>,
    /// The width of a step, as a power of two.
    step_bits: u32,
}

impl<T> Default for Selector<T> {
    fn default() -> Self {
        Self::new([])
    }
}

impl<T> Selector<T> {
    /// Flattens prefixes. Of rules with the same prefix the first one counts.
    pub fn new(rules: impl IntoIterator<Item = SelectorRule<T>>) -> Self {
        Self::with_holes(rules, [])
    }

    /// As [`Selector::new`], with holes: prefixes in which only narrower or equal rules apply.
    pub fn with_holes(
        rules: impl IntoIterator<Item = SelectorRule<T>>,
        holes: impl IntoIterator<Item = IpNet>,
    ) -> Self {
        let rules = rules.into_iter().map(|rule| (rule.prefix.trunc(), Some(rule.leads_to)));
        let mut prefixes: Vec<_> = rules.chain(holes.into_iter().map(|hole| (hole.trunc(), None))).collect();
        // The sort keeps the given order among equal prefixes.
        prefixes.sort_by_key(|(prefix, _)| (prefix.network(), prefix.prefix_len()));
        prefixes.dedup_by_key(|(prefix, _)| *prefix);
        let (mut rules, mut v4, mut v6) = (Vec::new(), Vec::new(), Vec::new());
        for (prefix, leads_to) in prefixes {
            let rule = leads_to.map(|leads_to| {
                rules.push(SelectorRule { prefix, leads_to });
                rules.len() as u32 - 1
            });
            match (prefix.network(), prefix.broadcast()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits(), rule)),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((first.to_bits(), last.to_bits(), rule)),
                _ => unreachable!("both ends of a prefix are of one family"),
            }
        }
        Self { v4: Ranges::flatten(&v4), v6: Ranges::flatten(&v6), rules: rules.into() }
    }

    /// The rules, sorted by their prefixes.
    pub fn rules(&self) -> &[SelectorRule<T>] {
        &self.rules
    }

    /// The rule with the longest prefix that contains the address. An IPv4-mapped IPv6 address is matched as IPv4.
    #[inline]
    pub fn select(&self, address: IpAddr) -> Option<&SelectorRule<T>> {
        if self.rules.is_empty() {
            return None;
        }
        let rule = match address.to_canonical() {
            IpAddr::V4(address) => self.v4.find(Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => self.v6.find(Ipv6Addr::to_bits(address)),
        };
        rule.map(|rule| &self.rules[rule as usize])
    }

    /// The length of the widest prefix around an address within which every address has the same rule.
    pub fn scope(&self, address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(address) => self.v4.scope(address.to_bits()),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => 96 + self.scope(address.into()),
                None => self.v6.scope(address.to_bits()),
            },
        }
    }
}

impl Selector {
    /// As [`Selector::with_holes`], restricted to some prefixes: addresses outside them have no rule.
    pub fn within(rules: &[SelectorRule], holes: &[IpNet], prefixes: &[IpNet]) -> Self {
        // If two prefixes are cut down to the same one, the rule of the narrower one counts.
        let mut cut: Vec<_> = rules.iter().map(|rule| (rule.prefix, Some(rule.leads_to))).collect();
        cut.extend(holes.iter().map(|hole| (*hole, None)));
        cut.sort_by_key(|(prefix, _)| Reverse(prefix.prefix_len()));
        let mut cut: Vec<_> = cut
            .into_iter()
            .flat_map(|(own, leads_to)| {
                prefixes.iter().filter_map(move |prefix| {
                    let narrower = if prefix.prefix_len() > own.prefix_len() { *prefix } else { own };
                    (own.contains(&narrower) && prefix.contains(&narrower)).then_some((narrower, leads_to))
                })
            })
            .collect();
        let mut seen = HashSet::new();
        cut.retain(|(prefix, _)| seen.insert(*prefix));
        let holes: Vec<_> = cut.iter().filter(|(_, leads_to)| leads_to.is_none()).map(|(hole, _)| *hole).collect();
        let rules = cut.into_iter().filter_map(|(prefix, leads_to)| Some(SelectorRule { prefix, leads_to: leads_to? }));
        Self::with_holes(rules, holes)
    }
}

/// An address as a number.
trait Number: Copy + Ord {
    fn successor(self) -> Option<Self>;
    fn predecessor(self) -> Option<Self>;
    /// The length of the common prefix, in bits.
    fn common_bits(self, other: Self) -> u32;
    /// The distance from a number that is not higher, in units of a power of two.
    fn steps_from(self, lower: Self, step_bits: u32) -> usize;
}

impl Number for u32 {
    fn successor(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn predecessor(self) -> Option<Self> {
        self.checked_sub(1)
    }

    fn common_bits(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }

    fn steps_from(self, lower: Self, step_bits: u32) -> usize {
        usize::try_from((self - lower) >> step_bits).unwrap_or(usize::MAX)
    }
}

impl Number for u128 {
    fn successor(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn predecessor(self) -> Option<Self> {
        self.checked_sub(1)
    }

    fn common_bits(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }

    fn steps_from(self, lower: Self, step_bits: u32) -> usize {
        usize::try_from((self - lower) >> step_bits).unwrap_or(usize::MAX)
    }
}

impl<N: Number> Ranges<N> {
    /// Flattens nested ranges, sorted so that an outer one comes before those inside it.
    fn flatten(nested: &[(N, N, Option<u32>)]) -> Self {
        let mut flat: Vec<(N, Option<u32>)> = Vec::new();
        let mut open: Vec<(N, Option<u32>)> = Vec::new();
        let mut start = |at: N, rule: Option<u32>| {
            // Of two ranges with the same start, the narrower one comes last and replaces the other.
            while flat.pop_if(|(last, _)| *last == at).is_some() {}
            if flat.last().and_then(|(_, last)| *last) != rule {
                flat.push((at, rule));
            }
        };
        let close = |open: &mut Vec<(N, Option<u32>)>, before: Option<N>, start: &mut dyn FnMut(N, Option<u32>)| {
            while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|first| *last < first)) {
                if let Some(next) = last.successor() {
                    start(next, open.last().and_then(|(_, rule)| *rule));
                }
            }
        };
        for &(first, last, rule) in nested {
            close(&mut open, Some(first), &mut start);
            start(first, rule);
            open.push((last, rule));
        }
        close(&mut open, None, &mut start);
        let (starts, rules): (Vec<_>, Vec<_>) = flat.into_iter().unzip();
        let (steps, step_bits) = Self::steps(&starts);
        Self { starts: starts.into(), rules: rules.into(), steps, step_bits }
    }

    fn steps(starts: &[N]) -> (Box<[u32]>, u32) {
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return (Box::default(), 0) };
        let most = 2 * starts.len();
        let all_bits = 8 * size_of::<N>() as u32;
        let step_bits = (0..all_bits).find(|bits| last.steps_from(*first, *bits) < most).unwrap_or(all_bits - 1);
        let count = last.steps_from(*first, step_bits) + 1;
        let before = |step| starts.partition_point(|start| start.steps_from(*first, step_bits) < step) as u32;
        ((0..=count).map(before).collect(), step_bits)
    }

    #[inline]
    fn find(&self, address: N) -> Option<u32> {
        let first = self.starts.first().filter(|first| **first <= address)?;
        // The last step reaches to the end of the address space.
        let step = address.steps_from(*first, self.step_bits).min(self.steps.len() - 2);
        let (before, end) = (self.steps[step] as usize, self.steps[step + 1] as usize);
        let after = before + self.starts[before..end].partition_point(|start| *start <= address);
        self.rules[after - 1]
    }

    fn scope(&self, address: N) -> u8 {
        let after = self.starts.partition_point(|start| *start <= address);
        // The prefix must contain neither the first address of the next range nor the last one of the previous range.
        let next = self.starts.get(after).copied();
        let last = after.checked_sub(1).and_then(|own| self.starts[own].predecessor());
        let without = |other: Option<N>| other.map_or(0, |other| address.common_bits(other) + 1);
        without(next).max(without(last)) as u8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(prefix: &str, view: usize) -> SelectorRule {
        SelectorRule { prefix: prefix.parse().unwrap(), leads_to: ViewId::new(view) }
    }

    fn selected(selector: &Selector, source: &str) -> Option<usize> {
        selector.select(source.parse().unwrap()).map(|rule| rule.leads_to.index())
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

    fn v4(bits: u32) -> IpAddr {
        Ipv4Addr::from_bits(bits).into()
    }

    #[test]
    fn a_scope_is_the_widest_prefix_with_one_choice() {
        let selector = Selector::new([rule("10.0.0.0/8", 1), rule("10.1.0.0/16", 2), rule("2001:db8::/32", 3)]);
        let scope = |address: &str| selector.scope(address.parse().unwrap());
        assert_eq!(scope("10.1.0.0"), 16);
        assert_eq!(scope("10.128.0.0"), 9);
        assert_eq!(scope("10.0.0.0"), 16);
        assert_eq!(scope("10.2.3.4"), 15);
        assert_eq!(scope("192.0.2.1"), 1);
        assert_eq!(scope("::ffff:10.1.0.0"), 96 + 16);
        assert_eq!(scope("2001:db8::1"), 32);
        assert_eq!(Selector::<ViewId>::default().scope(v4(7)), 0);
    }

    #[test]
    fn a_selector_can_be_cut_down_to_some_prefixes() {
        let rules = [rule("10.0.0.0/8", 1), rule("10.1.0.0/16", 2), rule("10.2.0.0/16", 3)];
        let prefixes = ["10.1.7.0/24", "10.2.0.0/15", "192.0.2.0/24"].map(|prefix| prefix.parse().unwrap());
        let selector = Selector::within(&rules, &[], &prefixes);
        assert_eq!(selected(&selector, "10.1.7.1"), Some(2));
        assert_eq!(selected(&selector, "10.1.8.1"), None);
        assert_eq!(selected(&selector, "10.2.0.1"), Some(3));
        assert_eq!(selected(&selector, "10.3.0.1"), Some(1));
        assert_eq!(selected(&selector, "192.0.2.1"), None);
        // Of a rule and a hole that are cut down to one prefix, the narrower counts.
        let holes = [rules[1].prefix];
        let selector = Selector::within(&[rules[0], rules[2]], &holes, &prefixes);
        assert_eq!(selected(&selector, "10.1.7.1"), None);
        assert_eq!(selected(&selector, "10.2.0.1"), Some(3));
    }

    #[test]
    fn a_hole_is_selected_by_no_rule_but_a_narrower_one() {
        let rules = [rule("10.0.0.0/8", 1), rule("10.1.2.0/24", 2), rule("10.3.0.0/16", 3)];
        let holes = ["10.1.0.0/16", "10.3.0.0/16", "11.0.0.0/8"].map(|hole| hole.parse().unwrap());
        let selector = Selector::with_holes(rules, holes);
        assert_eq!(selected(&selector, "10.1.3.1"), None);
        assert_eq!(selected(&selector, "10.1.2.1"), Some(2));
        assert_eq!(selected(&selector, "10.2.0.1"), Some(1));
        assert_eq!(selected(&selector, "10.3.0.1"), Some(3));
        // Beside what no rule selects a hole makes no difference.
        assert_eq!(selector.scope([11, 0, 0, 0].into()), 8);
        assert_eq!(selector.scope([12, 0, 0, 0].into()), 6);
    }

    proptest! {
        #[test]
        fn a_scope_holds_one_choice_and_a_wider_one_does_not(
            rules in proptest::collection::vec((any::<u8>(), 0_u8..=8), 0..12),
            address in any::<u8>(),
        ) {
            // Addresses that differ in the first octet alone: few enough to be tried one by one.
            let wide = |octet: u8| v4(u32::from(octet) << 24);
            let rules = rules.iter().enumerate().map(|(view, (octet, len))| SelectorRule {
                prefix: IpNet::new(wide(*octet), *len).unwrap().trunc(),
                leads_to: ViewId::new(view),
            });
            let selector = Selector::new(rules);
            let is_one_choice = |len: u8| {
                let prefix = IpNet::new(wide(address), len).unwrap();
                (0..=255).map(wide).filter(|other| prefix.contains(other))
                    .all(|other| selector.select(other) == selector.select(wide(address)))
            };
            let scope = selector.scope(wide(address));
            prop_assert!(is_one_choice(scope));
            prop_assert!(scope == 0 || !is_one_choice(scope - 1));
        }

        #[test]
        fn agrees_with_a_linear_search(
            rules in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            sources in proptest::collection::vec(any::<u32>(), 1..40),
        ) {
            let rules: Vec<_> = rules.iter().enumerate().map(|(view, (address, len))| {
                let prefix = IpNet::new(Ipv4Addr::from_bits(*address).into(), *len).unwrap().trunc();
                SelectorRule { prefix, leads_to: ViewId::new(view) }
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
