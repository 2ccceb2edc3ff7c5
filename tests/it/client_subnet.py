# Asks with dnspython for clients that a forwarder tells of, once for each line of standard input, and prints what came: the
# answers or the RCODE, and the client subnet.
#
# A line: source address, address, port, transport, question, client's address, source prefix length.
import sys

import dns.edns
import dns.message
import dns.query
import dns.rcode

for line in sys.stdin:
    source, address, port, transport, question, client, length = line.split()
    subnet = dns.edns.ECSOption(client, int(length))
    query = dns.message.make_query(question, "A", use_edns=0, options=[subnet])
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    response = ask(query, address, port=int(port), timeout=5, source=source)
    answers = [str(record) for rrset in response.answer for record in rrset]
    told = [f"{option.address}/{option.srclen}/{option.scopelen}" for option in response.options]
    print(*(answers or [dns.rcode.to_text(response.rcode())]), *told, flush=True)
