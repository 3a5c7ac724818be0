// Reads every body of the corpus as Node does, as the official TypeScript SDK does, and as
// programs in JavaScript are known to; says for each which calls it sees. Input and answer are
// those of readers.py. It must never look at what the gateway says of a body.
//
//     node readers.mjs FOLDER        FOLDER holds node_modules with the SDK

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';

const installed = createRequire(resolve(process.argv[2], 'package.json'));
const { JSONRPCMessageSchema } = installed('@modelcontextprotocol/sdk/types.js');

// A text, or what a loose comparison takes for one.
function text(value) {
  if (Array.isArray(value) && value.length === 1) return text(value[0]);
  return typeof value === 'string' ? value : undefined;
}

// A URI as it is, and as the language's own parsers write and decode it.
function uris(value) {
  const uri = text(value) ?? '';
  const found = [uri];
  try {
    const url = new URL(uri);
    // Whole, and as one who finds resources by host and path has it.
    found.push(url.href, `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`);
  } catch { /* no URL */ }
  for (let decoded = uri; ;) {
    let again;
    try { again = decodeURIComponent(decoded); } catch { break; }
    if (again === decoded) break;
    found.push((decoded = again));
  }
  return found.map((uri) => ['resources/read', uri]);
}

function concerns(method, params) {
  const given = params !== null && typeof params === 'object' ? params : {};
  if (method === 'tools/call' || method === 'prompts/get') return [[method, text(given.name) ?? '']];
  if (/^resources\/(read|subscribe|unsubscribe)$/.test(method)) return [[method, text(given.uri) ?? ''], ...uris(given.uri)];
  if (method === 'completion/complete') {
    const ref = given.ref ?? {};
    const found = ref.name === undefined ? [] : [['prompts/get', text(ref.name) ?? '']];
    return [[method, ''], ...found, ...(ref.uri === undefined ? [] : uris(ref.uri))];
  }
  if (method === 'subscriptions/listen') {
    const wanted = given.notifications ?? {};
    const list = Array.isArray(wanted.resourceSubscriptions) ? wanted.resourceSubscriptions : [];
    const tasks = wanted.taskIds === undefined ? [] : [['tasks/get', '']];
    return [[method, ''], ...list.flatMap(uris), ...tasks];
  }
  return [[method, '']];
}

function calls(value) {
  if (Array.isArray(value)) return value.flatMap(calls);
  const method = value !== null && typeof value === 'object' ? text(value.method) : undefined;
  return method === undefined ? [] : concerns(method, value.params);
}

// Copies member by member, as merging programs do: a member `__proto__` becomes the prototype.
function assigned(value) {
  if (Array.isArray(value)) return value.map(assigned);
  if (value === null || typeof value !== 'object') return value;
  const copy = {};
  for (const [name, inner] of Object.entries(value)) copy[name] = assigned(inner);
  return copy;
}

const decoder = new TextDecoder('utf-8');
const readers = {
  // A TextDecoder takes a byte order mark away, as fetch's json() does.
  node: (body) => calls(JSON.parse(decoder.decode(body))),
  'node-buffer': (body) => calls(JSON.parse(body.toString())),
  'node-prototype': (body) => calls(assigned(JSON.parse(decoder.decode(body)))),
  'typescript-sdk': (body) => {
    const raw = JSON.parse(decoder.decode(body));
    return (Array.isArray(raw) ? raw : [raw]).map((one) => JSONRPCMessageSchema.parse(one)).flatMap(calls);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const body = Buffer.from(line.split(' ')[0], 'base64');
  const seen = {};
  for (const [name, read] of Object.entries(readers)) {
    try { seen[name] = read(body); } catch { seen[name] = []; }
  }
  // Half a pair is nothing that can be told.
  console.log(JSON.stringify(seen, (_, value) => (typeof value === 'string' ? value.toWellFormed() : value)));
}
