// Drives the official, unmodified TypeScript MCP client of the second line,
// `@modelcontextprotocol/client` 2.4.0, through scenarios and prints one line of JSON that says
// what a person using it would have seen. See ../typescript/scenarios.mjs. It speaks the legacy
// era unless told otherwise; with --modern whatever is the newest that the server speaks.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { ANSWER, main } from './scenarios.mjs';

async function open(url, key, modern) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const options = { capabilities: { elicitation: {} } };
  if (modern) options.versionNegotiation = { mode: 'auto' };
  const client = new Client({ name: 'drive-typescript2', version: '0.0.0' }, options);
  const [asked, updates] = [[], []];
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params.message);
    return ANSWER;
  });
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    updates.push(params.uri);
  });
  await client.connect(transport);
  return {
    client,
    asked,
    updates,
    protocol: client.getNegotiatedProtocolVersion() ?? null,
    callTool: (params, callOptions) => client.callTool(params, callOptions),
    follow: uri => (modern ? listen(client, uri) : subscribe(client, uri)),
    close: async () => {
      // Closing alone would leave the session behind on the server.
      if (!modern) await transport.terminateSession();
      await client.close();
    },
  };
}

async function subscribe(client, uri) {
  await client.subscribeResource({ uri });
  return () => client.unsubscribeResource({ uri });
}

async function listen(client, uri) {
  const subscription = await client.listen({ resourceSubscriptions: [uri] });
  const honored = subscription.honoredFilter.resourceSubscriptions ?? [];
  if (honored.join() !== uri) throw new Error(`acknowledged: ${honored}`);
  return () => subscription.close();
}

await main('typescript2', open);
