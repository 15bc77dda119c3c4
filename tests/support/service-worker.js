/**
 * The service worker of a script, once it is active.
 *
 * @param {string} path
 * @returns {Promise<ServiceWorker>}
 */
export async function serviceWorker(path) {
  const registration = await navigator.serviceWorker.register(path, { type: 'module' });
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  await new Promise((resolve) => {
    const check = () => worker.state === 'activated' && resolve();
    worker.addEventListener('statechange', check);
    check();
  });
  return worker;
}
