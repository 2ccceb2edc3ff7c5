//! The rules of RFC 1034 and its successors, one test each: zone text and a question in, a message as text out.

use std::fmt::Write;

use hickory_proto::op::Message;

use super::*;
use crate::azure::{
    Catalogue, Declaration, Declared, Explanations, Limits, Link, Origin, PrivateDnsZone, PublicZone, ResolutionPolicy,
    ResourceGroup, ResourceId, SoaEdit, Topology, VirtualNetwork, VirtualNetworkLink, types,
};
use crate::config::record_sets;
use crate::dns::{Name, TypeName};
use crate::snapshot::Generation;
use crate::view::Transport;

/// A server with zones, and one network `v` whose address is 10.0.0.1.
struct World {
    declaration: Declaration,
}

const ORIGIN: Origin = Origin(0);

fn network() -> Declared<ResourceId> {
    Declared::new(ResourceGroup::default().resource(types::VIRTUAL_NETWORK, "v").unwrap(), ORIGIN)
}

impl World {
    /// A public zone `example.` with these records beside its SOA and NS records.
    fn example(text: &str) -> Self {
        // Short names: private zones of one label.
        let declaration = Declaration { limits: Limits::Off, ..Declaration::default() };
        Self { declaration }.public("example", text)
    }

    fn public(mut self, apex: &str, text: &str) -> Self {
        let name: Name = apex.parse().unwrap();
        let text = format!("$TTL 60\n@ 100 SOA ns host 1 2 3 4 30\n@ NS ns.test.\n{text}\n");
        let record_sets = record_sets(&name, &text);
        self.declaration.public_zones.push(PublicZone { name: Declared::new(name, ORIGIN), record_sets });
        self
    }

    fn private(mut self, apex: &str, policy: ResolutionPolicy, text: &str) -> Self {
        let name: Name = apex.parse().unwrap();
        if self.declaration.virtual_networks.is_empty() {
            self.declaration.virtual_networks.push(VirtualNetwork {
                address_space: vec![Declared::new("10.0.0.0/8".parse().unwrap(), ORIGIN)],
                ..VirtualNetwork::new(network())
            });
        }
        let record_sets = record_sets(&name, &format!("$TTL 60\n{text}\n"));
        self.declaration.private_dns_zones.push(PrivateDnsZone {
            id: PrivateDnsZone::id(&ResourceGroup::default(), &name),
            name: Declared::new(name, ORIGIN),
            virtual_network_links: vec![VirtualNetworkLink {
                link: Link::to(network()),
                registration_enabled: false,
                resolution_policy: policy,
                in_progress_until: None,
            }]
            .into(),
            record_sets,
            soa: SoaEdit::default(),
            locked: false,
        });
        self
    }

    fn snapshot(&self) -> Snapshot {
        let (topology, _) = Topology::new(self.declaration.clone(), &Catalogue::embedded()).unwrap();
        let identity = Identity { version: Some("vnetdns test".to_owned()), ..Identity::default() };
        Snapshot::compile(topology, identity, Generation::FIRST).unwrap()
    }

    fn respond(&self, source: &str, transport: Transport, request: &[u8]) -> Option<Message> {
        let client = Client::new(source.parse().unwrap(), transport);
        let mut response = Response::new();
        respond(&self.snapshot(), &client, request, &mut response)?;
        Some(Message::from_vec(response.as_octets()).unwrap())
    }

    /// Asks from outside over TCP and compares the message as text: RCODE and flags, then one record a line with the
    /// section's initial in front.
    #[track_caller]
    fn check(&self, question: &str, expected: &[&str]) {
        self.check_from("192.0.2.1", question, expected);
    }

    #[track_caller]
    fn check_from(&self, source: &str, question: &str, expected: &[&str]) {
        let message = self.respond(source, Transport::Tcp, &query(question, None)).unwrap();
        let shown = show(&message);
        let shown: Vec<_> = shown.lines().collect();
        assert_eq!(shown, expected, "{question}");
    }
}

