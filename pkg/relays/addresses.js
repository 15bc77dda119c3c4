/**
 * Whether an address can be handed to an SMTP client that puts it between angle brackets: it neither ends there early
 * nor is anything but itself when it arrives.
 *
 * @param {string} address
 */
export function isTransmissible(address) {
  return address !== '' && !/[\p{Cc}\p{Cs}\u2028\u2029<>]|^\s|\s$/u.test(address);
}

/**
 * The same text for all ways to write an address that differ only in the quotes around its local part and in the case
 * and encoding of its domain.
 *
 * @param {string} address
 * @returns {string}
 */
export function canonical(address) {
  const at = address.lastIndexOf('@');
  if (at < 0) return unquoted(address);
  return `${unquoted(address.slice(0, at))}@${ascii(address.slice(at + 1))}`;
}

/**
 * Whether an address takes SMTPUTF8 (RFC 6531): not only its domain, which can be written in ASCII, is beyond ASCII.
 *
 * @param {string} address
 */
export function needsUtf8(address) {
  return /[^\0-\x7f]/.test(canonical(address));
}

/** @param {string} local */
function unquoted(local) {
  return /^"(?:[^"\\]|\\.)*"$/s.test(local) ? local.slice(1, -1).replace(/\\(.)/gs, '$1') : local;
}

/** @param {string} domain */
function ascii(domain) {
  try {
    const { hostname } = new URL(`http://${domain}`);
    // What is more than a name, such as one with a port, is compared as it is.
    if (hostname && !/[/?#:@\\[\]%]/.test(domain)) return hostname;
  } catch {
    // no name of a host
  }
  return domain.toLowerCase();
}
