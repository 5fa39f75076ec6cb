// @ts-check
/**
 * Where a call was made, for the stack of the error that it may get much later: by then the engine only knows the code
 * that reads messages.
 */

/**
 * Note the stack of whoever called a function of this client.
 * @param {Function} [entrance] the function; what it called in turn is left out
 * @returns {{stack?: string}}
 */
export function traceOf(entrance) {
  const trace = {};
  const { captureStackTrace } = /** @type {any} */ (Error);
  // The text of the stack is made when it is read, which for most calls is never.
  return captureStackTrace ? (captureStackTrace(trace, entrance), trace) : new Error();
}

/**
 * Let an error say where its call was made.
 * @param {Error} error
 * @param {{stack?: string}} trace
 */
export function setTrace(error, trace) {
  // Some engines begin the text with what was thrown.
  const frames = String(trace.stack).replace(/^.*\n(?= +at )/, '');
  error.stack = `${error.name}: ${error.message}\n${frames}`;
}