/// A query: `NAME TYPE [CLASS]`, with RD set.
fn query(question: &str, payload_size: Option<u16>) -> Vec<u8> {
    let mut words = question.split(' ');
    let name: Name = words.next().unwrap().parse().unwrap();
    let qtype: domain::base::Rtype = words.next().unwrap().parse().unwrap();
    let qclass: domain::base::iana::Class = words.next().unwrap_or("IN").parse().unwrap();
    let mut octets = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(payload_size.is_some())];
    octets.extend_from_slice(name.as_wire());
    octets.extend_from_slice(&qtype.to_int().to_be_bytes());
    octets.extend_from_slice(&qclass.to_int().to_be_bytes());
    if let Some(size) = payload_size {
        octets.extend_from_slice(&[0, 0, 41]);
        octets.extend_from_slice(&size.to_be_bytes());
        octets.extend_from_slice(&[0; 6]);
    }
    octets
}

fn show(message: &Message) -> String {
    let mut text = format!("{:?}", message.metadata.response_code);
    for (flag, is_set) in [("aa", message.metadata.authoritative), ("tc", message.metadata.truncation)] {
        if is_set {
            write!(text, " {flag}").unwrap();
        }
    }
    text.push('\n');
    let sections = [('A', &message.answers), ('N', &message.authorities), ('+', &message.additionals)];
    for (initial, records) in sections {
        for record in records {
            // SOA records differ in nothing that matters here but owner and TTL.
            let data = match record.record_type() {
                RecordType::SOA => String::new(),
                RecordType::DNAME => " …".to_owned(),
                _ => format!(" {}", record.data),
            };
            let rtype = TypeName(record.record_type());
            writeln!(text, "{initial} {} {} {rtype}{data}", record.name, record.ttl).unwrap();
        }
    }
    text
}

#[test]
fn an_exact_match_is_answered_with_authority() {
    let world = World::example("a A 10.0.0.1\na A 10.0.0.2\na TXT x");
    world.check("a.example A", &["NoError aa", "A a.example. 60 A 10.0.0.1", "A a.example. 60 A 10.0.0.2"]);
}

#[test]
fn a_name_without_the_type_is_nodata_with_the_soa() {
    let world = World::example("a A 10.0.0.1");
    // RFC 2308 §5: the lower of the SOA's TTL (100) and its minimum (30).
    world.check("a.example AAAA", &["NoError aa", "N example. 30 SOA"]);
}

#[test]
fn a_missing_name_is_nxdomain_with_the_soa() {
    let world = World::example("a A 10.0.0.1");
    world.check("b.example A", &["NXDomain aa", "N example. 30 SOA"]);
    world.check("x.a.example A", &["NXDomain aa", "N example. 30 SOA"]);
}

#[test]
fn an_empty_non_terminal_is_nodata_not_nxdomain() {
    let world = World::example("a.b.c A 10.0.0.1");
    world.check("b.c.example A", &["NoError aa", "N example. 30 SOA"]);
    world.check("c.example ANY", &["NoError aa", "N example. 30 SOA"]);
}

#[test]
fn letter_case_never_matters_and_the_question_keeps_it() {
    let world = World::example("MiXeD A 10.0.0.1");
    let message = world.respond("192.0.2.1", Transport::Tcp, &query("mIxEd.ExAmPlE A", None)).unwrap();
    assert_eq!(message.queries[0].name().to_string(), "mIxEd.ExAmPlE.");
    assert_eq!(message.answers.len(), 1);
}

#[test]
fn a_chain_of_aliases_is_one_answer_across_zones() {
    let world = World::example("a CNAME b\nb CNAME c.other.").public("other", "c A 10.0.0.1");
    world.check(
        "a.example A",
        &[
            "NoError aa",
            "A a.example. 60 CNAME b.example.",
            "A b.example. 60 CNAME c.other.",
            "A c.other. 60 A 10.0.0.1",
        ],
    );
}

#[test]
fn the_rcode_is_that_of_the_end_of_the_chain() {
    let world = World::example("a CNAME missing\nb CNAME c\nc TXT x\nd CNAME nobody.holds.this.");
    world.check("a.example A", &["NXDomain aa", "A a.example. 60 CNAME missing.example.", "N example. 30 SOA"]);
    world.check("b.example A", &["NoError aa", "A b.example. 60 CNAME c.example.", "N example. 30 SOA"]);
    world.check("d.example A", &["NoError aa", "A d.example. 60 CNAME nobody.holds.this."]);
}

#[test]
fn an_alias_that_is_asked_for_is_not_followed() {
    let world = World::example("a CNAME b\nb A 10.0.0.1");
    world.check("a.example CNAME", &["NoError aa", "A a.example. 60 CNAME b.example."]);
}

