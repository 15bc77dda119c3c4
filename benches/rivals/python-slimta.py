"""python-slimta's queue and storage on dictionaries. Each line on standard input is a run, and says whether slimta
formats its log lines (nobody reads them here) and how many messages there are:

    queue   logs|nologs MESSAGES DEFERRALS   is answered by the milliseconds and the number of attempts
    storage logs|nologs MESSAGES             is answered by the milliseconds of each operation, see STORAGE
"""

import gc
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


def run_queue(envelopes, messages, deferrals):
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


def write(store, ids, envelopes, messages):
    for i in range(messages):
        ids.append(store.write(envelopes[i % len(envelopes)].copy(), 1_700_000_000 + i))


def set_timestamp(store, ids, *_):
    for i, id in enumerate(ids):
        store.set_timestamp(id, 1_700_000_060 + i)


def increment_attempts(store, ids, *_):
    for id in ids:
        store.increment_attempts(id)


def set_recipients_delivered(store, ids, *_):
    for i, id in enumerate(ids):
        store.set_recipients_delivered(id, [i % 3])


def get(store, ids, *_):
    for id in ids:
        envelope, attempts = store.get(id)
        envelope.copy()


def load(store, *_):
    for timestamp, id in store.load():
        pass


def get_info(store, ids, *_):
    for _ in ids:
        store.get_info()


def remove(store, ids, *_):
    for id in ids:
        store.remove(id)


# In the order in which benches/side.js has them. What goes in and what comes out is copied, as ours is.
STORAGE = [write, set_timestamp, increment_attempts, set_recipients_delivered, get, load, get_info, remove]


def run_storage(envelopes, messages):
    store, ids, times = storage.DictStorage(), [], []
    for operation in STORAGE:
        gc.collect()
        start = time.perf_counter()
        operation(store, ids, envelopes, messages)
        times.append((time.perf_counter() - start) * 1000)
    return times


def main():
    envelopes = make_envelopes(1000)
    shipped = storage.log
    for line in sys.stdin:
        what, logs, *numbers = line.split()
        storage.log = shipped if logs == 'logs' else NoLog()
        run = {'queue': run_queue, 'storage': run_storage}[what]
        print(*run(envelopes, *map(int, numbers)), flush=True)


main()
