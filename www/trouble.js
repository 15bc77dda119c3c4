/** What goes wrong with the data of this page, in words for people, and what they can do. */

/**
 * Why the page has no data to work with.
 *
 * @param {unknown} error
 */
export function whyClosed(error) {
  if (error instanceof Error && error.name === 'VersionError') {
    return 'A newer version of this page has changed what is kept here. Close all tabs of the page, and open it again.';
  }
  return `This browser lets the page keep no data, so mail can neither be shown nor queued. Allow this site to keep data or
    cookies, leave a private window, or make room on the disk. Then reload the page. The browser says: ${textOf(error)}.`;
}

/**
 * Why the list may be old.
 *
 * @param {unknown} error
 */
export function whyUnread(error) {
  return `The queue cannot be read: ${textOf(error)}. The page goes on trying. If that does not help, close its other tabs, and reload it.`;
}

/** @param {unknown} error */
const textOf = (error) => (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
