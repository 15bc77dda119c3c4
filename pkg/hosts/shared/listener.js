/**
 * Calls a listener. What it throws keeps nobody else from hearing, nor the host from going on.
 *
 * @param {(id: any) => void} notify
 * @param {string} [id]
 */
export function callListener(notify, id) {
  try {
    notify(id);
  } catch (error) {
    console.error(error);
  }
}