#[test]
fn loops_of_aliases_end() {
    let world = World::example("a CNAME b\nb CNAME a\nself CNAME self");
    world.check("a.example A", &["NoError aa", "A a.example. 60 CNAME b.example.", "A b.example. 60 CNAME a.example."]);
    world.check("self.example A", &["NoError aa", "A self.example. 60 CNAME self.example."]);
}

#[test]
fn chains_of_aliases_are_bounded() {
    let text: String = (0..100).map(|at| format!("a{at} CNAME a{}\n", at + 1)).collect();
    let message = World::example(&text).respond("192.0.2.1", Transport::Tcp, &query("a0.example A", None)).unwrap();
    assert_eq!(message.answers.len(), crate::dns::MAX_ALIASES);
}

/// The zone of RFC 4592 §2.2.1.
fn rfc_4592() -> World {
    World::example(
        "* TXT wild\n* MX 10 host1\nsub.* TXT literal\nhost1 A 192.0.2.1\n_ssh._tcp.host1 SRV 0 0 22 host1\n\
         _ssh._tcp.host2 SRV 0 0 22 host2\nsubdel NS ns.test.",
    )
}

#[test]
fn a_wildcard_answers_under_the_name_that_was_asked() {
    rfc_4592().check("host3.example TXT", &["NoError aa", "A host3.example. 60 TXT wild"]);
    rfc_4592().check("foo.bar.example TXT", &["NoError aa", "A foo.bar.example. 60 TXT wild"]);
    rfc_4592().check(
        "host3.example MX",
        &["NoError aa", "A host3.example. 60 MX 10 host1.example.", "+ host1.example. 60 A 192.0.2.1"],
    );
}

#[test]
fn a_wildcard_without_the_type_is_nodata() {
    rfc_4592().check("host3.example A", &["NoError aa", "N example. 30 SOA"]);
}

#[test]
fn a_wildcard_does_not_cover_names_that_exist() {
    rfc_4592().check("host1.example MX", &["NoError aa", "N example. 30 SOA"]);
    rfc_4592().check("sub.*.example MX", &["NoError aa", "N example. 30 SOA"]);
}

#[test]
fn a_wildcard_does_not_cross_an_empty_non_terminal() {
    rfc_4592().check("_telnet._tcp.host1.example SRV", &["NXDomain aa", "N example. 30 SOA"]);
    rfc_4592().check("_tcp.host1.example MX", &["NoError aa", "N example. 30 SOA"]);
}

#[test]
fn a_wildcard_does_not_cross_a_zone_cut() {
    rfc_4592().check("host.subdel.example TXT", &["NoError", "N subdel.example. 60 NS ns.test."]);
}

#[test]
fn an_asterisk_asked_for_or_in_the_middle_is_a_label_like_others() {
    rfc_4592().check("*.example TXT", &["NoError aa", "A *.example. 60 TXT wild"]);
    rfc_4592().check("sub.*.example TXT", &["NoError aa", "A sub.*.example. 60 TXT literal"]);
    rfc_4592().check("ghost.*.example MX", &["NXDomain aa", "N example. 30 SOA"]);
}

#[test]
fn a_wildcard_alias_leads_on() {
    let world = World::example("* CNAME host\nhost A 10.0.0.1");
    world.check("x.example A", &["NoError aa", "A x.example. 60 CNAME host.example.", "A host.example. 60 A 10.0.0.1"]);
    let world = World::example("*.w CNAME y.w");
    world.check(
        "x.w.example A",
        &["NoError aa", "A x.w.example. 60 CNAME y.w.example.", "A y.w.example. 60 CNAME y.w.example."],
    );
}

/// A zone with delegations of each kind of glue.
fn delegations() -> World {
    World::example(
        "sub NS ns.sub\nsub NS ns.sibling\nsub NS ns.elsewhere.\nns.sub A 10.0.0.1\nns.sub AAAA fd00::1\n\
         ns.sibling A 10.0.0.2\nsub DS 1 8 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\
         unsigned NS ns.elsewhere.\na CNAME x.sub",
    )
}

#[test]
fn a_delegation_is_a_referral_without_authority_and_with_glue() {
    let referral = [
        "NoError",
        "N sub.example. 60 NS ns.sub.example.",
        "N sub.example. 60 NS ns.sibling.example.",
        "N sub.example. 60 NS ns.elsewhere.",
        "+ ns.sub.example. 60 A 10.0.0.1",
        "+ ns.sub.example. 60 AAAA fd00::1",
        "+ ns.sibling.example. 60 A 10.0.0.2",
    ];
    delegations().check("sub.example A", &referral);
    delegations().check("sub.example NS", &referral);
    delegations().check("www.sub.example A", &referral);
    // Glue is no data of this zone.
    delegations().check("ns.sub.example A", &referral);
}

