export { httpRelay } from './relays/http.js';
export { smtpRelay } from './relays/smtp.js';

/** @typedef {import('./relays/http.js').HttpRelayOptions} HttpRelayOptions */
/** @typedef {import('./relays/smtp.js').SmtpRelayOptions} SmtpRelayOptions */
/** @typedef {import('./relays/smtp.js').SmtpTransport} SmtpTransport */
