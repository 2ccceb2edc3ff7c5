# Asks with dnspython, once for each line of standard input, and prints one line each: what was answered, or why not.
#
# A line: address, port, transport, key name, algorithm, secret, seconds that the clock is ahead, question.
import sys
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsig

clock = time.time
for line in sys.stdin:
    address, port, transport, name, algorithm, secret, ahead, question = line.split()
    query = dns.message.make_query(question, "A", use_edns=0)
    query.use_tsig(dns.tsig.Key(name, secret, algorithm))
    # The time is taken when the message is written; the response is looked at in the true one.
    wire = query.to_wire
    def with_wrong_clock(*arguments, **named):
        time.time = lambda: clock() + int(ahead)
        try:
            return wire(*arguments, **named)
        finally:
            time.time = clock
    query.to_wire = with_wrong_clock
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    try:
        response = ask(query, address, port=int(port), timeout=5)
        answers = [str(record) for rrset in response.answer for record in rrset]
        signed = "signed" if response.had_tsig else "unsigned"
        print(dns.rcode.to_text(response.rcode()), signed, *answers, flush=True)
    except dns.exception.DNSException as error:
        print(type(error).__name__, flush=True)
