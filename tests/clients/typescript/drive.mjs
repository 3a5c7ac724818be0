// Drives the official, unmodified TypeScript MCP client through one scenario and
// prints one line of JSON that says what a person using it would have seen.
//
//   NODE_EXTRA_CA_CERTS=ca.pem MCP_API_KEY=... node drive.mjs URL CA SCENARIO
//
// CA is taken for symmetry with the other drivers and ignored: Node reads a private
// CA from NODE_EXTRA_CA_CERTS, at its start. SCENARIO is one of full, forbidden,
// connect, cancel.
//
// It must never print the key, never print a second line on standard output, and
// never outlive its time limit: a client that hangs is a result, not a hung test.

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const LIMIT_MS = 30_000;
// A cancelled call that takes longer than this to return was not cancelled.
const PROMPT_MS = 2_000;
// How long the server may take to notice, before it is reported not to have.
const NOTICE_MS = 8_000;
const KEY = process.env.MCP_API_KEY ?? '';

const now = () => Math.round(performance.now());
const names = (list, of) => list.map(of).sort().join(',');
const textOf = content => content.map(block => block.text ?? `[${block.type}]`).join('\n');

function newReport(scenario) {
  return { client: 'typescript', scenario, ok: false, protocol: null, steps: {} };
}

// Prints the line and ends the process at once: timers and sockets of the client
// may still be open, and nothing is left to be done with them.
function finish(report) {
  let text = JSON.stringify(report);
  // A server that echoes headers must not bring the key to the output.
  if (KEY) text = text.replaceAll(KEY, '[key]');
  // Synchronous, since a pipe would lose what process.exit does not wait for.
  writeSync(1, `${text}\n`);
  process.exit(report.ok ? 0 : 1);
}

// The text with its causes: Node says only "fetch failed" and puts the reason there.
function describe(error) {
  const texts = [];
  for (let one = error; one; one = one.cause) texts.push(String(one));
  const code = typeof error?.code === 'number' ? error.code : null;
  return { code, message: error?.message ?? String(error), text: texts.join('; ') };
}

// A tool's text; its own failure is marked, since it is not an exception.
async function call(client, name, args = {}, options = undefined) {
  const result = await client.callTool({ name, arguments: args }, undefined, options);
  return { text: (result.isError ? 'isError: ' : '') + textOf(result.content), result };
}

async function full(client, report) {
  const { steps } = report;
  await connect(client, report);
  steps.notes_search = (await call(client, 'notes_search', { query: 'van' })).text;
  const note = { title: 'driver-typescript', text: 'written by the TypeScript client' };
  steps.notes_add = (await call(client, 'notes_add', note)).text;
  const status = await call(client, 'notebook_status');
  steps.notebook_status = JSON.stringify(status.result.structuredContent);
  await prompts(client, steps);
  await resources(client, steps);
  await streaming(client, report);
}

async function prompts(client, steps) {
  const listed = await client.listPrompts();
  steps.list_prompts = names(listed.prompts, one => one.name);
  const title = 'customs-form';
  const found = await client.getPrompt({ name: 'summarise_note', arguments: { title } });
  steps.get_prompt = textOf(found.messages.map(message => message.content));
  const completed = await client.complete({
    ref: { type: 'ref/prompt', name: 'summarise_note' },
    argument: { name: 'title', value: 'cust' },
  });
  steps.complete = completed.completion.values.join(',');
}

async function resources(client, steps) {
  const listed = await client.listResources();
  steps.list_resources = names(listed.resources, one => one.uri);
  const templates = await client.listResourceTemplates();
  steps.list_templates = names(templates.resourceTemplates, one => one.uriTemplate);
  const wanted = {
    read_text: 'notes://handbook',
    read_json: 'notes://zones',
    read_template: 'notes://note/customs-form',
  };
  for (const [step, uri] of Object.entries(wanted)) {
    const read = await client.readResource({ uri });
    steps[step] = read.contents.map(part => part.text).join('\n');
  }
}

// Notes when each progress notification arrived, to tell streaming from buffering.
async function streaming(client, report) {
  const start = now();
  const arrivals = [];
  const onprogress = () => arrivals.push(now() - start);
  const { text } = await call(client, 'report_build', { steps: 5 }, { onprogress });
  const result_ms = now() - start;
  report.steps.report_build = text;
  report.progress = { before_result: arrivals.length, arrivals_ms: [...arrivals], result_ms };
}

async function forbidden(client, { steps }) {
  steps.notes_delete = (await call(client, 'notes_delete', { title: 'driver-typescript' })).text;
}

async function connect(client, { steps }) {
  const listed = await client.listTools();
  steps.list_tools = names(listed.tools, tool => tool.name);
}

async function cancel(client, { steps }) {
  const before = await cancelledWaits(client);
  const start = now();
  // An aborted signal is how this client is told to give a call up.
  const options = { signal: AbortSignal.timeout(500) };
  const outcome = await call(client, 'slow_wait', { seconds: 20 }, options).then(
    ({ text }) => `answered: ${text}`,
    error => `gave up: ${error.message}`,
  );
  const took = now() - start;
  steps.slow_wait = `returned after ${took} ms, ${outcome}`;
  if (!outcome.startsWith('gave up') || took > PROMPT_MS) {
    throw new Error('the cancelled call did not return promptly');
  }
  steps.on_server = await serverNoticed(client, before);
}

async function cancelledWaits(client) {
  try {
    const { result } = await call(client, 'notebook_status');
    return result.structuredContent.waits_cancelled;
  } catch {
    // A key without that tool can still cancel; it only cannot be told.
    return null;
  }
}

async function serverNoticed(client, before) {
  if (before === null) return 'unknown';
  const start = now();
  while (now() - start < NOTICE_MS) {
    const waits = await cancelledWaits(client);
    if (waits !== null && waits !== before) return `cancelled within ${now() - start} ms`;
    await sleep(250);
  }
  return 'not cancelled';
}

const SCENARIOS = { full, forbidden, connect, cancel };

async function drive(url, scenario, report) {
  const headers = KEY ? { Authorization: `Bearer ${KEY}` } : {};
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const client = new Client({ name: 'drive-typescript', version: '0.0.0' });
  await client.connect(transport);
  report.protocol = transport.protocolVersion ?? null;
  await SCENARIOS[scenario](client, report);
  // Closing alone would leave the session behind on the server.
  await transport.terminateSession();
  await client.close();
  report.ok = true;
}

async function main() {
  const [url, ca, scenario] = process.argv.slice(2);
  if (!ca || !Object.hasOwn(SCENARIOS, scenario ?? '')) {
    console.error(`usage: drive.mjs URL CA|- ${Object.keys(SCENARIOS).join('|')}`);
    process.exit(2);
  }
  const report = newReport(scenario);
  setTimeout(() => {
    const late = { code: null, message: 'timed out', text: 'timed out' };
    finish({ ...report, ok: false, error: late });
  }, LIMIT_MS);
  try {
    await drive(url, scenario, report);
  } catch (error) {
    report.error = describe(error);
  }
  finish(report);
}

await main();
