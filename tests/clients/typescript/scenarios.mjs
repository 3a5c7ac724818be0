// What the TypeScript drivers do once they are connected, scenario by scenario, and their
// command line. The two lines of the SDK differ in their interface; a driver gives a session
// that hides the difference, and nothing else.
//
//   NODE_EXTRA_CA_CERTS=ca.pem MCP_API_KEY=... node drive.mjs URL CA SCENARIO[,SCENARIO...] [--modern]
//
// CA is taken for symmetry with the other drivers and ignored: Node reads a private CA from
// NODE_EXTRA_CA_CERTS, at its start. Several scenarios run one after the other in one session,
// and all of it with each key of several, which commas divide. full, forbidden, connect and cancel are for the demo's notebook; ask, follow, resume and
// again cancel for the depot of ../servers.
//
// They must never outlive their time limit: a client that hangs is a result, not a hung test.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, newReport, print } from './report.mjs';

const LIMIT_MS = 45_000;
// A cancelled call that takes longer than this to return was not cancelled.
const PROMPT_MS = 2_000;
// How long the server may take to notice, before it is reported not to have.
const NOTICE_MS = 8_000;
// What the depot's callers follow.
const PARCEL = 'depot://parcels/7';
// What they answer when they are asked.
export const ANSWER = { action: 'accept', content: { confirm: true, name: 'Zoë' } };

const now = () => Math.round(performance.now());
const names = (list, of) => list.map(of).sort().join(',');
const textOf = content => content.map(block => block.text ?? `[${block.type}]`).join('\n');

// A tool's text; its own failure is marked, since it is not an exception.
async function call(session, name, args = {}, options = undefined) {
  const result = await session.callTool({ name, arguments: args }, options);
  return { text: (result.isError ? 'isError: ' : '') + textOf(result.content), result };
}

async function full(session, report) {
  const { steps } = report;
  await connect(session, report);
  steps.notes_search = (await call(session, 'notes_search', { query: 'van' })).text;
  const note = { title: 'driver-typescript', text: 'written by the TypeScript client' };
  steps.notes_add = (await call(session, 'notes_add', note)).text;
  const status = await call(session, 'notebook_status');
  steps.notebook_status = JSON.stringify(status.result.structuredContent);
  await prompts(session.client, steps);
  await resources(session.client, steps);
  await streaming(session, report);
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
async function streaming(session, report) {
  const start = now();
  const arrivals = [];
  const onprogress = () => arrivals.push(now() - start);
  const { text } = await call(session, 'report_build', { steps: 5 }, { onprogress });
  const result_ms = now() - start;
  report.steps.report_build = text;
  report.progress = { before_result: arrivals.length, arrivals_ms: [...arrivals], result_ms };
}

async function forbidden(session, { steps }) {
  steps.notes_delete = (await call(session, 'notes_delete', { title: 'driver-typescript' })).text;
}

async function connect(session, { steps }) {
  const listed = await session.client.listTools();
  steps.list_tools = names(listed.tools, tool => tool.name);
}

async function cancel(session, { steps }) {
  const listed = await session.client.listTools();
  const status = listed.tools.find(tool => tool.name.endsWith('_status')).name;
  const waits = async () => (await call(session, status)).result.structuredContent.waits_cancelled;
  const before = await waits();
  const start = now();
  // An aborted signal is how this client is told to give a call up.
  const options = { signal: AbortSignal.timeout(500) };
  const outcome = await call(session, 'slow_wait', { seconds: 20 }, options).then(
    ({ text }) => `answered: ${text}`,
    error => `gave up: ${error.message}`,
  );
  const took = now() - start;
  steps.slow_wait = `returned after ${took} ms, ${outcome}`;
  if (!outcome.startsWith('gave up') || took > 500 + PROMPT_MS) {
    throw new Error('the cancelled call did not return promptly');
  }
  steps.on_server = await noticed(waits, before + 1);
}

// How long the server took until it told what was wanted.
async function noticed(read, wanted) {
  const start = now();
  while (now() - start < NOTICE_MS) {
    if ((await read()) === wanted) return `within ${now() - start} ms`;
    await sleep(50);
  }
  return 'never';
}

async function ask(session, { steps }) {
  const { text } = await call(session, 'parcel_return', { parcel: 'parcel-7' });
  steps.asked = session.asked.join('\n');
  steps.parcel_return = text;
}

async function status(session) {
  return (await call(session, 'depot_status')).result.structuredContent;
}

async function follow(session, { steps }) {
  const listening = async () => (await status(session)).listening;
  const leave = await session.follow(PARCEL);
  await moved(session);
  // Streams of subscriptions/listen: one in the modern era, none before.
  steps.listening = String(await listening());
  await leave();
  steps.left = await noticed(listening, 0);
}

// Moves the parcel until it is heard of. A GET stream opens whenever it opens, and what was
// said before went nowhere.
async function moved(session) {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    await call(session, 'parcel_move', { uri: PARCEL });
    if (await heard(session, 500)) return;
  }
  throw new Error('moved, and never heard of it');
}

async function heard(session, limit) {
  for (const start = now(); now() - start < limit; await sleep(10)) {
    const uri = session.updates.shift();
    if (uri !== undefined) return uri === PARCEL;
  }
  return false;
}

async function resume(session, { steps }) {
  const leave = await session.follow(PARCEL);
  await moved(session);
  // Until nothing of that is on its way any more.
  while (await heard(session, 300));
  const start = now();
  await call(session, 'stream_drop', { uri: PARCEL });
  if (!(await heard(session, 10_000))) throw new Error('the GET stream did not come back');
  steps.get_resumed = `after ${now() - start} ms`;
  await leave();
  const pages = [];
  const onprogress = ({ progress }) => pages.push(progress);
  const { text } = await call(session, 'manifest_build', {}, { onprogress });
  steps.manifest_build = `${text} [${pages.join(', ')}]`;
  steps.replays = String((await status(session)).replays);
}

const SCENARIOS = { full, forbidden, connect, cancel, ask, follow, resume };

// Runs what the command line asks for. `open(url, key, modern)` connects, and gives a session:
// client, protocol, callTool, follow, asked, updates, close.
export async function main(name, open) {
  const words = process.argv.slice(2).filter(word => word !== '--modern');
  const [url, ca, list] = words;
  const scenarios = (list ?? '').split(',');
  if (!ca || words.length !== 3 || !scenarios.every(one => Object.hasOwn(SCENARIOS, one))) {
    console.error(`usage: drive.mjs URL CA|- ${Object.keys(SCENARIOS).join('|')}[,...] [--modern]`);
    process.exit(2);
  }
  const modern = process.argv.includes('--modern');
  let ok = true;
  for (const key of (process.env.MCP_API_KEY ?? '').split(',')) {
    const report = newReport(name, list);
    const limit = setTimeout(() => {
      const late = { code: null, message: 'timed out', text: 'timed out' };
      print({ ...report, ok: false, error: late }, key);
      process.exit(1);
    }, LIMIT_MS);
    try {
      const session = await open(url, key, modern);
      report.protocol = session.protocol;
      for (const one of scenarios) await SCENARIOS[one](session, report);
      await session.close();
      report.ok = true;
    } catch (error) {
      report.error = describe(error);
    }
    clearTimeout(limit);
    print(report, key);
    ok &&= report.ok;
  }
  // At once: timers and sockets of the client may still be open, with nothing left to be done.
  process.exit(ok ? 0 : 1);
}
