// Drives the official, unmodified TypeScript MCP client of the first line,
// `@modelcontextprotocol/sdk` 1.32.2, through scenarios and prints one line of JSON that says
// what a person using it would have seen. See scenarios.mjs. It speaks the legacy era and no
// other.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { ANSWER, main } from './scenarios.mjs';

async function open(url, key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const capabilities = { elicitation: {} };
  const client = new Client({ name: 'drive-typescript', version: '0.0.0' }, { capabilities });
  const [asked, updates] = [[], []];
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message);
    return ANSWER;
  });
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
    updates.push(params.uri);
  });
  await client.connect(transport);
  return {
    client,
    asked,
    updates,
    protocol: transport.protocolVersion ?? null,
    callTool: (params, options) => client.callTool(params, undefined, options),
    follow: async uri => {
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    close: async () => {
      // Closing alone would leave the session behind on the server.
      await transport.terminateSession();
      await client.close();
    },
  };
}

await main('typescript', open);