#[test]
fn the_parent_answers_for_ds_at_a_zone_cut() {
    let message = delegations().respond("192.0.2.1", Transport::Tcp, &query("sub.example DS", None)).unwrap();
    assert!(message.metadata.authoritative);
    assert_eq!(message.answers.len(), 1);
    delegations().check("unsigned.example DS", &["NoError aa", "N example. 30 SOA"]);
    delegations().check("x.unsigned.example DS", &["NoError", "N unsigned.example. 60 NS ns.elsewhere."]);
}

#[test]
fn ds_at_an_apex_is_the_parents_where_the_parent_is_held() {
    let world = World::example("child NS ns.test.").public("child.example", "");
    world.check("child.example DS", &["NoError aa", "N example. 30 SOA"]);
    world.check("child.example TXT", &["NoError aa", "N child.example. 30 SOA"]);
    // The child knows of its own cuts.
    let alone = World::example("").public("other", "");
    alone.check("other DS", &["NoError aa", "N other. 30 SOA"]);
}

#[test]
fn an_alias_into_a_delegation_ends_in_a_referral_with_authority_for_the_alias() {
    let message = delegations().respond("192.0.2.1", Transport::Tcp, &query("a.example A", None)).unwrap();
    assert!(message.metadata.authoritative);
    assert_eq!((message.answers.len(), message.authorities.len()), (1, 3));
}

#[test]
fn a_dname_makes_an_alias_for_what_is_below_it() {
    let world = World::example("d 90 DNAME target\nx.target A 10.0.0.1\nd TXT own");
    world.check(
        "x.d.example A",
        &[
            "NoError aa",
            "A d.example. 90 DNAME …",
            "A x.d.example. 90 CNAME x.target.example.",
            "A x.target.example. 60 A 10.0.0.1",
        ],
    );
    world.check("d.example TXT", &["NoError aa", "A d.example. 60 TXT own"]);
    world.check("d.example DNAME", &["NoError aa", "A d.example. 90 DNAME …"]);
    world.check("d.example A", &["NoError aa", "N example. 30 SOA"]);
}

#[test]
fn a_dname_that_makes_the_name_too_long_is_yxdomain() {
    let label = "x".repeat(60);
    let world = World::example(&format!("d DNAME {label}.{label}.{label}.target"));
    let message = world.respond("192.0.2.1", Transport::Tcp, &query(&format!("{label}.d.example A"), None)).unwrap();
    assert_eq!(message.metadata.response_code, Rcode::YXDomain);
    assert_eq!(message.answers.len(), 1);
}

#[test]
fn any_gets_one_record_set() {
    let world = World::example("a TXT x\na A 10.0.0.1\nb CNAME a");
    world.check("a.example ANY", &["NoError aa", "A a.example. 60 A 10.0.0.1"]);
    world.check("b.example ANY", &["NoError aa", "A b.example. 60 CNAME a.example."]);
}

#[test]
fn hosts_that_an_answer_names_come_with_their_addresses() {
    let world = World::example("@ MX 10 mail\nmail A 10.0.0.1\nmail AAAA fd00::1\n_sip._tcp SRV 0 5 5060 sip.other.")
        .public("other", "sip A 10.0.0.2");
    world.check(
        "example MX",
        &[
            "NoError aa",
            "A example. 60 MX 10 mail.example.",
            "+ mail.example. 60 A 10.0.0.1",
            "+ mail.example. 60 AAAA fd00::1",
        ],
    );
    world.check(
        "_sip._tcp.example SRV",
        &["NoError aa", "A _sip._tcp.example. 60 SRV 0 5 5060 sip.other.", "+ sip.other. 60 A 10.0.0.2"],
    );
}

#[test]
fn a_root_among_the_hosts_means_no_host_and_nothing_for_the_others() {
    let message = World::example("@ MX 10 .\n@ MX 10 mail\nmail A 10.0.0.1")
        .respond("192.0.2.1", Transport::Tcp, &query("example MX", None))
        .unwrap();
    assert_eq!(message.additionals.len(), 1);
}

#[test]
fn names_that_nobody_holds_are_refused() {
    let world = World::example("");
    world.check("other A", &["Refused"]);
    world.check(". NS", &["Refused"]);
}

