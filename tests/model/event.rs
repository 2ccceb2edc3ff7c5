//! What a run has seen: shows that the random worlds reach every rule.

/// A turn that an answer can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Hit,
    /// ANY got its one record set.
    Any,
    Alias,
    AliasAcrossZones,
    AliasLoop,
    /// The chain has as many records as it may.
    AliasBound,
    /// The chain ends at a name that no zone here holds.
    AliasLeavesServer,
    Wildcard,
    WildcardAlias,
    WildcardNodata,
    /// `*` itself was asked for.
    AsteriskAsked,
    /// NXDOMAIN for a name with `*` behind its first label.
    AsteriskInTheMiddle,
    Nodata,
    EmptyNonTerminal,
    NxDomain,
    NxDomainAfterAlias,
    Referral,
    ReferralAfterAlias,
    /// A referral needs glue.
    Glue,
    DsAtCut,
    /// The zone above answered for DS.
    DsAtApexFromParent,
    Dname,
    /// One DNAME record was applied twice.
    DnameTwice,
    /// The synthesized CNAME record was what was asked for.
    DnameStopsAtCname,
    YxDomain,
    Refused,
    Redirect,
    /// The private zone's NXDOMAIN stands.
    RedirectFindsNoZone,
    /// A public zone fits too, and is not asked.
    PrivateHidesPublic,
    Truncated,
    /// All sections but the glue fitted.
    GlueTruncated,
    /// Addresses that are no glue did not fit.
    AdditionalLeftOut,
    /// A policy allows a name, or only alerts.
    Allowed,
    Blocked,
    /// The name that an alias leads to is blocked, and with it the question.
    BlockedAfterAlias,
    CustomDnsInNetwork,
    CustomDnsOutside,
    /// A rule fits too, and is not used.
    ZoneBeforeRule,
    /// Several rules fit.
    LongestRule,
    /// The rule for all names leaves the name alone.
    ReservedName,
    RuleAfterAlias,
    RuleToNetwork,
    RuleToServer,
    /// Rules lead from network to network without end.
    Circle,
    /// The client desires no recursion.
    NobodyAsked,
    ServersFail,
    Upstream,
    UpstreamForOutside,
    UpstreamForRedirect,
    /// An alias of the upstream leads to a name on which someone here has a word.
    UpstreamAliasComesBack,
}

impl Event {
    pub(crate) const ALL: [Self; 50] = [
        Self::Hit,
        Self::Any,
        Self::Alias,
        Self::AliasAcrossZones,
        Self::AliasLoop,
        Self::AliasBound,
        Self::AliasLeavesServer,
        Self::Wildcard,
        Self::WildcardAlias,
        Self::WildcardNodata,
        Self::AsteriskAsked,
        Self::AsteriskInTheMiddle,
        Self::Nodata,
        Self::EmptyNonTerminal,
        Self::NxDomain,
        Self::NxDomainAfterAlias,
        Self::Referral,
        Self::ReferralAfterAlias,
        Self::Glue,
        Self::DsAtCut,
        Self::DsAtApexFromParent,
        Self::Dname,
        Self::DnameTwice,
        Self::DnameStopsAtCname,
        Self::YxDomain,
        Self::Refused,
        Self::Redirect,
        Self::RedirectFindsNoZone,
        Self::PrivateHidesPublic,
        Self::Truncated,
        Self::GlueTruncated,
        Self::AdditionalLeftOut,
        Self::Allowed,
        Self::Blocked,
        Self::BlockedAfterAlias,
        Self::CustomDnsInNetwork,
        Self::CustomDnsOutside,
        Self::ZoneBeforeRule,
        Self::LongestRule,
        Self::ReservedName,
        Self::RuleAfterAlias,
        Self::RuleToNetwork,
        Self::RuleToServer,
        Self::Circle,
        Self::NobodyAsked,
        Self::ServersFail,
        Self::Upstream,
        Self::UpstreamForOutside,
        Self::UpstreamForRedirect,
        Self::UpstreamAliasComesBack,
    ];
}
