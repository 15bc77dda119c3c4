"""python-slimta's RedisStorage: told how many messages to write and how many at a time, it says how many milliseconds
that took.

    redis-storage.py PORT
"""

import json
import sys
import time
import warnings

warnings.filterwarnings('ignore')

from gevent.pool import Pool
from slimta.envelope import Envelope
from slimta.redisstorage import RedisStorage

storage = RedisStorage(port=int(sys.argv[1]))


def envelope_of(number):
    recipients = ['%s%d@example.org' % (name, number) for name in ('first', 'second', 'third')]
    envelope = Envelope('sender%d@example.com' % number, recipients)
    headers = ['From: sender%d@example.com' % number, 'To: ' + recipients[0], 'Subject: Message number %d' % number,
               'Message-ID: <%d.benchmark@example.com>' % number]
    envelope.parse('\r\n'.join(headers + ['', 'x' * 2048]).encode())
    envelope.client.update(ip='192.0.2.1', host='mail.example.com', name='mail.example.com', protocol='ESMTPS')
    return envelope


envelopes = [envelope_of(number) for number in range(1000)]

for line in sys.stdin:
    count, at_once = json.loads(line)
    start = time.perf_counter()
    if at_once == 1:
        for number in range(count):
            storage.write(envelopes[number % 1000], time.time())
    else:
        pool = Pool(at_once)
        for number in range(count):
            pool.spawn(storage.write, envelopes[number % 1000], time.time())
        pool.join(raise_error=True)
    print((time.perf_counter() - start) * 1000, flush=True)
