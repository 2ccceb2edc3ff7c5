//! The codes of findings, with severities and titles.
//!
//! Codes are an interface: scripts allow them, and code scanning compares reports by them. A code that is no longer used keeps
//! its number, and no number is used twice. The first digit is the subject: 0 files and values, 1 resources and references, 2
//! zones and records, 3 networks and machines, 4 Private Link, 5 links, aliases and forwarding, 6 the server and its clients, 7
//! imports.

use std::fmt;
use std::str::FromStr;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The declaration is refused.
    Error,
    /// Allowed, but probably not intended.
    Warning,
}

impl Severity {
    /// The word for it: `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($code:ident $variant:ident $severity:ident $name:literal $title:literal)+) => {
        /// A kind of finding. Its text is `VN` and three digits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!(stringify!($code), ": ", $title)] $variant,)+
        }

        impl Code {
            /// All codes, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code in text form, for instance `VN001`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($code)),+ }
            }

            /// A short name of lower-case words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What is found, in a line.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// The page about the code in Markdown: its meaning, an example, and the remedy.
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../docs/codes/", stringify!($code), ".md"))),+
                }
            }

            /// The severity of findings with this code.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }
        }
    };
}

codes! {
    VN001 UnreadableFile Error "unreadable-file" "a file cannot be read"
    VN002 Syntax Error "syntax" "the text is not TOML"
    VN003 UnknownKey Error "unknown-key" "a key, table or value is not known"
    VN004 MissingKey Error "missing-key" "a key is missing"
    VN005 WrongKind Error "wrong-kind" "a value is of another kind than the key takes"
    VN006 OutOfBounds Error "out-of-bounds" "a number is out of bounds"
    VN007 BadAddress Error "bad-address" "a text is not an address, a prefix or a DNS server"
    VN008 BadName Error "bad-name" "a text is not a name"
    VN009 ContradictingKeys Error "contradicting-keys" "keys exclude or need each other"
    VN010 NothingDeclared Error "nothing-declared" "nothing is declared"
    VN011 NotAConfiguration Error "not-a-configuration" "the file is not a configuration"
    VN012 BadServiceType Error "bad-service-type" "a service type of one's own is not one"
    VN013 NothingDeclaredYet Warning "nothing-declared-yet" "nothing is declared, and strangers are refused"
    VN014 BadAllow Error "bad-allow" "a code cannot be allowed"

    VN101 Duplicate Error "duplicate" "something is declared twice"
    VN102 MissingResource Error "missing-resource" "a reference leads to nothing"
    VN103 AmbiguousReference Error "ambiguous-reference" "a reference leads to several resources"
    VN104 BadReference Error "bad-reference" "a reference is not one, or leads to another kind"
    VN105 RefusedName Error "refused-name" "Azure refuses the name of a resource"
    VN106 ShortName Warning "short-name" "the name of a resource is shorter than Azure allows"
    VN107 UnknownRegion Error "unknown-region" "a region is not known"
    VN108 UnknownResourceType Error "unknown-resource-type" "a resource type is not in the catalogue"
    VN109 LostAtReload Error "lost-at-reload" "something made at run time has no place on what the files declare"

    VN201 ZoneFileEntry Error "zone-file-entry" "an entry of a zone file cannot be read"
    VN202 BadRecord Error "bad-record" "a record cannot be read"
    VN203 TypeNotPrivate Error "type-not-private" "private DNS zones have no records of the type"
    VN204 OutsideZone Error "outside-zone" "a record lies outside its zone"
    VN205 DuplicateRecordSet Error "duplicate-record-set" "a record set is declared twice"
    VN206 ExclusiveRecords Error "exclusive-records" "records exclude each other"
    VN207 ApexRecords Error "apex-records" "the apex of a zone lacks SOA or NS records, or has them twice"
    VN208 AzureLimit Error "azure-limit" "more than Azure allows"
    VN209 RefusedZoneName Error "refused-zone-name" "Azure refuses the name of a private zone"
    VN210 RefusedRecordSet Error "refused-record-set" "Azure refuses a record set"
    VN211 ZeroTtl Warning "zero-ttl" "a TTL is 0"
    VN212 TtlsDiffer Warning "ttls-differ" "records of one set have different TTLs"
    VN213 ZoneNameTwice Warning "zone-name-twice" "an owner has the zone's name in it twice"
    VN214 RelativeTarget Warning "relative-target" "a record leads to a name that lacks its final dot"
    VN215 SetTooLarge Warning "set-too-large" "a record set fits in no message"
    VN216 SignedZone Warning "signed-zone" "a zone is signed, and answers are not"
    VN217 NsLeftOut Warning "ns-left-out" "NS records at the apex of a private zone are left out"
    VN218 BadNameServer Error "bad-name-server" "a name server of a zone cannot be one"
    VN219 PrivateAddressInPublic Warning "private-address-in-public" "everyone sees a private address"
    VN220 PublicRecordTaken Error "public-record-taken" "a record of the public view is written twice"

    VN301 AddressOutside Error "address-outside" "an address is outside its network or subnet"
    VN302 SubnetsOverlap Error "subnets-overlap" "two subnets overlap"
    VN303 UnknownSubnet Error "unknown-subnet" "a network has no such subnet"
    VN304 NoFreeAddress Error "no-free-address" "a subnet has no free address left"
    VN305 AddressInUse Error "address-in-use" "an address is in use"
    VN306 NetworkWithoutPrefix Warning "network-without-prefix" "a network has no prefix"
    VN307 HiddenPrefix Warning "hidden-prefix" "narrower prefixes of other networks cover a prefix"
    VN308 OverlappingNetworks Warning "overlapping-networks" "prefixes of two networks overlap"
    VN309 AddressNotKnown Warning "address-not-known" "an address that clients need is not known"
    VN310 BadMachine Error "bad-machine" "a virtual machine cannot be so"
    VN311 MachineNameTaken Warning "machine-name-taken" "two machines are registered under one name"
    VN312 NotRegistered Warning "not-registered" "a machine is not registered, as its name has records by hand"
    VN313 RegistrationRefused Error "registration-refused" "Azure refuses the registration of machines"
    VN314 ManagedNetwork Error "managed-network" "a managed network does not take this"

    VN401 UnknownGroupId Error "unknown-group-id" "a resource has no such group ID"
    VN402 UnknownMember Error "unknown-member" "a resource has no such member"
    VN403 NotOfTheType Error "not-of-the-type" "resources of the type do not have this"
    VN404 NoNames Error "no-names" "the names of a resource cannot be formed"
    VN405 BadScope Error "bad-scope" "a resource does not belong into a private link scope"
    VN406 NoEndpointOfItsOwn Error "no-endpoint-of-its-own" "a resource has no private endpoint of its own"
    VN407 PublicNameTaken Error "public-name-taken" "two resources own one public name"
    VN408 UnverifiedNames Warning "unverified-names" "no source confirms the names of an endpoint"
    VN409 StandInLabel Warning "stand-in-label" "a label that Azure makes up is not given"
    VN410 EndpointWithoutZoneGroup Warning "endpoint-without-zone-group" "a private endpoint has no zone group"
    VN411 ZoneMissingInGroup Warning "zone-missing-in-group" "a zone group lacks a zone"
    VN412 UselessZoneInGroup Warning "useless-zone-in-group" "a zone group has a zone for which there is no record"
    VN413 LastWriterWins Warning "last-writer-wins" "two write one record, and the last wins"
    VN414 EndpointTookRecord Warning "endpoint-took-record" "an endpoint that is gone took the record of another with it"
    VN415 ZoneNotLinked Warning "zone-not-linked" "the zone of an endpoint is not linked where the endpoint's clients ask"
    VN416 PublicAccessRefused Warning "public-access-refused" "networks resolve a resource publicly that refuses them"
    VN417 AddressGiven Warning "address-given" "a member of an endpoint has no address and is given one"
    VN418 NotRefreshed Warning "not-refreshed" "a managed private endpoint is approved and not used"
    VN419 BadPrivateLinkService Error "bad-private-link-service" "the alias of a private link service is not one"

    VN501 ZoneWithoutLink Warning "zone-without-link" "a private zone has no link"
    VN502 ZoneWithoutRecords Warning "zone-without-records" "a linked Private Link zone holds no record"
    VN503 ShadowedZone Warning "shadowed-zone" "a zone with a longer name hides a record"
    VN504 PublicZoneTaken Warning "public-zone-taken" "a private zone takes a whole public zone away"
    VN505 RedirectWithoutEffect Warning "redirect-without-effect" "NxDomainRedirect has no effect on the zone"
    VN506 RedirectOnUnknownZone Warning "redirect-on-unknown-zone" "NxDomainRedirect on the zone of no known service"
    VN507 RedirectRefused Error "redirect-refused" "Azure refuses NxDomainRedirect on the zone"
    VN508 LinkedTwice Error "linked-twice" "a network is linked to a zone twice, or to two zones of one name"
    VN509 DanglingAlias Warning "dangling-alias" "an alias leads to a name that no zone holds"
    VN510 CircularAlias Warning "circular-alias" "aliases lead in a circle"
    VN511 LongAliasChain Warning "long-alias-chain" "a chain of aliases is longer than is followed"
    VN512 CustomDnsServers Warning "custom-dns-servers" "clients ask custom DNS servers, which pass links by"
    VN513 RulesetWithoutLink Warning "ruleset-without-link" "a ruleset or policy is linked to no network"
    VN514 MixedDnsServers Warning "mixed-dns-servers" "DNS servers of one list stand in different places"
    VN515 ForwardingCircle Warning "forwarding-circle" "forwarding rules send queries round in a circle"
    VN516 BadRule Error "bad-rule" "a rule cannot be so"
    VN517 RulesetLinkedTwice Error "ruleset-linked-twice" "a network is linked to two rulesets or policies"
    VN518 AmbiguousDnsServer Error "ambiguous-dns-server" "a DNS server may stand in several networks"
    VN519 AskedElsewhere Warning "asked-elsewhere" "a rule takes names elsewhere, before a Private Link zone is met"
    VN520 ZoneNeverAsked Warning "zone-never-asked" "no public name leads to a zone"
    VN521 DeniedName Warning "denied-name" "a linked zone denies public resources that it does not hold"
    VN522 StaleRecord Warning "stale-record" "a record by hand has none of the addresses of an endpoint"

    VN601 BadListener Error "bad-listener" "nothing can be served at an address"
    VN602 BadCertificate Error "bad-certificate" "a certificate or its key cannot be used"
    VN603 DoubtfulCertificate Warning "doubtful-certificate" "clients do not take a certificate"
    VN604 OpenKeyFile Warning "open-key-file" "others than its owner may read a key file"
    VN605 WeakBounds Warning "weak-bounds" "an encrypted listener with weak bounds is open to everybody"
    VN606 NotDesignated Warning "not-designated" "clients are not told of an encrypted listener"
    VN607 BadSecret Error "bad-secret" "a file holds no usable secret"
    VN608 WeakSecret Warning "weak-secret" "a secret is weaker than its algorithm"
    VN609 KeyOfNobody Warning "key-of-nobody" "a key names no network"
    VN610 BadClientCertificate Error "bad-client-certificate" "a client certificate tells nobody"
    VN611 UnusableClientCertificate Warning "unusable-client-certificate" "nobody can show a client certificate"
    VN612 BadForwarder Error "bad-forwarder" "a forwarder cannot be so"
    VN613 WideForwarder Warning "wide-forwarder" "clients may claim what only a forwarder should"
    VN614 ForwarderPrefixes Warning "forwarder-prefixes" "a forwarder is trusted with others than its networks' clients"
    VN615 ForwarderRefused Warning "forwarder-refused" "no listener lets a forwarder in"
    VN616 ForwarderWithinNetwork Warning "forwarder-within-network" "a forwarder's own address is in a network"
    VN617 ForwarderWithoutPrefix Warning "forwarder-without-prefix" "a forwarder speaks for a network without its prefixes"
    VN618 OpenListener Warning "open-listener" "whoever reaches a listener is a client of a network"
    VN619 ListenerOfAnotherNetwork Warning "listener-of-another-network" "a listener at one network's endpoint is for another's clients"
    VN620 NobodyCanAsk Warning "nobody-can-ask" "nobody can ask a listener"
    VN621 NoBoundForOne Warning "no-bound-for-one" "one client may use up what all of a network have"
    VN622 ExplainedToEverybody Error "explained-to-everybody" "strangers would be told why they get their answers"
    VN623 UpdateWithoutState Warning "update-without-state" "a key may update, and nothing keeps what it writes"
    VN624 BadEtcd Error "bad-etcd" "etcd cannot be asked as it is configured"
    VN625 FaultNotAllowed Error "fault-not-allowed" "answers would suffer faults on a server that allows none"
    VN626 BadFault Error "bad-fault" "a fault cannot be so"

    VN701 NotImported Error "not-imported" "a file cannot be imported"
    VN702 ImportDoubt Warning "import-doubt" "something that is imported may not be all"
    VN703 LeftOut Warning "left-out" "something is left out of what is imported"
    VN704 AddressSpaceNotKnown Warning "address-space-not-known" "the address space of a network is in no file"
}