#[test]
fn other_classes_are_refused() {
    let world = World::example("a A 10.0.0.1");
    for class in ["CH", "HS", "CLASS255"] {
        world.check(&format!("a.example A {class}"), &["Refused"]);
    }
}

#[test]
fn the_server_tells_its_version_and_keeps_quiet_about_what_it_was_not_given() {
    let world = World::example("");
    let message = world.respond("192.0.2.1", Transport::Tcp, &query("VERSION.bind TXT CH", None)).unwrap();
    assert_eq!(message.answers[0].data.to_string(), "vnetdns test");
    assert_eq!(u16::from(message.answers[0].dns_class), 3);
    world.check("id.server TXT CH", &["Refused"]);
}

#[test]
fn transfers_are_refused() {
    let world = World::example("");
    world.check("example AXFR", &["Refused"]);
    world.check("example IXFR", &["Refused"]);
}

#[test]
fn an_unknown_edns_version_is_badvers_and_the_answer_keeps_the_do_bit() {
    let world = World::example("a A 10.0.0.1");
    let mut octets = query("a.example A", Some(4096));
    let at = octets.len();
    octets[at - 4] = 0x80;
    let message = world.respond("192.0.2.1", Transport::Udp, &octets).unwrap();
    let edns = message.edns.as_ref().unwrap();
    assert!(edns.flags().dnssec_ok);
    assert_eq!(edns.max_payload(), 1232);
    octets[at - 5] = 1;
    let message = world.respond("192.0.2.1", Transport::Udp, &octets).unwrap();
    // 16 is BADVERS here, and BADSIG in a TSIG record.
    assert_eq!(u16::from(message.metadata.response_code), u16::from(Rcode::BADVERS));
    assert_eq!(message.edns.unwrap().version(), 0);
}

#[test]
fn a_response_is_cut_at_record_set_borders_to_what_the_client_takes() {
    let text: String = (0..60).map(|at| format!("big A 10.0.0.{at}\n")).collect();
    let world = World::example(&(text + "a CNAME big\n"));
    for (payload_size, fits) in [(None, false), (Some(100), false), (Some(512), false), (Some(1232), true)] {
        let request = query("a.example A", payload_size);
        let client = Client::new([192, 0, 2, 1].into(), Transport::Udp);
        let mut response = Response::new();
        respond(&world.snapshot(), &client, &request, &mut response).unwrap();
        let limit = payload_size.unwrap_or(512).clamp(512, 1232);
        assert!(response.as_octets().len() <= usize::from(limit));
        let message = Message::from_vec(response.as_octets()).unwrap();
        assert_eq!(message.metadata.truncation, !fits, "{payload_size:?}");
        assert_eq!(message.answers.len(), if fits { 61 } else { 1 });
        assert_eq!(message.edns.is_some(), payload_size.is_some());
    }
    let over_tcp = world.respond("192.0.2.1", Transport::Tcp, &query("a.example A", None)).unwrap();
    assert_eq!((over_tcp.answers.len(), over_tcp.metadata.truncation), (61, false));
}

#[test]
fn missing_glue_is_told_other_additional_data_is_not() {
    let glue: String = (0..40).map(|at| format!("sub NS ns{at}.sub\nns{at}.sub A 10.0.0.{at}\n")).collect();
    let hosts: String =
        (0..16).map(|at| format!("mx MX 1 h{at}.mx\nh{at}.mx A 10.0.0.{at}\nh{at}.mx AAAA fd00::1\n")).collect();
    let world = World::example(&(glue + &hosts));
    let referral = world.respond("192.0.2.1", Transport::Udp, &query("x.sub.example A", Some(1232))).unwrap();
    assert!(referral.metadata.truncation);
    let mail = world.respond("192.0.2.1", Transport::Udp, &query("mx.example MX", None)).unwrap();
    assert!(!mail.metadata.truncation);
    assert_eq!(mail.answers.len(), 16);
    assert!(mail.additionals.len() < 32);
}

#[test]
fn names_of_private_zones_are_private_to_linked_networks() {
    let world = World::example("a A 192.0.2.80").private("example", ResolutionPolicy::Default, "a A 10.0.0.1");
    world.check_from("10.0.0.1", "a.example A", &["NoError aa", "A a.example. 60 A 10.0.0.1"]);
    world.check_from("11.0.0.1", "a.example A", &["NoError aa", "A a.example. 60 A 192.0.2.80"]);
}

