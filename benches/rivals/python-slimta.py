"""python-slimta's queue on dictionaries. Each line on standard input is a run: a scenario, whether slimta formats its
log lines (nobody reads them here), and how many messages. Each is answered by the milliseconds it took and by how many
attempts it made."""

import sys
import time
import warnings

warnings.filterwarnings('ignore', message='pkg_resources is deprecated')

import gevent
from slimta.envelope import Envelope
from slimta.queue import Queue, dict as storage
from slimta.relay import Relay, TransientRelayError


class AtOnce(Relay):
    """Answers at once: the scenario's deferrals first, then a delivery to everybody."""

    def __init__(self, deferrals):
        super().__init__()
        self.deferrals = deferrals
        self.attempts = 0

    def attempt(self, envelope, attempts):
        self.attempts += 1
        if attempts < self.deferrals:
            raise TransientRelayError('Busy')


class NoLog:
    """In the place of a logger that formats every line."""

    def write(self, id, envelope):
        pass

    def update_meta(self, id, **what):
        pass

    def remove(self, id):
        pass


def make_envelopes(count):
    envelopes = []
    for i in range(count):
        sender = 'sender%d@example.com' % i
        recipients = ['first%d@example.org' % i, 'second%d@example.net' % i, 'third%d@example.com' % i]
        head = ('From: "Sender %d" <%s>\r\nTo: %s,\r\n %s, %s\r\nSubject: Message number %d of this benchmark\r\n'
                'Message-ID: <%d.benchmark@example.com>\r\n\r\n' % (i, sender, *recipients, i, i))
        envelope = Envelope(sender, recipients)
        envelope.parse(head.encode('ascii') + bytes([32 + i % 95]) * 2048)
        envelope.client = {'ip': '192.0.2.1', 'host': 'mail.example.com', 'name': 'mail.example.com',
                           'protocol': 'ESMTPS'}
        envelopes.append(envelope)
    return envelopes


def run(envelopes, deferrals, messages):
    store = storage.DictStorage()
    relay = AtOnce(deferrals)
    queue = Queue(store, relay, backoff=lambda envelope, attempts: 0)
    queue.start()
    gevent.sleep(0)
    start = time.perf_counter()
    for i in range(messages):
        queue.enqueue(envelopes[i % len(envelopes)])
    while store.get_info()['size']:
        gevent.sleep(0)
    took = time.perf_counter() - start
    queue.kill()
    return took * 1000, relay.attempts


def main():
    envelopes = make_envelopes(1000)
    shipped = storage.log
    for line in sys.stdin:
        deferrals, logs, messages = line.split()
        storage.log = shipped if logs == 'logs' else NoLog()
        took, attempts = run(envelopes, int(deferrals), int(messages))
        print('%f %d' % (took, attempts), flush=True)


main()
