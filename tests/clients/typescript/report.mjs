// The one line of JSON that a driver prints for a key, and how it words a failure.
//
// It must never let a key into that line.

import { writeSync } from 'node:fs';

export function newReport(client, scenario) {
  return { client, scenario, ok: false, protocol: null, steps: {} };
}

export function print(report, key) {
  let text = JSON.stringify(report);
  // A server that echoes headers must not bring the key to the output.
  if (key) text = text.replaceAll(key, '[key]');
  // Synchronous, since a pipe would lose what process.exit does not wait for.
  writeSync(1, `${text}\n`);
}

// The text with its causes: Node says only "fetch failed" and puts the reason there. The second
// line of the SDK keeps what a server said to its first probe beside the message, not in it.
export function describe(error) {
  const texts = [];
  for (let one = error; one; one = one.cause) texts.push(String(one));
  if (typeof error?.data?.text === 'string') texts.push(error.data.text);
  const code = typeof error?.code === 'number' ? error.code : null;
  return { code, message: error?.message ?? String(error), text: texts.join('; ') };
}