#[test]
fn the_longest_linked_zone_answers_alone() {
    let world = World::example("a.b A 192.0.2.80").private("b.example", ResolutionPolicy::Default, "").private(
        "example",
        ResolutionPolicy::Default,
        "a.b A 10.0.0.1\nc A 10.0.0.2",
    );
    // Neither the shorter private zone nor the public one fills in.
    world.check_from("10.0.0.1", "a.b.example A", &["NXDomain aa", "N b.example. 10 SOA"]);
    world.check_from("10.0.0.1", "c.example A", &["NoError aa", "A c.example. 60 A 10.0.0.2"]);
}

#[test]
fn an_alias_is_matched_anew_in_the_same_view() {
    let world = World::example("a CNAME a.privatelink.example.\na.privatelink A 192.0.2.80").private(
        "privatelink.example",
        ResolutionPolicy::Default,
        "a A 10.0.0.1",
    );
    let alias = "A a.example. 60 CNAME a.privatelink.example.";
    world.check_from("10.0.0.1", "a.example A", &["NoError aa", alias, "A a.privatelink.example. 60 A 10.0.0.1"]);
    world.check("a.example A", &["NoError aa", alias, "A a.privatelink.example. 60 A 192.0.2.80"]);
}

#[test]
fn a_redirecting_link_asks_public_dns_on_nxdomain_only() {
    let world =
        World::example("a.privatelink A 192.0.2.80\nb.privatelink AAAA 2001:db8::1\n*.w.privatelink A 192.0.2.81")
            .private("privatelink.example", ResolutionPolicy::NxDomainRedirect, "b A 10.0.0.1");
    world.check_from(
        "10.0.0.1",
        "a.privatelink.example A",
        &["NoError aa", "A a.privatelink.example. 60 A 192.0.2.80"],
    );
    // NODATA stands.
    world.check_from("10.0.0.1", "b.privatelink.example AAAA", &["NoError aa", "N privatelink.example. 10 SOA"]);
    world.check_from(
        "10.0.0.1",
        "x.w.privatelink.example A",
        &["NoError aa", "A x.w.privatelink.example. 60 A 192.0.2.81"],
    );
    // What public DNS does not have either is its NXDOMAIN.
    world.check_from("10.0.0.1", "c.privatelink.example A", &["NXDomain aa", "N example. 30 SOA"]);
}

#[test]
fn only_private_link_zones_redirect() {
    let world = World::example("a.b A 192.0.2.80").private("b.example", ResolutionPolicy::NxDomainRedirect, "");
    world.check_from("10.0.0.1", "a.b.example A", &["NXDomain aa", "N b.example. 10 SOA"]);
}

#[test]
fn a_redirect_to_nowhere_leaves_nxdomain() {
    let world = World::example("").private("privatelink.test", ResolutionPolicy::NxDomainRedirect, "");
    world.check_from("10.0.0.1", "a.privatelink.test A", &["NXDomain aa", "N privatelink.test. 10 SOA"]);
}

#[test]
fn who_is_told_why_takes_nothing_from_what_is_kept_and_leaves_nothing_there() {
    let mut world = World::example("").private("corp", ResolutionPolicy::Default, "host A 10.0.0.80");
    let listed = Declared::new("10.0.0.1/32".parse().unwrap(), ORIGIN);
    world.declaration.explanations = Some(Explanations { client_prefixes: vec![listed], ..Explanations::default() });
    let snapshot = world.snapshot();
    let question = query("host.corp A", Some(1232));
    let mut responder = Responder::new();
    let mut ask = |source: &str| {
        let client = Client::new(source.parse().unwrap(), Transport::Udp);
        let mut response = Response::new();
        responder.respond(&snapshot, &client, &Received::parse(&question), &mut response).unwrap();
        (responder.is_kept(), response.as_octets().to_vec())
    };
    let told = |octets: &[u8]| octets.windows(16).any(|octets| octets == b"private zone cor");
    let (is_kept, listed) = ask("10.0.0.1");
    assert!(!is_kept && told(&listed));
    let (is_kept, first) = ask("10.0.0.2");
    assert!(!is_kept && !told(&first), "what the listed client was told is not kept");
    let (is_kept, again) = ask("10.0.0.2");
    assert!(is_kept, "everybody else's answers are kept");
    assert_eq!(again, first);
    assert_eq!(ask("10.0.0.1"), (false, listed));
    assert_eq!(ask("10.0.0.2"), (true, first));
}
