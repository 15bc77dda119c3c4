/**
 * Different messages of one form: a sender, 3 recipients, a client, 4 headers, 2,048 bytes.
 *
 * @param {number} count
 * @returns {import('../pkg/index.js').Envelope[]}
 */
export function makeEnvelopes(count) {
  return Array.from({ length: count }, (_, i) => ({
    sender: `sender${i}@example.com`,
    recipients: [`first${i}@example.org`, `second${i}@example.net`, `third${i}@example.com`],
    headers: [
      ['From', `"Sender ${i}" <sender${i}@example.com>`],
      ['To', `first${i}@example.org,\r\n second${i}@example.net, third${i}@example.com`],
      ['Subject', `Message number ${i} of this benchmark`],
      ['Message-ID', `<${i}.benchmark@example.com>`],
    ],
    message: new Uint8Array(2048).fill(32 + (i % 95)),
    client: { ip: '192.0.2.1', host: 'mail.example.com', name: 'mail.example.com', protocol: 'ESMTPS' },
  }));
}
