"""Asks for one name over TLS, HTTPS, HTTP/3 and QUIC, and prints what each says."""

import sys

import dns.message
import dns.query
import dns.rcode

ca, name, qname, source, tls, https, http3, quic = sys.argv[1:]
HTTP = dns.query.HTTPVersion
url = "https://{}:{}/dns-query".format


def query():
    return dns.message.make_query(qname, "A", use_edns=0, pad=128)


def show(way, response):
    data = " ".join(rdata.to_text() for rrset in response.answer for rdata in rrset)
    print(way, dns.rcode.to_text(response.rcode()), data, len(response.wire))


common = {"timeout": 20, "source": source, "verify": ca}
show("tls", dns.query.tls(query(), "127.0.0.1", port=int(tls), server_hostname=name, **common))
https = {"where": url(name, https), "http_version": HTTP.HTTP_2}
show("https", dns.query.https(query(), bootstrap_address="127.0.0.1", **https, **common))
http3 = {"where": url(name, http3), "http_version": HTTP.HTTP_3}
show("http3", dns.query.https(query(), bootstrap_address="127.0.0.1", **http3, **common))
show("quic", dns.query.quic(query(), "127.0.0.1", port=int(quic), server_hostname=name, **common))
