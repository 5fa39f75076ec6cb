// @ts-check
/**
 * What the platform says about the network: when it is worth trying again at once. Browsers have it; node does not.
 */

/**
 * Listen until the function that is returned is called.
 * @param {object} events
 * @param {() => void} events.back the network is there again, or the page is looked at again
 * @param {() => void} events.changed the network was away, so a socket that seems open may lead nowhere
 * @param {any} [platform]
 * @returns {() => void}
 */
export function watchNetwork({ back, changed }, platform = globalThis) {
  if (!platform.document?.addEventListener) {
    return () => {};
  }
  const { document } = platform;
  let wasOffline = false;
  /** @type {[any, string, () => void][]} */
  const listeners = [
    [platform, 'offline', () => (wasOffline = true)],
    [
      platform,
      'online',
      () => {
        if (wasOffline) {
          wasOffline = false;
          changed();
        }
        back();
      },
    ],
    [document, 'visibilitychange', () => document.visibilityState === 'visible' && back()],
  ];
  listeners.forEach(([target, name, listener]) => target.addEventListener(name, listener));
  return () => listeners.forEach(([target, name, listener]) => target.removeEventListener(name, listener));
}