impl Code {
    /// The number of codes.
    pub const COUNT: usize = Self::ALL.len();
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not a code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no code \"{written}\"{}", nearest(.written))]
pub struct CodeError {
    written: String,
}

impl FromStr for Code {
    type Err = CodeError;

    /// Parses a code, ignoring letter case.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let found = Self::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(text));
        found.copied().ok_or_else(|| CodeError { written: text.to_owned() })
    }
}

/// The code that was probably meant, if one is similar.
fn nearest(written: &str) -> String {
    let written = written.to_lowercase();
    // Codes are so short that two differences make it another code.
    let distance = |code: &Code| {
        let by_name = strsim::osa_distance(&written, code.name());
        let by_code = strsim::osa_distance(&written, &code.as_str().to_lowercase());
        let is_near = by_name <= written.chars().count() / 4;
        is_near.then_some(by_name).or_else(|| (by_code <= 1).then_some(by_code))
    };
    let near = Code::ALL.iter().filter_map(|code| Some((distance(code)?, *code))).min();
    near.map_or_else(String::new, |(_, code)| format!("; did you mean {code} ({})?", code.name()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    #[test]
    fn codes_are_in_order_and_said_once() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        for code in Code::ALL {
            let digits = code.as_str().strip_prefix("VN").unwrap_or_default();
            assert!(digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
            assert_eq!(code.as_str().parse(), Ok(*code));
            assert_eq!(code.as_str().to_lowercase().parse(), Ok(*code));
        }
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        let titles: BTreeSet<_> = Code::ALL.iter().map(|code| code.title()).collect();
        assert_eq!((names.len(), titles.len()), (Code::COUNT, Code::COUNT));
    }

    #[test]
    fn what_is_no_code_is_answered_with_the_one_that_was_meant() {
        for (written, meant) in [
            ("VN51", "; did you mean VN501 (zone-without-link)?"),
            ("dangling-alias", "; did you mean VN509 (dangling-alias)?"),
            ("danglin-alias", "; did you mean VN509 (dangling-alias)?"),
            ("E0308", ""),
            ("something else", ""),
        ] {
            let error = written.parse::<Code>().map_err(|error| error.to_string());
            assert_eq!(error, Err(format!("there is no code \"{written}\"{meant}")), "{written}");
        }
    }
}
